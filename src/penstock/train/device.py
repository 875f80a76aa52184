"""The device a run computes on, and the precision it computes in."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import torch

from penstock.errors import ConfigError
from penstock.records import Host
from penstock.train.options import AmpMode, DeviceName

__all__ = ["Precision", "choose_device", "choose_precision", "describe_host"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """How the forward pass computes.

    Attributes:
        dtype: of autocast, None computes in float32.
    """

    device: torch.device
    dtype: torch.dtype | None

    @property
    def needs_scaler(self) -> bool:
        """Whether gradients would underflow without loss scaling."""
        return self.dtype == torch.float16

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Return the context of the forward pass."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


def choose_device(name: DeviceName) -> torch.device:
    """Return the device of a name; ``auto`` takes CUDA where there is one.

    Raises:
        ConfigError: ``cuda`` was asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError("--device cuda was asked for but torch sees no CUDA GPU", fix="use --device auto or cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def choose_precision(amp: AmpMode, device: torch.device) -> Precision:
    """Return the precision of a name; ``auto`` is bfloat16 on a GPU, float16 where that has none, and off on a CPU.

    Raises:
        ConfigError: the GPU has no bfloat16.
    """
    if amp == "off" or (amp == "auto" and device.type != "cuda"):
        return Precision(device=device, dtype=None)
    if amp == "fp16":
        return Precision(device=device, dtype=torch.float16)
    has_bfloat16 = device.type != "cuda" or torch.cuda.is_bf16_supported()
    if amp == "bf16" and not has_bfloat16:
        raise ConfigError("--amp bf16 was asked for and the GPU has no bfloat16", fix="use --amp fp16 or auto")
    return Precision(device=device, dtype=torch.bfloat16 if has_bfloat16 else torch.float16)


def describe_host(device: torch.device, *, instance_type: str | None = None) -> Host:
    """Describe where a run computes."""
    cuda = device.type == "cuda"
    return Host(
        num_cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        device=torch.cuda.get_device_name(device) if cuda else "cpu",
        num_devices=1 if cuda else 0,
        instance_type=instance_type,
    )
