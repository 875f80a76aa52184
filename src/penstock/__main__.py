"""``python -m penstock``."""

from __future__ import annotations

from penstock.entry import entry

entry()
