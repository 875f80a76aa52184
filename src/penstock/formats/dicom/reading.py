"""Files of DICOM read by pydicom, bounded: their tags, what their pixels take, and what unpacks those."""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from penstock.errors import ConfigError, DataError, PenstockError
from penstock.extras import import_extra
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import did_you_mean, printable
from penstock.units import KIB, MIB, format_bytes

__all__ = ["check_size", "check_tag", "group_of", "plain_value", "plugin_of", "read_image"]

_HEADS: Final = (64 * KIB, MIB)
"""First bytes in which tags are looked for; then in all."""
_PREAMBLE: Final = 128
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_PLUGINS: Final = ("pydicom", "pillow", "gdcm", "pyjpegls")
"""What unpacks pixels, as pydicom calls it; others are under licences that Penstock does not ask for."""
_FIX: Final = "write it again, or leave it out"


def read_image(data: bytes, key: str, memory: int) -> Any:
    """Return the data set of a file."""
    pydicom = _pydicom()
    if data[_PREAMBLE : _PREAMBLE + 4] != b"DICM":
        raise DataError(
            f"{key} is no DICOM: no DICM stands at byte {_PREAMBLE}",
            fix="choose other files with match, or write it with its preamble",
            about=key,
        )
    file = io.BytesIO(data)
    meta = pydicom.filereader.read_partial(file, lambda *_: True).file_meta
    if str(meta.get("TransferSyntaxUID", "")) == _DEFLATED:
        start = _PREAMBLE + 4 + 12 + int(meta.FileMetaInformationGroupLength)
        _check_inflated(data[start:], key, memory)
    return pydicom.dcmread(io.BytesIO(data))


def _check_inflated(packed: bytes, key: str, memory: int) -> None:
    """Refuse what unpacks to more than an image may take."""
    unpack, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while packed and not unpack.eof:
        size += len(unpack.decompress(packed, MIB))
        packed = unpack.unconsumed_tail
        if size > memory:
            raise DataError(
                f"{key} unpacks to more than memory={format_bytes(memory)}",
                fix="give more memory, or leave it out",
                about=key,
            )


def check_size(image: Any, key: str, memory: int) -> None:
    """Refuse an image without pixels, or that takes more than it may; see that packed frames are of its size."""
    if "PixelData" not in image and "FloatPixelData" not in image and "DoubleFloatPixelData" not in image:
        raise DataError(f"{key} has no pixels", fix="leave it out", about=key)
    lacking = next((name for name in ("Rows", "Columns", "BitsAllocated") if image.get(name) is None), None)
    if lacking is not None:
        raise DataError(f"{key} has no {lacking}", fix=_FIX, about=key)
    rows, columns, bits = int(image.Rows), int(image.Columns), int(image.BitsAllocated)
    frames, parts = int(image.get("NumberOfFrames") or 1), int(image.get("SamplesPerPixel") or 1)
    # Rescaled they are float32, and twice that while they are made.
    size = rows * columns * frames * parts * max(4, -(-bits // 8)) * 2
    if min(rows, columns, frames, parts) < 1 or size > memory:
        raise DataError(
            f"{key} is of {rows} x {columns} pixels, {frames} frames and {parts} parts, which take "
            f"{format_bytes(size)}, more than memory={format_bytes(memory)}",
            fix="give more memory, or leave it out",
            about=key,
        )
    if image.file_meta.TransferSyntaxUID.is_compressed and str(image.file_meta.TransferSyntaxUID) != _DEFLATED:
        _check_frames(image, rows, columns, frames)


def _check_frames(image: Any, rows: int, columns: int, frames: int) -> None:
    """Refuse frames whose own headers tell of another size than the image's."""
    from PIL import Image  # here: of an extra
    from pydicom.encaps import generate_frames

    if "RLE" in image.file_meta.TransferSyntaxUID.name:
        return
    for frame in generate_frames(image.PixelData, number_of_frames=frames):
        try:
            with Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000")) as picture:
                size = picture.size
        except Exception:  # of a kind that Pillow does not read: another reader tells of it
            return
        if size != (columns, rows):
            raise ValueError(f"a frame of {size[1]} x {size[0]} pixels in an image of {rows} x {columns}")


def plugin_of(image: Any, key: str) -> str:
    """Return what unpacks an image's pixels; empty where nothing has to be."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax = image.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or str(syntax) == _DEFLATED:
        return ""
    try:
        there = get_decoder(syntax).available_plugins
    except NotImplementedError:
        there = ()
    found = next((name for name in _PLUGINS if name in there), None)
    if found is None:
        raise DataError(
            f"{key} is packed by {printable(syntax.name)}, which nothing here unpacks",
            fix="write it again without compression, by RLE or JPEG 2000, or leave it out",
            about=key,
        )
    return found


async def group_of(source: GetRange, info: ObjectInfo, name: str) -> str:
    """Return an image's value of a tag, for which its begin is read."""
    value = None
    for most in (*_HEADS, info.size_bytes):
        size = min(most, info.size_bytes)
        head = bytes(await source.get_range(info, 0, size))
        try:
            image = _tags_of(head, name, info.key)
            value = None if image is None else plain_value(image, name)
        except PenstockError:
            raise
        except Exception as error:
            if size == info.size_bytes:
                what = " ".join(str(error).split())[:200]
                raise DataError(f"{info.key} cannot be read: {what}", fix=_FIX, about=info.key) from error
            continue
        if image is not None or size == info.size_bytes:
            break
    if value is None or value == "":
        raise DataError(f"{info.key} has no {name}", fix="leave it out, or group by another tag", about=info.key)
    return str(value)


def _tags_of(head: bytes, name: str, key: str) -> Any:
    """Return the data set in a file's begin; None where that may end before the tag comes."""
    pydicom = _pydicom()
    if head[_PREAMBLE : _PREAMBLE + 4] != b"DICM":
        return read_image(head, key, 0)
    wanted = pydicom.datadict.tag_for_keyword(name)
    passed = [False]

    def is_behind(tag: Any, *_: Any) -> bool:
        passed[0] = passed[0] or tag > wanted
        return passed[0]

    image = pydicom.filereader.read_partial(io.BytesIO(head), is_behind)
    return image if passed[0] or name in image else None


def plain_value(image: Any, name: str) -> Any:
    """Return a tag's value as Python's text and numbers; None where it is not there."""
    value = image.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return None if value is None else int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [float(each) if isinstance(each, float) else str(each) for each in value]
    return str(value)


def check_tag(name: str) -> None:
    """Check the name of a tag that is text or numbers.

    Raises:
        ConfigError: there is none of that name, or pydicom is not there.
    """
    datadict = _pydicom().datadict
    if datadict.tag_for_keyword(name) is None:
        known: Mapping[str, Any] = datadict.keyword_dict
        near = did_you_mean(name, list(known))
        raise ConfigError(f"there is no DICOM tag {name[:80]!r}", fix=f'{near}write it like "PatientID"')
    if datadict.dictionary_VR(name) == "SQ":
        raise ConfigError(f"the DICOM tag {name!r} is a sequence", fix="name tags that are text or numbers")


@cache
def _pydicom() -> Any:
    """Return pydicom, which warns of nothing: what is wrong is told by an error, or of no consequence.

    Raises:
        ConfigError: it is not there.
    """
    pydicom = import_extra("pydicom", "dicom", what="DICOM is read by pydicom", instead="take the objects as bytes")
    warnings.filterwarnings("ignore", module=r"pydicom\b")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    return pydicom
