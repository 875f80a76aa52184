"""What members of a sample are by the last part of their names: numbers, text, JSON, arrays, pictures; else bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from penstock.errors import ConfigError

__all__ = ["PICTURES", "decode_member"]

PICTURES = frozenset({"bmp", "gif", "jpeg", "jpg", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"})


def _array(data: bytes) -> Any:
    return np.load(io.BytesIO(data), allow_pickle=False)


def _picture(data: bytes) -> Any:
    """Give a picture's numbers, shape (height, width, 3), or (height, width) of grey ones; of other kinds as RGB."""
    try:
        from PIL import Image, UnidentifiedImageError  # here: an extra
    except ImportError as error:
        raise ConfigError(
            "pictures are decoded by Pillow, which is not there",
            fix="pip install 'penstock[images]', or leave decoded out",
        ) from error
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.array(picture if picture.mode in ("L", "RGB", "I;16") else picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, SyntaxError) as error:
        raise ValueError(f"no picture ({error})") from error


_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(("class", "cls", "index", "count"), lambda data: int(data)),
    **dict.fromkeys(("txt", "text"), lambda data: data.decode("utf-8")),
    "json": lambda data: json.loads(data),
    "npy": _array,
    **dict.fromkeys(PICTURES, _picture),
}


def decode_member(extension: str, data: bytes) -> Any:
    """Give what a member means: by what follows the last dot, its bytes where that is no kind that is known.

    Raises:
        ValueError: it isn't what its name says.
        ConfigError: a package that decodes it is not there.
    """
    decode = _DECODERS.get(extension.rpartition(".")[2].lower())
    return data if decode is None else decode(data)
