"""CSV and TSV: some MiB of whole rows are an extent; a sample is a row."""

from __future__ import annotations

from penstock.formats.csv.format import Csv

__all__ = ["Csv"]
