"""A moving mean of a network's weights, which often scores better than the weights of any one step.

Its decay begins low and rises to what was asked for, ``min(decay, (1 + n) / (10 + n))`` after n steps, so that the
first weights, which are drawn by chance, are soon forgotten (as TensorFlow's ``ExponentialMovingAverage`` does it).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from penstock.errors import ConfigError

__all__ = ["MovingMean"]


class MovingMean:
    """The moving mean of a network's parameters, with its buffers as they are.

    Args:
        decay: that it comes to, above 0 and below 1.

    Attributes:
        model: a network of the mean weights, in evaluation mode.

    Raises:
        ConfigError: the network cannot be copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        try:
            self.model = copy.deepcopy(model).eval().requires_grad_(requires_grad=False)
        except Exception as error:
            # A user's own network may hold whatever cannot be copied, and tell so in any class.
            raise ConfigError(
                f"--ema {decay:g} needs a copy of the network, which cannot be made: {type(error).__name__}: {error}",
                fix="leave --ema out, or let the network be copied by copy.deepcopy",
            ) from error
        self._decay = decay
        self._num_updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take a step's weights in."""
        self._num_updates += 1
        decay = min(self._decay, (1 + self._num_updates) / (10 + self._num_updates))
        for mean, now in zip(self.model.parameters(), model.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)
        for kept, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            kept.copy_(buffer)

    def state_dict(self) -> dict[str, Any]:
        """Return the mean weights, and of how many steps they are."""
        return {"model": self.model.state_dict(), "num_updates": self._num_updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up saved ones.

        Raises:
            RuntimeError: they are of another network.
            KeyError: a part is missing.
        """
        self.model.load_state_dict(state["model"])
        self._num_updates = int(state["num_updates"])
