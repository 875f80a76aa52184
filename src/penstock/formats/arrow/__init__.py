"""Arrow IPC files and streams, and Feather: each record batch is an extent, of which the chosen columns are read."""

from __future__ import annotations

from penstock.formats.arrow.format import Arrow

__all__ = ["Arrow"]
