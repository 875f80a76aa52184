"""torch's default collate, into memory that earlier batches left."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import get_worker_info
from torch.utils.data._utils.collate import collate, default_collate_fn_map

from penstock.errors import DataError
from penstock.loader.batch_memory import BatchMemory
from penstock.loader.unlike import dropped_columns

__all__ = ["ReusingCollate"]

MOST_KINDS = 16
"""Kinds of leaves, by shape and type, that memory is kept of; a model's inputs and targets are a few."""


_NO_TENSORS = "Mm"  # numpy's kinds of times


def _listed(batch: Sequence[Any], *, collate_fn_map: Any = None) -> list[Any]:
    return list(batch)


_COMMON: dict[type | tuple[type, ...], Callable[..., Any]] = {
    **dict.fromkeys(
        (np.datetime64, np.timedelta64, Decimal, datetime.date, datetime.time, datetime.timedelta), _listed
    ),
    **default_collate_fn_map,
}


class ReusingCollate:
    """Makes what ``torch.utils.data.default_collate`` makes, of any tree of values, and of mirrored arrays.

    Times, dates, decimals and arrays of times, which no tensor holds, come as lists, as text does there.

    Tensors and arrays of one shape and type are stacked into memory that is used again once nobody refers to the batch
    that lay there. In a loading worker they go into memory that is shared with the trainer, as torch does it.

    Args:
        is_pinned: stack into page-locked memory, from which a GPU is fed without waiting; torch keeps it for itself.
    """

    def __init__(self, *, is_pinned: bool = False) -> None:
        self._is_pinned = is_pinned
        self._memory: dict[tuple[object, ...], BatchMemory] = {}
        self._functions: dict[type | tuple[type, ...], Callable[..., Any]] = {
            **_COMMON,
            torch.Tensor: self._tensors,
            np.ndarray: self._arrays,
        }

    def __reduce__(self) -> tuple[type[ReusingCollate], tuple[()]]:
        # Workers must not touch CUDA: what they make is pinned by the trainer.
        return ReusingCollate, ()

    def __call__(self, values: list[Any]) -> Any:
        """Return the batch of the values.

        Raises:
            TypeError, RuntimeError: values that do not go together; see ``default_collate``.
            DataError: some have columns that the first lacks, which torch would drop without a word.
        """
        if told := dropped_columns(values):
            raise DataError(
                f"values of a batch have not the same columns: {told}",
                fix="make them alike with map, or take them as they are with collate=list",
            )
        return collate(values, collate_fn_map=self._functions if get_worker_info() is None else _IN_WORKERS)

    def _tensors(self, batch: Sequence[torch.Tensor], *, collate_fn_map: Any = None) -> torch.Tensor:
        first = batch[0]
        is_plain = type(first) is torch.Tensor and first.device.type == "cpu" and first.layout is torch.strided
        alike = is_plain and not any(
            one.requires_grad or one.dtype != first.dtype or one.shape != first.shape for one in batch
        )
        kind = _NUMPY_TYPES.get(first.dtype) if alike else None
        if kind is None:
            stacked: torch.Tensor = default_collate_fn_map[torch.Tensor](batch)
            return stacked
        return torch.stack(list(batch), out=self._room(len(batch), tuple(first.shape), kind))

    def _arrays(
        self, batch: Sequence[NDArray[Any]], *, collate_fn_map: Any = None
    ) -> torch.Tensor | list[NDArray[Any]]:
        first = batch[0]
        if first.dtype.kind in _NO_TENSORS:
            return list(batch)
        alike = all(one.dtype == first.dtype and one.shape == first.shape for one in batch)
        if not alike or first.dtype not in _NUMPY_TYPES.values():
            stacked: torch.Tensor = default_collate_fn_map[np.ndarray](batch, collate_fn_map=self._functions)
            return stacked
        room = self._room(len(batch), first.shape, first.dtype)
        np.stack(list(batch), out=room.numpy())
        return room

    def _room(self, num_samples: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> torch.Tensor:
        if self._is_pinned:
            torch_type = torch.from_numpy(np.empty(0, dtype)).dtype
            return torch.empty((num_samples, *shape), dtype=torch_type, pin_memory=True)
        kind = (shape, dtype)
        if kind not in self._memory and len(self._memory) >= MOST_KINDS:
            self._memory.pop(next(iter(self._memory)))
        return self._memory.setdefault(kind, BatchMemory()).empty((num_samples, *shape), dtype)


def _arrays_in_worker(
    batch: Sequence[NDArray[Any]], *, collate_fn_map: Any = None
) -> torch.Tensor | list[NDArray[Any]]:
    """Stack arrays that torch takes as they are, and others: mirrored ones, and those that cannot be written to."""
    if batch[0].dtype.kind in _NO_TENSORS:
        return list(batch)
    taken = [one if one.flags.writeable and min(one.strides, default=0) >= 0 else one.copy() for one in batch]
    stacked: torch.Tensor = default_collate_fn_map[np.ndarray](taken, collate_fn_map=collate_fn_map)
    return stacked


_IN_WORKERS: dict[type | tuple[type, ...], Callable[..., Any]] = {
    **_COMMON,
    np.ndarray: _arrays_in_worker,
}

_NUMPY_TYPES = {
    torch.from_numpy(np.empty(0, name)).dtype: np.dtype(name)
    for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
}
