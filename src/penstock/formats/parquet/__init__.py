"""Parquet: each row group is an extent, of which only the chosen columns are read; a sample is a row."""

from __future__ import annotations

from penstock.formats.parquet.format import Parquet

__all__ = ["Parquet"]
