"""ZIP and ZIP64: members are found by the central directory, and read by range."""

from __future__ import annotations

from penstock.formats.zip.format import Zip

__all__ = ["Zip"]
