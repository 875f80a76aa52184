"""Texts in numpy's arrays: 32 bits a character, whatever they are."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_texts"]


def check_texts(array: NDArray[Any]) -> None:
    """Refuse texts that Python cannot make: numpy holds whatever 32 bits stand for a character.

    Raises:
        ValueError: there is one.
    """
    for name in array.dtype.names or ():
        check_texts(array[name])
    if array.dtype.kind == "U" and array.size and array.dtype.itemsize:
        codes = np.ascontiguousarray(array).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if codes.max() > sys.maxunicode:
            raise ValueError(f"a text in it has the character {codes.max():#x}, beyond the last of Unicode, U+10FFFF")
