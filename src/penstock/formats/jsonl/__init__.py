"""JSON lines (JSONL, NDJSON): runs of lines are extents, each line is a sample; and lists of JSON, item by item."""

from __future__ import annotations

from penstock.formats.jsonl.format import Json, Jsonl

__all__ = ["Json", "Jsonl"]
