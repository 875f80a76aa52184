"""Stored pixels of DICOM as values: in the units of the modality, or of a window, as a viewer shows them."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["rescaled", "stored_range", "windowed"]


def rescaled(stored: NDArray[Any], image: Any, frames: int) -> NDArray[np.float32]:
    """Return values in the units of the modality."""
    ways: Any = importlib.import_module("pydicom.pixels")  # here: of an extra
    if "ModalityLUTSequence" in image:
        return np.asarray(ways.apply_modality_lut(stored, image), np.float32)
    slopes, intercepts = _slopes(image, frames)
    if len(set(zip(slopes, intercepts, strict=True))) == 1:
        return np.asarray(stored * np.float64(slopes[0]) + intercepts[0], np.float32)
    shape = (frames, *(1 for _ in stored.shape[1:]))
    return np.asarray(stored * np.reshape(slopes, shape) + np.reshape(intercepts, shape), np.float32)


def _slopes(image: Any, frames: int) -> tuple[list[float], list[float]]:
    """Return slope and intercept of each frame: of the image, or, where frames have groups of tags, of those."""

    def told(place: Any) -> tuple[float, float] | None:
        inner = place.get("PixelValueTransformationSequence")
        where = inner[0] if inner else place
        if "RescaleSlope" not in where and "RescaleIntercept" not in where:
            return None
        slope, intercept = where.get("RescaleSlope"), where.get("RescaleIntercept")
        return float(1 if slope is None else slope), float(0 if intercept is None else intercept)

    shared = image.get("SharedFunctionalGroupsSequence")
    for_all = told(image) or (told(shared[0]) if shared else None) or (1.0, 0.0)
    each = image.get("PerFrameFunctionalGroupsSequence") or []
    found = [(told(each[number]) if number < len(each) else None) or for_all for number in range(frames)]
    if not all(math.isfinite(slope) and math.isfinite(intercept) for slope, intercept in found):
        raise ValueError(f"a slope or an intercept that is no number: {found[0]}")
    return [slope for slope, _ in found], [intercept for _, intercept in found]


def windowed(values: NDArray[np.float32], image: Any, window: Sequence[float] | None) -> NDArray[np.uint8]:
    """Return 0 to 255 of a window (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    way = "LINEAR"
    if window is None:
        centre, width = (_first(image.get(name)) for name in ("WindowCenter", "WindowWidth"))
        way = str(image.get("VOILUTFunction") or way)
        if centre is None or width is None or width <= 0:
            low, high = float(values.min()), float(values.max())
            centre, width, way = (low + high) / 2, high - low, "LINEAR_EXACT"
    else:
        centre, width = float(window[0]), float(window[1])
    found = values.astype(np.float64)
    if way == "SIGMOID":
        part = 1 / (1 + np.exp(np.clip(-4 * (found - centre) / max(width, 1e-12), -700, 700)))
    elif way == "LINEAR" and width > 1:
        part = (found - (centre - 0.5)) / (width - 1) + 0.5
    elif way == "LINEAR":
        part = (found > centre - 0.5).astype(np.float64)
    else:
        part = (found - centre) / width + 0.5 if width > 0 else np.full(found.shape, 0.5)
    return np.rint(np.clip(part, 0, 1) * 255).astype(np.uint8)


def _first(value: Any) -> float | None:
    """Return the first of one or several numbers."""
    if value is None or value == "":
        return None
    first = value[0] if isinstance(value, Sequence) and not isinstance(value, str) and len(value) else value
    return float(first)


def stored_range(image: Any) -> tuple[int, int]:
    """Return the lowest and the highest number that pixels can have."""
    bits = int(image.BitsStored)
    if not 1 <= bits <= 64:
        raise ValueError(f"{bits} bits stored")
    if int(image.get("PixelRepresentation") or 0):
        return -(1 << bits - 1), (1 << bits - 1) - 1
    return 0, (1 << bits) - 1
