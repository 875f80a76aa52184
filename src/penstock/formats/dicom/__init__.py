"""DICOM by pydicom."""

from __future__ import annotations

from penstock.formats.dicom.format import Dicom

__all__ = ["Dicom"]
