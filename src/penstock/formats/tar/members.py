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


_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Those of ``PICTURES``: others, told by the bytes whatever the name, may start programs of their own."""
_GREYS = frozenset({"L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})


def _array(data: bytes) -> Any:
    if not data.startswith(b"\x93NUMPY"):
        raise ValueError("no array of numpy's")
    return np.load(io.BytesIO(data), allow_pickle=False)


def _picture(data: bytes) -> Any:
    """Return a picture's numbers, shape (height, width, 3), or (height, width) of grey ones; of other kinds as RGB."""
    try:
        from PIL import Image  # here: an extra
    except ImportError as error:
        raise ConfigError(
            "pictures are decoded by Pillow, which is not there",
            fix="pip install 'penstock[images]', or leave decoded out",
        ) from error
    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        return np.array(picture if picture.mode in {"RGB", *_GREYS} else picture.convert("RGB"))


_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(("class", "cls", "index", "count"), lambda data: int(data)),
    **dict.fromkeys(("txt", "text"), lambda data: data.decode("utf-8")),
    "json": lambda data: json.loads(data),
    "npy": _array,
    **dict.fromkeys(PICTURES, _picture),
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
