"""A task whose samples are opaque bytes, and a network whose computing takes a stated time: a package as a user's own.

A pass forward takes a third of a sample's time and a pass backward two thirds, as of most networks, so that a sample
that is only scored takes a third.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.manifest import Described, Extent
from penstock.records import MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.metrics import regression_metrics
from penstock.tasks.protocols import Limits, OptionValue, SampleSet

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FORWARD_SHARE", "NAME", "SECONDS_VARIABLE", "Opaque", "Slow", "declare"]

NAME = "bench-opaque"
SECONDS_VARIABLE = "PENSTOCK_BENCH_SAMPLE_SECONDS"
"""Of the environment: what a sample takes in training."""
NUM_FEATURES = 16
FORWARD_SHARE = 1 / 3
"""Of what a sample takes in training, that its pass forward takes."""


class Opaque:
    """Every object is a sample, of which the first bytes are looked at."""

    name = NAME
    recipe = NAME
    score = "mae"
    options = ()

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Take every object that lies there."""
        found = await source.list_all()

        async def rows() -> AsyncIterator[Extent]:
            for number, info in enumerate(found[: limits.max_files]):
                span = info.span(0, info.size_bytes)
                yield Extent(key=info.key, group=info.key, spans=(span,), targets=(float(number % 2),))

        return SampleSet(rows=rows(), shape=(NUM_FEATURES,))

    def decode(self, data: Any, about: Described, codec: str, numbers: Sequence[int]) -> Sequence[Any]:
        """Return the first bytes as numbers."""
        inputs = np.frombuffer(data[:NUM_FEATURES], np.uint8).astype(np.float32) / 255
        return [{"inputs": inputs, "targets": about.targets[number]} for number in numbers]

    def metrics(self, truth: Any, predicted: Any, groups: Sequence[str]) -> MetricValues:
        """Score as any regression."""
        return regression_metrics(truth, predicted)


class Slow:
    """Its networks."""

    models = ("slow",)

    def check_model(self, name: str, shape: tuple[int, ...]) -> None:
        """Take any."""

    def build_model(self, name: str, *, shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        """Make a layer that takes as long a sample as the environment says."""
        import torch
        from torch import nn

        seconds = float(os.environ[SECONDS_VARIABLE])

        class Waits(torch.autograd.Function):
            """Gives what it is given, each way after a while."""

            @staticmethod
            def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
                time.sleep(len(values) * seconds * FORWARD_SHARE)
                return values.view_as(values)

            @staticmethod
            def backward(ctx: Any, *gradients: Any) -> Any:
                time.sleep(len(gradients[0]) * seconds * (1 - FORWARD_SHARE))
                return gradients[0]

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(shape[0], num_outputs)

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                waited: torch.Tensor = Waits.apply(self.layer(inputs))  # type: ignore[no-untyped-call]
                return waited

        return Network()


def declare(folder: Path) -> None:
    """Write what an installed package tells of its task and recipe to a folder that is then put on ``PYTHONPATH``."""
    info = folder / "penstock_bench_forecast-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: penstock-bench-forecast\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[penstock.tasks]\n{NAME} = benchmarks.forecast.subject:Opaque\n"
        f"[penstock.recipes]\n{NAME} = benchmarks.forecast.subject:Slow\n"
    )
