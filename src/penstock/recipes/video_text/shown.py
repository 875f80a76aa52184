"""Videos that a report shows: frames with their captions, and with those that were matched to them instead."""

from __future__ import annotations

import hashlib
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
from penstock.tasks.video_text.matching import best_captions, ranks_of

__all__ = ["Shown"]

VIDEOS: Final = 12
"""That are shown, of a split, by chance."""
FRAMES: Final = 6
SIDE: Final = 96
"""Most pixels of a side of a frame that is shown."""
TEXT: Final = 160
"""Letters of a caption that are shown."""
MOST_CAPTIONS: Final = 20_000
"""That are kept, to name the one that was matched."""


@dataclass(order=True, slots=True)
class _Seen:
    draw: bytes
    key: str
    frames: NDArray[np.uint8] = field(compare=False)


class Shown:
    """Keeps some videos of an evaluation as it goes by, a few frames of each."""

    def __init__(self) -> None:
        self._kept: list[_Seen] = []
        self._captions: dict[str, str] = {}

    def see(self, batch: Batch, outputs: Any) -> None:
        """Look at a batch."""
        frames, counts = batch.data["inputs"]["frames"], batch.data["inputs"]["frame_count"].tolist()
        told = batch.data["caption"].cpu().numpy()
        for place, key in enumerate(batch.keys):
            if len(self._captions) < MOST_CAPTIONS:
                self._captions[key] = _shortened(told[place])
            # The lowest digests: the same videos, whatever the batches.
            draw = bytes(255 - byte for byte in hashlib.sha256(key.encode(errors="replace")).digest()[:8])
            if len(self._kept) < VIDEOS or draw > self._kept[0].draw:
                seen = _Seen(draw, key, _some(frames[place][: counts[place]]))
                (heapq.heappush if len(self._kept) < VIDEOS else heapq.heapreplace)(self._kept, seen)

    def figures(self, answers: Answers) -> Sequence[Figure]:
        """Return what was kept: the best matches first."""
        places = {key: place for place, key in enumerate(answers.keys)}
        kept = [seen for seen in self._kept if seen.key in places]
        if not kept:
            return ()
        rows = np.array([places[seen.key] for seen in kept], np.int64)
        ranks = ranks_of(answers.truth, answers.predicted)
        matched = best_captions(answers.truth, answers.predicted, rows)
        shown = sorted(zip(ranks[rows].tolist(), kept, matched, strict=True), key=lambda each: (each[0], each[1].key))
        return (
            PictureFigure(
                title="Videos and captions",
                description=f"Frames of videos of the {answers.split} split, picked by chance, with their own captions "
                "and where these came among all captions of the split.",
                rows=tuple(self._row(seen, rank, answers.keys[other]) for rank, seen, other in shown),
            ),
        )

    def _row(self, seen: _Seen, rank: float, matched: str) -> PictureRow:
        is_right = rank < 1.5
        says = f"{seen.key}: “{self._captions.get(seen.key, '')}” came at rank {rank:g}"
        if not is_right and matched in self._captions:
            says += f", behind “{self._captions[matched]}”"
        pictures = tuple(
            Picture(png=png(frame), told=f"frame {number} of {len(seen.frames)} of {seen.key}")
            for number, frame in enumerate(seen.frames, 1)
        )
        return PictureRow(key=seen.key, caption=says, pictures=pictures, tone="good" if is_right else "bad")


def _shortened(data: NDArray[np.uint8]) -> str:
    text = " ".join(data.tobytes().rstrip(b"\0").decode(errors="ignore").split())
    return text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"


def _some(frames: torch.Tensor) -> NDArray[np.uint8]:
    """Return a few frames, uint8, shape (frames, height, width, 3), small enough to be shown."""
    places = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int).tolist()
    step = -(-frames.shape[-1] // SIDE)
    found: NDArray[np.uint8] = frames[places][..., ::step, ::step].cpu().numpy().transpose(0, 2, 3, 1)
    return np.ascontiguousarray(found)
