"""Datasets of Lance: each fragment of the newest version, or of one that is named, is an extent."""

from __future__ import annotations

from penstock.formats.lance.format import Lance

__all__ = ["Lance"]
