"""Pure functions of the plan: order, splits, lanes."""

from __future__ import annotations
