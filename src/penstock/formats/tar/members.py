"""What members of a sample are by the last part of their names: numbers, text, JSON, arrays, pictures; else bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from penstock.errors import ConfigError
from penstock.formats.pictures import picture_of

__all__ = ["PICTURES", "decode_member"]

PICTURES = frozenset({"bmp", "gif", "jpeg", "jpg", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"})
"""Ends of names of pictures."""


def _array(data: bytes) -> Any:
    if not data.startswith(b"\x93NUMPY"):
        raise ValueError("no array of numpy's")
    return np.load(io.BytesIO(data), allow_pickle=False)


_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(("class", "cls", "index", "count"), lambda data: int(data)),
    **dict.fromkeys(("txt", "text"), lambda data: data.decode("utf-8")),
    "json": lambda data: json.loads(data),
    "npy": _array,
    **dict.fromkeys(PICTURES, picture_of),
}


def decode_member(extension: str, data: bytes) -> Any:
    """Return what a member means: by what follows the last dot, its bytes where that is no kind that is known.

    Raises:
        ValueError: it isn't what its name says.
        ConfigError: a package that decodes it is not there.
    """
    decode = _DECODERS.get(extension.rpartition(".")[2].lower())
    try:
        return data if decode is None else decode(data)
    except (ValueError, ConfigError):
        raise
    # Pillow raises what it likes on damaged bytes; numpy lacks memory for what a header says.
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
