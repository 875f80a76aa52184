"""Zarr arrays and groups of them, of versions 2 and 3: rows of chunks are extents, of shards the chunks in them."""

from __future__ import annotations

from penstock.formats.zarr.format import Zarr

__all__ = ["Zarr"]
