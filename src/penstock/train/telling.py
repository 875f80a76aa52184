"""What went wrong in a step, told by the batch that it belongs to."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from penstock.errors import ConfigError, TrainingDiverged
from penstock.loader.protocols import Batch

__all__ = ["diverged", "misfit", "telling_of_torch"]

_MISFIT = re.compile(r"^(?!CUDA).*\b(d?type|shapes?|sizes?|dimensions?|channels)\b", re.DOTALL | re.IGNORECASE)
"""Of torch, where a layer is given tensors of another type or shape; it tells so in no class of its own."""


_COMPILERS = ("torch._dynamo", "torch._inductor")


@contextlib.contextmanager
def telling_of_torch(model: str) -> Iterator[None]:
    """Tell of what torch cannot do with options that were given.

    Args:
        model: the network's name.

    Raises:
        ConfigError: it has no deterministic algorithm, or cannot compile the network.
    """
    try:
        yield
    except RuntimeError as error:
        told = " ".join(str(error).split())[:200]
        if "deterministic" in str(error) and "use_deterministic_algorithms" in str(error):
            raise ConfigError(
                f"torch has no algorithm for the model {model!r} that gives the same bits each time ({told})",
                fix="pass --deterministic false, or choose another model",
            ) from error
        if type(error).__module__.startswith(_COMPILERS):
            raise ConfigError(
                f"the model {model!r} cannot be compiled here ({told})",
                fix="leave --compile out, or install a C++ compiler where that is what lacks",
            ) from error
        raise


def misfit(error: RuntimeError, inputs: Any, *, model: str) -> ConfigError | None:
    """Return the error of a network that cannot take its inputs; None where that is not what went wrong.

    Args:
        model: the network's name.
    """
    if isinstance(error, torch.OutOfMemoryError) or not _MISFIT.search(str(error)):
        return None
    return ConfigError(
        f"the model {model!r} cannot take a batch whose inputs are {_described(inputs)} "
        f"({' '.join(str(error).split())[:200]})",
        fix="let the task decode samples to what the model takes, float32 as a rule, or choose another model",
    )


def diverged(what: str, value: float, *, step: int, rate: float, batch: Batch) -> TrainingDiverged:
    """Return the error of a number that is not finite.

    Args:
        what: the number is.
        step: 0-based.
        rate: learning rate of the step.
        batch: that the step learns from, or the last of those.
    """
    bad = _not_finite(batch.data["inputs"], len(batch))
    if bad.any():
        key = batch.keys[int(bad.int().argmax())]
        return TrainingDiverged(
            f"the {what} is {value} at step {step + 1}: sample {key} holds values that are not finite",
            fix="repair that sample, or leave it out",
            about=key,
        )
    return TrainingDiverged(
        f"the {what} is {value} at step {step + 1} with learning rate {rate:.3g}",
        fix="lower --learning-rate or --clip-norm",
        about=batch.keys[0],
    )


def _described(tree: Any) -> str:
    """Say what a tree of tensors is."""
    if isinstance(tree, torch.Tensor):
        return f"{str(tree.dtype).removeprefix('torch.')} of shape {tuple(tree.shape)}"
    if isinstance(tree, Mapping):
        return "{" + ", ".join(f"{name}: {_described(each)}" for name, each in tree.items()) + "}"
    return f"a {type(tree).__name__}"


def _not_finite(tree: Any, num_samples: int) -> torch.Tensor:
    """Tell which samples have values that are not finite, in a tree of tensors with an item a sample."""
    found = torch.zeros(num_samples, dtype=torch.bool)
    parts = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list | tuple) else ()
    for part in parts:
        found |= _not_finite(part, num_samples)
    if isinstance(tree, torch.Tensor) and tree.ndim and len(tree) == num_samples:
        found |= ~torch.isfinite(tree).reshape(num_samples, -1).all(dim=1)
    return found
