"""Arrays: NumPy's ``.npy`` and ``.npz``, and safetensors; files or their rows are samples."""

from __future__ import annotations

from penstock.formats.arrays.format import Npy, Safetensors
from penstock.formats.arrays.npz import Npz

__all__ = ["Npy", "Npz", "Safetensors"]
