"""What there is to generate: a dataset of each task in the layout that it truly has, and how it is trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from penstock.demo.clips import generate_clips
from penstock.demo.generate import MIN_SUBJECTS, Sink, generate_dataset, planted_bound, recording_bytes
from penstock.demo.texts import bound_perplexity, generate_texts
from penstock.demo.videos import best_recall, generate_videos
from penstock.demo.xrays import generate_xrays
from penstock.errors import ConfigError
from penstock.units import KIB, MIB, format_bytes

__all__ = ["KINDS", "Kind"]


class Generate(Protocol):
    """Makes a dataset object by object, and says what it is; the same arguments give the same samples."""

    def __call__(self, sink: Sink, *, seed: int, effect: float, size_bytes: int) -> str:
        """Give each key and its bytes to the sink."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A dataset, and how it is trained on where nobody says otherwise.

    Attributes:
        prefix: of its keys in the bucket.
        size_bytes: about how large it is.
        least_bytes: the smallest that there is.
        least_told: what that holds.
        options: of the task.
        bound: says of an effect what the best possible model would score, or what guessing does.
    """

    prefix: str
    generate: Generate
    size_bytes: int
    least_bytes: float
    least_told: str
    window_bytes: int
    model: str
    epochs: int
    batch_size: int | None
    learning_rate: float
    bound: Callable[[float], str]
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    options: tuple[str, ...] = ()

    def check_size(self, size_bytes: int) -> None:
        """Refuse a dataset that would be much larger than was asked for.

        Raises:
            ConfigError: it is below the smallest one that can be made.
        """
        if size_bytes < 0.9 * self.least_bytes:
            unit, letter = (1e6, "M") if self.least_bytes >= 1e6 else (1e3, "k")
            raise ConfigError(
                f"--size of {format_bytes(size_bytes)}: the smallest dataset, {self.least_told}, takes "
                f"{format_bytes(self.least_bytes)}",
                fix=f"pass --size {math.ceil(self.least_bytes / unit)}{letter} or more",
            )


def _eeg(sink: Sink, *, seed: int, effect: float, size_bytes: int) -> str:
    found = generate_dataset(sink, seed=seed, effect=effect, size_bytes=size_bytes)
    return f"{found.num_trials:,} trials"


_EEG: Final = Kind(
    prefix="NeurIPS25",
    generate=_eeg,
    size_bytes=300_000_000,
    least_bytes=MIN_SUBJECTS * recording_bytes(),
    least_told=f"{MIN_SUBJECTS} subjects",
    window_bytes=32 * MIB,
    model="eegnex",
    epochs=5,
    batch_size=None,
    learning_rate=1e-3,
    bound=lambda effect: f"nrmse {planted_bound(effect):.4f} is the best possible, 1.0 is predicting the mean",
)
KINDS: Final[Mapping[str, Kind]] = {
    "eeg-c1": _EEG,
    "eeg-c2": _EEG,
    "xray": Kind(
        prefix="nih-chest-xrays",
        generate=generate_xrays,
        size_bytes=1_600_000,
        least_bytes=500_000,
        least_told="30 patients",
        window_bytes=512 * KIB,
        model="unet-small",
        epochs=6,
        batch_size=16,
        learning_rate=3e-3,
        split=(0.5, 0.2, 0.3),
        options=("size=32",),
        bound=lambda _: "auroc 0.5 is guessing, which is all there is with --effect 0",
    ),
    "clips": Kind(
        prefix="clips",
        generate=generate_clips,
        size_bytes=2_400_000,
        least_bytes=774_000,
        least_told="20 clips",
        window_bytes=MIB,
        model="fusion",
        epochs=8,
        batch_size=8,
        learning_rate=3e-3,
        split=(0.5, 0.1, 0.4),
        options=("frames=8", "size=32", "steps=20", "coefficients=16"),
        bound=lambda effect: (
            f"balanced accuracy {(1 + effect) / 2:.3f} is the best possible on average, 0.5 is guessing"
        ),
    ),
    "video-text": Kind(
        prefix="videos",
        generate=generate_videos,
        size_bytes=1_440_000,
        least_bytes=720_000,
        least_told="120 videos",
        window_bytes=2 * MIB,
        model="frozen",
        epochs=8,
        batch_size=24,
        learning_rate=3e-3,
        split=(0.7, 0.1, 0.2),
        options=("frames=4", "size=32", "words=16"),
        bound=lambda effect: (
            f"recall at 1 {best_recall(effect):.3f} is the best possible on average, {best_recall(0):.3f} is guessing"
        ),
    ),
    "text": Kind(
        prefix="texts",
        generate=generate_texts,
        size_bytes=200_000,
        least_bytes=20_000,
        least_told="some hundred texts",
        window_bytes=256 * KIB,
        model="tiny",
        epochs=2,
        batch_size=16,
        learning_rate=3e-3,
        options=("length=64",),
        bound=lambda effect: (
            f"perplexity {bound_perplexity(effect):.3f} is the best possible on average, "
            f"{bound_perplexity(0):.3f} is what letters by chance cost"
        ),
    ),
}
"""By the names of the tasks."""
