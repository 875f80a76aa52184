"""MDS shards, as MosaicML Streaming writes them: each run of neighbouring samples is an extent."""

from __future__ import annotations

from penstock.formats.mds.format import Mds

__all__ = ["Mds"]
