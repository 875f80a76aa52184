"""Anomaly maps, and what is answered of them: a score an image, and how maps agree with boxes.

Shapes: B batch, H height, W width, M boxes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["answers_of_boxes", "residual_map", "scores_of", "smoothed"]

TOP_SHARE: Final = 0.02
"""Of a map's pixels, the highest, whose mean is the image's score: an anomaly is small beside the whole image."""


def smoothed(maps: Tensor) -> Tensor:
    """Average maps (B, 1, H, W) over squares of 1/32 of their sides, so that single pixels of noise do not count."""
    side = max(3, maps.shape[-1] // 32 | 1)
    return F.avg_pool2d(maps, side, stride=1, padding=side // 2, count_include_pad=False)


def residual_map(inputs: Tensor, reconstruction: Tensor) -> Tensor:
    """Return how far each place is from its reconstruction, smoothed; shape (B, 1, H, W)."""
    return smoothed((inputs - reconstruction).abs().mean(dim=1, keepdim=True))


def scores_of(maps: Tensor) -> Tensor:
    """Return the mean of the highest pixels of maps (B, 1, H, W), shape (B,)."""
    flat = maps.flatten(1)
    return flat.topk(max(1, round(TOP_SHARE * flat.shape[1])), dim=1).values.mean(dim=1)


def answers_of_boxes(maps: Tensor, boxes: Tensor) -> NDArray[np.float64]:
    """Return pointing, overlap and share of the boxes of each image, shape (B, 3), NaN where it has none.

    Args:
        maps: shape (B, 1, H, W).
        boxes: left, top, right, bottom in parts of the sides, shape (B, M, 4), NaN where there is none.
    """
    found = np.full((len(maps), 3), np.nan)
    has = torch.isfinite(boxes).all(dim=2).any(dim=1).cpu().numpy()
    for number in np.flatnonzero(has):
        each = maps[number, 0].detach().double().cpu().numpy()
        inside = _mask(boxes[number].double().cpu().numpy(), each.shape)
        size = int(inside.sum())
        highest = np.zeros(each.size, bool)
        highest[np.argsort(-each, axis=None, kind="stable")[:size]] = True
        both = np.count_nonzero(highest.reshape(each.shape) & inside)
        peak = np.unravel_index(int(each.argmax()), each.shape)
        found[number] = (float(inside[peak]), both / (2 * size - both), size / each.size)
    return found


def _mask(boxes: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels that lie in boxes; of a box smaller than one the pixel that it is in."""
    inside = np.zeros(shape, bool)
    for left, top, right, bottom in boxes[np.isfinite(boxes).all(axis=1)]:
        rows = slice(*_pixels(top, bottom, shape[0]))
        inside[rows, slice(*_pixels(left, right, shape[1]))] = True
    return inside


def _pixels(low: float, high: float, side: int) -> tuple[int, int]:
    first = min(side - 1, round(low * side))
    return first, max(first + 1, round(high * side))
