"""DICOM by pydicom: the pixels of an image as an array, and what is told of it by tags; each object is a sample.

What is packed is unpacked by pydicom and Pillow alone (uncompressed, deflated, RLE, JPEG of 8 bits, JPEG 2000), and by
gdcm and pyjpegls where they are installed; another transfer syntax is refused by its name. What an image takes is told
by its header and held against ``memory`` before anything is unpacked.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError, PenstockError, TruncatedObject
from penstock.formats.dicom.reading import check_size, check_tag, group_of, plain_value, plugin_of, read_image
from penstock.formats.dicom.values import rescaled, stored_range, windowed
from penstock.formats.options import flag_of, names_of, size_of
from penstock.formats.protocols import Found
from penstock.formats.whole import bytes_of, whole_extent
from penstock.manifest import Described
from penstock.sources import GetRange, ObjectInfo
from penstock.units import GIB

__all__ = ["Dicom"]

_VALUES: Final = ("rescaled", "stored", "window")
_FIX: Final = "write it again, or leave it out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dicom:
    """The format of DICOM; values are dictionaries with ``pixels`` and, where tags are asked for, ``tags``.

    ``pixels`` has the shape (height, width), of colours (height, width, 3), and of several frames (frames, ...).

    Attributes:
        values: "rescaled" by slope and intercept (or the table) to the units of the modality, float32; "stored", whole
            numbers as they lie; "window", 0 to 255 as a viewer shows them, uint8.
        window: centre and width in the modality's units, for "window"; None is the file's first, or all.
        invert: turn images round whose lowest value is white (MONOCHROME1).
        frame: which one of several is given, 0-based; None is all.
        tags: names of what else is given, like ``["PatientID", "StudyDate"]``; None where an image lacks it.
        group_by: the tag whose value is the image's group; the begin of each object is read for it when it is listed.
        memory: that an image may take unpacked, like ``"1Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    values: Literal["rescaled", "stored", "window"] = "rescaled"
    window: Sequence[float] | None = None
    invert: bool = True
    frame: int | None = None
    tags: Sequence[str] | None = None
    group_by: str | None = None
    memory: str | int = GIB

    def __post_init__(self) -> None:
        if self.values not in _VALUES:
            raise ConfigError(f"values {str(self.values)[:80]!r}", fix=f"choose one of: {', '.join(_VALUES)}")
        _check_window(self.window, self.values)
        flag_of("invert", self.invert)
        if self.frame is not None and (
            not isinstance(self.frame, int) or isinstance(self.frame, bool) or self.frame < 0
        ):
            raise ConfigError(f"frame {str(self.frame)[:80]!r}", fix="give a number from 0 on, or leave it out for all")
        object.__setattr__(self, "tags", names_of("tags", self.tags))
        if self.group_by is not None and not isinstance(self.group_by, str):
            raise ConfigError(f"group_by {str(self.group_by)[:80]!r}", fix='give the name of a tag, like "PatientID"')
        for name in (*(self.tags or ()), *((self.group_by,) if self.group_by is not None else ())):
            check_tag(name)
        object.__setattr__(self, "memory", size_of("memory", self.memory))

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return the object; its begin is read where images are grouped."""
        extent = whole_extent(info)
        if self.group_by is not None:
            extent = msgspec.structs.replace(extent, group=await group_of(source, info, self.group_by))
        yield extent

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the image."""
        return [self.value(bytes_of(data), key=about.key)] * len(numbers)

    def value(self, data: bytes, *, key: str) -> dict[str, Any]:
        """Return what an image that lies in memory means.

        Raises:
            DataError: it cannot be read, or takes too much.
        """
        memory = size_of("memory", self.memory)
        try:
            image = read_image(data, key, memory)
            check_size(image, key, memory)
            made: dict[str, Any] = {"pixels": self._pixels(image, key)}
            if self.tags is not None:  # whose values are made when they are asked for
                made["tags"] = {name: plain_value(image, name) for name in self.tags}
        except (PenstockError, MemoryError):
            raise
        except Exception as error:  # pydicom and Pillow raise what they like on damaged bytes
            what = " ".join(str(error).split())[:200] or type(error).__name__
            kind = TruncatedObject if isinstance(error, EOFError) or "truncated" in what else DataError
            raise kind(f"{key} cannot be decoded: {what}", fix=_FIX, about=key) from error
        return made

    def _pixels(self, image: Any, key: str) -> NDArray[Any]:
        ways: Any = importlib.import_module("pydicom.pixels")  # here: of an extra
        stored = ways.pixel_array(image, raw=False, decoding_plugin=plugin_of(image, key))
        kind = str(image.PhotometricInterpretation)
        if kind == "PALETTE COLOR":
            stored = ways.apply_color_lut(stored, image)
            stored = (stored >> 8).astype(np.uint8) if stored.dtype == np.uint16 else stored
        frames = int(image.get("NumberOfFrames") or 1)
        if self.frame is not None and self.frame >= frames:
            raise DataError(f"{key} has {frames} frames", fix=f"give a frame below {frames}", about=key)
        is_grey = kind.startswith("MONOCHROME")
        if is_grey and kind == "MONOCHROME1" and self.invert:
            low, high = stored_range(image)
            stored = (low + high - stored.astype(np.int64)).astype(stored.dtype)
        if self.values == "stored" or not is_grey:
            return self._chosen(stored, frames)
        units = rescaled(stored, image, frames)
        shown = units if self.values == "rescaled" else windowed(units, image, self.window)
        return self._chosen(shown, frames)

    def _chosen(self, pixels: NDArray[Any], frames: int) -> NDArray[Any]:
        whole = pixels if self.frame is None or frames == 1 else pixels[self.frame]
        return np.array(whole, dtype=whole.dtype.newbyteorder("="), order="C")


def _check_window(window: Any, values: str) -> None:
    if window is None:
        return
    if values != "window":
        raise ConfigError(f"window with values={values!r}", fix='leave it out, or give values="window"')
    pair = tuple(window) if isinstance(window, Sequence) and not isinstance(window, str) else ()
    numbers = [
        each for each in pair if isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each)
    ]
    if len(pair) != 2 or len(numbers) != 2 or numbers[1] <= 0:
        raise ConfigError(f"window {str(window)[:80]!r}", fix="give centre and width, like [40, 400]")
