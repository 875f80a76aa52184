"""Weights that a run begins with in place of fresh ones: those of a checkpoint, as far as they fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from penstock.errors import CheckpointMismatch
from penstock.texts import counted
from penstock.train.checkpoint_file import Weights

__all__ = ["Taken", "take_weights"]

_MOST_NAMED = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What was taken from a checkpoint.

    Attributes:
        taken: names of the network's tensors that have the checkpoint's values now.
        lacking: those that the checkpoint does not have.
        misshapen: those that have another shape there: name, shape here, shape there.
        unused: names that the checkpoint alone has.
        means_other: it was trained on other classes, or numbers that mean another thing.
    """

    location: str
    taken: tuple[str, ...]
    lacking: tuple[str, ...]
    misshapen: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    unused: tuple[str, ...]
    means_other: bool = False

    def __str__(self) -> str:
        """Say it in one line."""
        number = len(self.taken) + len(self.lacking) + len(self.misshapen)
        told = [f"{len(self.taken)} of {counted(number, 'tensor')} begin with the weights of {self.location}"]
        if self.misshapen:
            shapes = [f"{name} {here} is {there} there" for name, here, there in self.misshapen]
            told.append(f"fresh, of another shape there: {_named(shapes)}")
        if self.lacking:
            told.append(f"fresh, not there: {_named(self.lacking)}")
        if self.unused:
            told.append(f"not used: {_named(self.unused)}")
        if self.means_other:
            told.append("there it was other classes, or numbers that mean another thing, as by another tokenizer")
        return "; ".join(told)


def take_weights(model: nn.Module, weights: Weights, *, meaning: str = "") -> Taken:
    """Put a checkpoint's tensors into those of a network that have their name and shape.

    Args:
        meaning: of the samples to be trained on, as ``ManifestInfo.meaning`` has it; empty tells nothing.

    Raises:
        CheckpointMismatch: not one learnt tensor has.
    """
    own: Mapping[str, Tensor] = model.state_dict()
    fitting = {name: tensor for name, tensor in weights.model.items() if name in own and _fits(own[name], tensor)}
    learnt = {name for name, _ in model.named_parameters()}
    if not learnt & fitting.keys():
        raise CheckpointMismatch(
            f"no weights of {weights.location}, of the model {weights.identity.model!r}, fit the network: none has the "
            "name and shape of its own",
            fix="pass a checkpoint of a network with the same layers to --init-from",
            about=weights.location,
        )
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
    others = [name for name in own if name not in fitting]
    return Taken(
        location=weights.location,
        taken=tuple(fitting),
        lacking=tuple(name for name in others if name not in weights.model),
        misshapen=tuple(
            (name, tuple(own[name].shape), tuple(weights.model[name].shape)) for name in others if name in weights.model
        ),
        unused=tuple(name for name in weights.model if name not in own),
        means_other=bool(meaning and weights.identity.meaning) and meaning != weights.identity.meaning,
    )


def _fits(own: Tensor, other: Tensor) -> bool:
    return own.shape == other.shape and own.is_floating_point() == other.is_floating_point()


def _named(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
