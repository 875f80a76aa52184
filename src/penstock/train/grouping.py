"""The batches that one step learns from, and the way back to before the first of them.

Gradients of batches are added up, each weighed by the samples that it could be learnt from, and divided by all of them
at the end: the step is that of one large batch, whatever sizes its parts have. (But for what a network itself computes
over a batch: batch normalisation has the statistics of each part.)
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from penstock.loader.protocols import Batch
from penstock.train.determinism import RngState, capture_rng, restore_rng

__all__ = ["Group"]


class Group:
    """The batches of one step, as they come.

    Args:
        size: how many there are, but at an epoch's end.

    Attributes:
        num_labelled: samples so far that could be learnt from.
        num_samples: all samples so far.
        last: the last batch.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._num_batches = 0
        self._loss_sum = 0.0
        self._unit = 0
        self._before: tuple[RngState, list[torch.Tensor]] | None = None
        self.num_labelled = self.num_samples = 0
        self.last: Batch | None = None

    @property
    def is_begun(self) -> bool:
        """Whether a step is begun that has not been made."""
        return self._before is not None

    @property
    def is_full(self) -> bool:
        """Whether the step has all its batches."""
        return self._num_batches == self._size

    @property
    def loss(self) -> float:
        """Mean over the labelled samples so far."""
        return self._loss_sum / max(self.num_labelled, 1)

    def begin(self, model: nn.Module) -> None:
        """Note what batches change before the step is made: chance and buffers; nothing where it is begun."""
        if self._before is None:
            self._before = capture_rng(), [buffer.clone() for buffer in model.buffers()]

    def weight(self, num_labelled: int) -> float:
        """Return what a batch's mean loss is multiplied with: samples, in units of about the whole group's.

        The unit keeps scaled losses of float16 in its range.
        """
        if not self._unit:
            self._unit = self._size * max(num_labelled, 1)
        return num_labelled / self._unit

    def add(self, batch: Batch, loss: float, num_labelled: int) -> None:
        """Count a batch in, with its mean loss."""
        self._num_batches += 1
        self.last = batch
        self.num_samples += len(batch)
        self._loss_sum += loss * num_labelled
        self.num_labelled += num_labelled

    def divide(self, parameters: Iterable[nn.Parameter]) -> None:
        """Make the gradients that were added up those of the mean over all samples of the group."""
        factor = self._unit / max(self.num_labelled, 1)
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(factor)

    def go_back(self, model: nn.Module) -> None:
        """Put chance and buffers back to before the group; gradients are the caller's."""
        if self._before is None:
            return
        rng, buffers = self._before
        restore_rng(rng)
        with torch.no_grad():
            for buffer, before in zip(model.buffers(), buffers, strict=True):
                buffer.copy_(before)
