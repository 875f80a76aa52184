"""What bytes mean - spans and decoders of file formats."""

from __future__ import annotations
