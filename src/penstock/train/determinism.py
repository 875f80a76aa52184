"""Chance and its state: seeds, generators saved as plain values, and the digest of weights."""

from __future__ import annotations

import hashlib
import os
import random
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ["RngState", "capture_rng", "restore_rng", "seed_everything", "tensors_sha256", "weights_sha256"]

RngState = dict[str, Any]


def seed_everything(seed: int, *, deterministic: bool = True) -> None:
    """Seed Python, numpy and torch, and let torch use deterministic algorithms only.

    On the CPU two runs of one seed, one number of threads and one build of torch are then equal bit by bit.

    Args:
        deterministic: where false torch may use any, and try out which convolution is the fastest on the GPU.
    """
    # cuBLAS reads this when CUDA starts; torch refuses its matrix products in deterministic mode without it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not deterministic


def capture_rng() -> RngState:
    """Return the state of all global generators as tensors and plain values."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(words), gauss],
        "numpy": [str(name), [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_rng(state: RngState) -> None:
    """Put all global generators back; CUDA's only where there are as many GPUs as there were."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([part.cpu() for part in state["cuda"]])


def weights_sha256(model: nn.Module) -> str:
    """Return the SHA-256 of a model's parameters and buffers, in order, with their names, types and shapes."""
    return tensors_sha256(model.state_dict())


def tensors_sha256(tensors: dict[str, torch.Tensor]) -> str:
    """Return the SHA-256 of named tensors in order, with their types and shapes."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
