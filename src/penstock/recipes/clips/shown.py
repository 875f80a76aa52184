"""Clips that a report shows: those that were told most surely, right and wrong."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.loader.protocols import Batch
from penstock.records import Figure, Picture, PictureFigure, PictureRow
from penstock.tasks.pictures import png
from penstock.tasks.protocols import Answers

__all__ = ["Shown"]

CLIPS_EACH: Final = 2
"""Of each class, told right or wrong."""
MOST_KINDS: Final = 8
"""Of class and right or wrong, that are shown: the first that come."""
FRAMES: Final = 6
SIDE: Final = 96
"""Most pixels of a side of a frame that is shown."""


@dataclass(order=True, slots=True)
class _Seen:
    sureness: float
    key: str
    told: int = field(compare=False)
    truth: int = field(compare=False)
    frames: NDArray[np.uint8] = field(compare=False)


class Shown:
    """Keeps some clips of an evaluation as it goes by, a few frames of each."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._kept: dict[tuple[bool, int], list[_Seen]] = {}

    def see(self, batch: Batch, outputs: Any) -> None:
        """Look at a batch."""
        chances = torch.softmax(outputs.detach().float(), dim=1).cpu().numpy()
        truth = np.asarray(batch.data["targets"].detach().cpu().numpy(), np.float64)
        frames = batch.data["inputs"]["frames"]
        for place, key in enumerate(batch.keys):
            if not np.isfinite(truth[place]):
                continue
            told, true = int(chances[place].argmax()), int(truth[place])
            kind = (told == true, true)
            if kind not in self._kept and len(self._kept) == MOST_KINDS:
                continue
            kept = self._kept.setdefault(kind, [])
            sureness = float(chances[place, told])
            if len(kept) < CLIPS_EACH or (sureness, key) > (kept[0].sureness, kept[0].key):
                seen = _Seen(sureness, key, told, true, _some(frames[place]))
                (heapq.heappush if len(kept) < CLIPS_EACH else heapq.heapreplace)(kept, seen)

    def figures(self, answers: Answers) -> Sequence[Figure]:
        """Return what was kept: the mistakes first, the surest ones first."""
        rows = [self._row(seen) for kind in sorted(self._kept) for seen in sorted(self._kept[kind], reverse=True)]
        if not rows:
            return ()
        return (
            PictureFigure(
                title="Clips",
                description=f"Frames of clips of the {answers.split} split that were told most surely: first those "
                "that were told wrong, then some that were told right.",
                rows=tuple(rows),
            ),
        )

    def _row(self, seen: _Seen) -> PictureRow:
        told, true = self._classes[seen.told], self._classes[seen.truth]
        says = f"{seen.key}: told {told} ({seen.sureness:.2f}), is {true}"
        pictures = tuple(
            Picture(png=png(frame), told=f"frame {number} of {len(seen.frames)} of {seen.key}")
            for number, frame in enumerate(seen.frames, 1)
        )
        return PictureRow(
            key=seen.key, caption=says, pictures=pictures, tone="good" if seen.told == seen.truth else "bad"
        )


def _some(frames: torch.Tensor) -> NDArray[np.uint8]:
    """Return a few frames, uint8, shape (frames, height, width, 3), small enough to be shown."""
    places = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int).tolist()
    step = -(-frames.shape[-1] // SIDE)
    found: NDArray[np.uint8] = frames[places][..., ::step, ::step].cpu().numpy().transpose(0, 2, 3, 1)
    return np.ascontiguousarray(found)
