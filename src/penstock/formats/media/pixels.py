"""Frames as arrays of numbers: scaled, in colours or greys, turned as the file says. By PyAV."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError

__all__ = ["Look", "pixels_of", "size_asked"]

Fit = Literal["stretch", "crop", "pad"]
MOST_SIDE: Final = 1 << 14
_MODES: Final = {"rgb": ("rgb24", 3), "grey": ("gray", 1)}
_COLOURS_BY_SIZE: Final = (5, 1)
"""FFmpeg's names of the colours of SD and HD, which a file that tells nothing is taken to have."""
_HD_LINES: Final = 720


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What frames are made to look like.

    Attributes:
        size: height and width; one number for the shorter side; None leaves them.
        fit: how a frame of another shape is brought to height and width.
        colour: three channels, or one.
    """

    size: tuple[int, int] | int | None = None
    fit: Fit = "stretch"
    colour: Literal["rgb", "grey"] = "rgb"

    @property
    def channels(self) -> int:
        """Of each pixel."""
        return _MODES[self.colour][1]

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of what a frame of some height and width, turned already, becomes."""
        if isinstance(self.size, tuple):
            return self.size
        if self.size is None:
            return height, width
        scale = self.size / max(1, min(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))


def size_asked(value: Any) -> tuple[int, int] | int | None:
    """Return the size that an option asks for.

    Raises:
        ConfigError: it is none.
    """
    found: Any = tuple(value) if isinstance(value, list | tuple) else value
    sides = found if isinstance(found, tuple) else (1 if found is None else found,)
    whole = all(isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= MOST_SIDE for side in sides)
    if not whole or (isinstance(found, tuple) and len(found) != 2):
        raise ConfigError(
            f"size {str(value)[:80]!r}",
            fix=f"give [height, width], or one number for the shorter side, each of 1 to {MOST_SIDE}",
        )
    size: tuple[int, int] | int | None = found
    return size


def pixels_of(frame: Any, look: Look) -> NDArray[np.uint8]:
    """Return a frame as an array, shape (height, width, channels)."""
    turn = _turn_of(frame)
    is_lying = turn in (1, 3, 5, 7)
    height, width = (frame.width, frame.height) if is_lying else (frame.height, frame.width)
    wanted = look.shape(height, width)
    inner = _inner(look, (height, width), wanted)
    mode, channels = _MODES[look.colour]
    colours = frame.colorspace if frame.colorspace in _KNOWN else _COLOURS_BY_SIZE[frame.height >= _HD_LINES]
    scaled = frame.reformat(
        width=inner[1] if not is_lying else inner[0],
        height=inner[0] if not is_lying else inner[1],
        format=mode,
        src_colorspace=colours,
        dst_color_range="JPEG",
        interpolation="AREA" if inner[0] * 2 <= height and inner[1] * 2 <= width else "BICUBIC",
        threads=1,
    )
    array = scaled.to_ndarray()
    array = array.reshape(array.shape[0], array.shape[1], channels)
    return np.ascontiguousarray(_fitted(_turned(array, turn), look, wanted), dtype=np.uint8)


_KNOWN: Final = frozenset({1, 4, 5, 6, 7, 9})
"""Of FFmpeg's names of colours, those that are converted from: BT.709, FCC, BT.601, SMPTE 240M, BT.2020."""


def _inner(look: Look, size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """Return height and width to which a whole frame is scaled."""
    if look.fit == "stretch" or not isinstance(look.size, tuple):
        return wanted
    scales = wanted[0] / size[0], wanted[1] / size[1]
    scale = max(scales) if look.fit == "crop" else min(scales)
    fitted = [max(1, round(side * scale)) for side in size]
    if look.fit == "crop":
        fitted = [min(max(side, least), MOST_SIDE * 4) for side, least in zip(fitted, wanted, strict=True)]
    else:
        fitted = [min(side, most) for side, most in zip(fitted, wanted, strict=True)]
    return fitted[0], fitted[1]


def _fitted(array: NDArray[Any], look: Look, wanted: tuple[int, int]) -> NDArray[Any]:
    """Cut what is too much from the sides, or lay it on black."""
    if array.shape[:2] == wanted:
        return array
    rest = [side - have for side, have in zip(wanted, array.shape[:2], strict=True)]
    if look.fit == "crop":
        top, left = (-side // 2 for side in rest)
        return array[top : top + wanted[0], left : left + wanted[1]]
    made = np.zeros((*wanted, array.shape[2]), np.uint8)
    top, left = (side // 2 for side in rest)
    made[top : top + array.shape[0], left : left + array.shape[1]] = array
    return made


def _turn_of(frame: Any) -> int:
    """Return how a frame is to be turned: quarters to the left, from 4 on of its mirror image (left to right)."""
    found = next((data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    raw = b"" if found is None else bytes(found)
    if len(raw) < 36:
        return 0
    a, b, _, c, d = struct.unpack_from("=5i", raw)
    signs = [(part > 0) - (part < 0) if abs(part) > 1 << 14 else 0 for part in (a, b, c, d)]
    return _TURNS.get((signs[0], signs[1], signs[2], signs[3]), 0)


_TURNS: Final = {
    (1, 0, 0, 1): 0,
    (0, -1, 1, 0): 1,
    (-1, 0, 0, -1): 2,
    (0, 1, -1, 0): 3,
    (-1, 0, 0, 1): 4,
    (0, 1, 1, 0): 5,
    (1, 0, 0, -1): 6,
    (0, -1, -1, 0): 7,
}
"""By the signs of a matrix's first four numbers: of it a pixel at (x, y) is shown at (ax + cy, bx + dy)."""


def _turned(array: NDArray[Any], turn: int) -> NDArray[Any]:
    return np.rot90(array[:, ::-1] if turn >= 4 else array, turn % 4)
