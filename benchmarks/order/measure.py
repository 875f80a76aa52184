"""All figures of all shuffles."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.order.locality import Locality, measure_locality
from benchmarks.order.orders import SHUFFLES, name_of
from benchmarks.order.randomness import Randomness, measure_randomness
from benchmarks.order.training import final_losses, make_task
from penstock.window.packing import MAX_WASTE

__all__ = ["MAX_EXTRAS", "QUICK", "SAMPLE_BYTES", "Figures", "Setting", "measure_all"]

SAMPLE_BYTES = (4 << 10, 64 << 10)
MAX_EXTRAS = (0.25, MAX_WASTE)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Sizes; ``num_samples`` is a multiple of the batch and of both numbers of classes.

    Attributes:
        dataset_bytes: of the dataset that locality is measured on, for each sample size.
        training_samples: of the dataset that is trained on.
    """

    num_samples: int = 1 << 17
    batch_extents: int = 256
    num_classes: int = 128
    dataset_bytes: tuple[int, int] = (1 << 30, 8 << 30)
    training_samples: int = 1 << 16
    training_classes: int = 32
    epochs: int = 2
    seeds: int = 5


QUICK = Setting(
    num_samples=1 << 13,
    dataset_bytes=(1 << 26, 1 << 28),
    training_samples=1 << 12,
    training_classes=8,
    epochs=1,
    seeds=2,
)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured of one shuffle.

    Attributes:
        localities: by sample size and bound on extra bytes.
        losses: validation losses, one a seed.
    """

    name: str
    randomness: Randomness
    localities: dict[tuple[int, float], Locality]
    losses: list[float]


def measure_all(setting: Setting) -> list[Figures]:
    """Measure every shuffle, with the same seeds."""
    torch.set_num_threads(1)
    task = make_task(num_samples=setting.training_samples, num_classes=setting.training_classes, seed=0)
    return [
        Figures(
            name=name_of(shuffle),
            randomness=measure_randomness(
                shuffle,
                num_samples=setting.num_samples,
                batch_extents=setting.batch_extents,
                num_classes=setting.num_classes,
                seed=0,
            ),
            localities={
                (sample_bytes, max_extra): measure_locality(
                    shuffle, sample_bytes=sample_bytes, dataset_bytes=dataset_bytes, max_extra=max_extra, seed=0
                )
                for sample_bytes, dataset_bytes in zip(SAMPLE_BYTES, setting.dataset_bytes, strict=True)
                for max_extra in MAX_EXTRAS
            },
            losses=final_losses(
                shuffle, task, batch_extents=setting.batch_extents, epochs=setting.epochs, seeds=setting.seeds
            ),
        )
        for shuffle in SHUFFLES
    ]
