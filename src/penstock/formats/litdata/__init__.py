"""Chunks of LitData's optimised datasets: each run of neighbouring samples is an extent."""

from __future__ import annotations

from penstock.formats.litdata.format import LitData

__all__ = ["LitData"]
