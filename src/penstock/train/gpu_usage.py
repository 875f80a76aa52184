"""How busy a GPU is and what of its memory is taken.

By NVML where its Python module is installed (``nvidia-ml-py``); else CUDA tells the memory, and nobody the rest.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["GpuUsage", "gpu_reader", "nvml_reader"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuUsage:
    """A GPU at one moment.

    Attributes:
        share: of the time that something ran on it, 0 to 1; None where that is not told.
        memory_bytes: taken of it, by whomever.
        limit_bytes: that it has.
    """

    share: float | None
    memory_bytes: int
    limit_bytes: int


def gpu_reader(device: torch.device) -> Callable[[], GpuUsage | None]:
    """Return what reads a device's usage; it gives None where the device is no GPU."""
    if device.type != "cuda":
        return lambda: None
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return lambda: _by_cuda(device)
    return nvml_reader(nvml, str(torch.cuda.get_device_properties(device).uuid)) or (lambda: _by_cuda(device))


def nvml_reader(nvml: Any, uuid: str) -> Callable[[], GpuUsage | None] | None:
    """Return what asks the driver; None where that does not know the device.

    Args:
        nvml: its module.
        uuid: of the device.
    """
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}")
    except nvml.NVMLError:
        return None

    def read() -> GpuUsage | None:
        share: float | None = None
        try:
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        except nvml.NVMLError:  # it failed, which the training itself tells
            return None
        with contextlib.suppress(nvml.NVMLError):  # parts of a GPU (MIG) do not tell it
            share = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        return GpuUsage(share=share, memory_bytes=int(memory.used), limit_bytes=int(memory.total))

    return read


def _by_cuda(device: torch.device) -> GpuUsage | None:
    try:
        free, total = torch.cuda.mem_get_info(device)
    except RuntimeError:  # it failed, which the training itself tells
        return None
    return GpuUsage(share=None, memory_bytes=total - free, limit_bytes=total)
