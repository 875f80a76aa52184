"""How a network computes, beside what it computes: compiled, channels last, with activations computed again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from penstock.errors import ConfigError
from penstock.train.config import TrainConfig

__all__ = ["channels_last", "prepared"]

_SWITCHES: Final = ("set_grad_checkpointing", "gradient_checkpointing_enable")
"""Methods that timm's and transformers' networks have."""


def prepared(model: nn.Module, config: TrainConfig) -> Callable[[Any], Any]:
    """Set a network up as was asked for, and return what is called with inputs in its place.

    The network itself stays as it is, with its names of weights; evaluations call it and not what is compiled.

    Raises:
        ConfigError: it cannot be set up so.
    """
    if config.checkpoint_activations:
        _checkpoint_activations(model, config.model)
    if config.channels_last:
        if not any(parameter.ndim == 4 for parameter in model.parameters()):
            raise ConfigError(
                f"--channels-last is given, and the model {config.model!r} has no convolutions of images",
                fix="leave it out",
            )
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not config.compile:
        return model
    _choose_caches()
    # Not dynamic: what is computed then depends on a batch's shape alone, not on those that came before it.
    compiled: Callable[[Any], Any] = torch.compile(model, dynamic=False)
    return compiled


def channels_last(tree: Any) -> Any:
    """Lay the images (tensors of four axes) of a tree of tensors out channels last."""
    if isinstance(tree, torch.Tensor):
        return tree.contiguous(memory_format=torch.channels_last) if tree.ndim == 4 else tree
    if isinstance(tree, Mapping):
        return {name: channels_last(each) for name, each in tree.items()}
    return type(tree)(map(channels_last, tree)) if type(tree) in (list, tuple) else tree


def _checkpoint_activations(model: nn.Module, name: str) -> None:
    switch = next((getattr(model, each) for each in _SWITCHES if callable(getattr(model, each, None))), None)
    try:
        if switch is not None:
            switch()
            return
        reason = "it has no method set_grad_checkpointing"
    except (AssertionError, NotImplementedError, ValueError) as error:  # as timm and transformers tell it
        reason = str(error) or type(error).__name__
    raise ConfigError(
        f"--checkpoint-activations is given, and the model {name!r} cannot do that ({reason})",
        fix="leave it out, choose another model, or give your own a method set_grad_checkpointing(enable=True)",
    )


def _choose_caches() -> None:
    """Have what is compiled lie in the folder for temporary files: users of containers have no name and no home."""
    place = Path(tempfile.gettempdir()) / f"torchinductor_{os.getuid()}"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(place))
    os.environ.setdefault("TRITON_CACHE_DIR", str(place / "triton"))
