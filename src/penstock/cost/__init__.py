"""Prices, the bill and the report."""

from __future__ import annotations
