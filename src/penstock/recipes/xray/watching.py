"""Images of an evaluation with their reconstructions and anomaly maps, for the report.

Shown are images with findings that score highest and lowest (found and missed), normal ones that score highest (false
alarms), and some normal ones by a hash of their names, as many of each as ``SHOWN``: so much is held, and no more.
All maps of the page are of one scale: the brightest is where any shown image is least as its reconstruction.

Shapes: S size, D side as it is shown.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from penstock.loader.protocols import Batch
from penstock.recipes.xray.maps import scores_of
from penstock.recipes.xray.objective import map_of, reconstruction_of
from penstock.records import Figure, Picture, PictureFigure, PictureRow
from penstock.tasks.pictures import png
from penstock.tasks.protocols import Answers
from penstock.tasks.xray.labels import findings_of

__all__ = ["Watching"]

SHOWN: Final = {"found": 6, "missed": 3, "alarm": 3, "quiet": 3}
"""Images of each kind."""
_SIDE: Final = 192
"""Pixels of a picture's side, at most."""
_HEADS: Final = ("image", "reconstruction", "anomaly map")
_BOX: Final = (64, 220, 255)
"""Colour of boxes: of none that a map has."""
# The map's colours from low to high: black, violet, red, orange, pale yellow (after Matplotlib's inferno, CC0).
_COLOURS: Final = np.array(
    [
        (0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99),
        (212, 72, 66), (245, 125, 21), (250, 193, 39), (252, 255, 164),
    ],
    np.float64,
)  # fmt: skip
_TOLD: Final = {
    "found": ("Finding, scored high", "good"),
    "missed": ("Finding, scored low", "bad"),
    "alarm": ("Normal, scored high", "bad"),
    "quiet": ("Normal", "good"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """An image as it is shown: three arrays of (D, D), boxes of (boxes, 4) in parts of its sides."""

    key: str
    score: float
    findings: int
    image: NDArray[np.uint8]
    reconstruction: NDArray[np.uint8]
    map: NDArray[np.float32]
    boxes: NDArray[np.float64]


class Watching:
    """Looks at an evaluation."""

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[float, str, _Seen]]] = {kind: [] for kind in SHOWN}

    def see(self, batch: Batch, outputs: Any) -> None:
        """Hold on to the images of a batch that are to be shown, as far as is known by now."""
        inputs = batch.data["inputs"]
        maps = map_of(outputs, inputs)
        scores = scores_of(maps).double().cpu().tolist()
        ill = (batch.data["targets"] > 0).cpu().tolist()
        for number, (score, is_ill) in enumerate(zip(scores, ill, strict=True)):
            key = batch.keys[number]
            for kind, rank in _ranks(key, score, is_ill=is_ill).items():
                kept = self._kept[kind]
                if len(kept) < SHOWN[kind] or (rank, key) > kept[0][:2]:
                    seen = _seen(batch, outputs, maps, number, score)
                    push = heapq.heappush if len(kept) < SHOWN[kind] else heapq.heappushpop
                    push(kept, (rank, key, seen))

    def figures(self, answers: Answers) -> Sequence[Figure]:
        """Return rows of image, reconstruction and map; nothing where nothing was seen."""
        rows: list[tuple[str, _Seen]] = []
        shown: set[str] = set()
        for kind in SHOWN:
            for _, key, seen in sorted(self._kept[kind], key=lambda kept: (-kept[0], kept[1])):
                if key not in shown:
                    shown.add(key)
                    rows.append((kind, seen))
        if not rows:
            return []
        highest = max(float(np.quantile(seen.map, 0.999)) for _, seen in rows) or 1.0
        normal = answers.predicted[answers.truth[:, 0] == 0, 0]
        return [
            PictureFigure(
                title=f"Anomaly maps, {answers.split} split",
                description="Brighter is less as the network, which has seen normal images alone, would have it; one "
                "scale for all maps. Boxes are those that radiologists drew, where there are some. For research, and "
                "not for diagnosis.",
                heads=_HEADS,
                rows=tuple(_row(kind, seen, highest, normal) for kind, seen in rows),
            )
        ]


def _ranks(key: str, score: float, *, is_ill: bool) -> dict[str, float]:
    """Return what an image may be shown as; those of the highest rank are. Quiet ones are drawn by their names."""
    if is_ill:
        return {"found": score, "missed": -score}
    return {"alarm": score, "quiet": float(zlib.crc32(key.encode(errors="surrogatepass")))}


def _seen(batch: Batch, outputs: Any, maps: torch.Tensor, number: int, score: float) -> _Seen:
    inputs = batch.data["inputs"]
    boxes = batch.data["boxes"][number].double().cpu().numpy()
    bits = batch.data["findings"][number].cpu().numpy()
    return _Seen(
        key=batch.keys[number],
        score=score,
        findings=int(sum(1 << place for place, bit in enumerate(bits) if bit)),
        image=_grey(inputs[number]),
        reconstruction=_grey(reconstruction_of(outputs, inputs)[number]),
        map=_small(maps[number]),
        boxes=boxes[np.isfinite(boxes).all(axis=1)],
    )


def _small(image: torch.Tensor) -> NDArray[np.float32]:
    """Return an image (1, S, S) as it is shown: made smaller by means, or larger by whole factors."""
    side = image.shape[-1]
    if side > _SIDE:
        image = F.interpolate(image[None].float().cpu(), size=(_SIDE, _SIDE), mode="area")[0]
    found: NDArray[np.float32] = image[0].float().cpu().numpy()
    factor = max(1, _SIDE // side)
    return found.repeat(factor, axis=0).repeat(factor, axis=1)


def _grey(image: torch.Tensor) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = (_small(image).clip(0, 1) * 255).round().astype(np.uint8)
    return found


def _row(kind: str, seen: _Seen, highest: float, normal: NDArray[np.float64]) -> PictureRow:
    told, tone = _TOLD[kind]
    names = ", ".join(findings_of(seen.findings)).replace("_", " ").lower() or "no finding"
    above = f", above {np.mean(normal < seen.score):.0%} of normal images" if len(normal) else ""
    image = np.stack([seen.image] * 3, axis=-1)
    for box in seen.boxes:
        _outline(image, box)
    pictures = (
        Picture(png=png(image if len(seen.boxes) else seen.image), told=f"X-ray: {names}"),
        Picture(png=png(seen.reconstruction), told="its reconstruction"),
        Picture(png=png(_coloured(seen.map / highest)), told="where the two differ"),
    )
    caption = f"{told}: {names}\nscore {seen.score:.4f}{above}\n{seen.key.rpartition('/')[2]}"
    return PictureRow(caption=caption, pictures=pictures, tone=tone, key=seen.key)


def _outline(image: NDArray[np.uint8], box: NDArray[np.float64]) -> None:
    side = len(image)
    left, top, right, bottom = (min(side - 1, max(0, round(part * side))) for part in box.tolist())
    right, bottom = max(left + 1, right), max(top + 1, bottom)
    for row in (top, bottom):
        image[row : row + 1, left : right + 1] = _BOX
    for column in (left, right):
        image[top : bottom + 1, column : column + 1] = _BOX


def _coloured(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return colours of values from 0 to 1, shape (D, D, 3)."""
    places = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(values.clip(0, 1), places, _COLOURS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
