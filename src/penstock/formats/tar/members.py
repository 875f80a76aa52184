"""What members of a sample are by the last part of their names: numbers, text, JSON, arrays, pictures; else bytes."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.errors import ConfigError, PenstockError
from penstock.formats.array_texts import check_texts
from penstock.formats.pictures import picture_of

if TYPE_CHECKING:
    from penstock.formats.dicom import Dicom
    from penstock.formats.media import Audio, Video

__all__ = ["PICTURES", "SOUNDS", "VIDEOS", "Meanings", "decode_member", "meanings_of"]

PICTURES = frozenset(
    {"avif", "bmp", "gif", "j2k", "jp2", "jpeg", "jpg", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"}
)
"""Ends of names of pictures."""
VIDEOS = frozenset({"avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "webm", "wmv"})
SOUNDS = frozenset({"aac", "aif", "aiff", "flac", "m4a", "mka", "mp3", "oga", "ogg", "opus", "wav"})


def _array(data: bytes) -> Any:
    if not data.startswith(b"\x93NUMPY"):
        raise ValueError("no array of numpy's")
    found = np.load(io.BytesIO(data), allow_pickle=False)
    check_texts(found)
    return found


_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(("class", "cls", "index", "count"), lambda data: int(data)),
    **dict.fromkeys(("txt", "text"), lambda data: data.decode("utf-8")),
    "json": lambda data: json.loads(data),
    "npy": _array,
    **dict.fromkeys(PICTURES, picture_of),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Meanings:
    """What members mean, where they are decoded.

    Attributes:
        video, audio, dicom: how such members are decoded; as their bytes where they are None.
    """

    video: Video | None = None
    audio: Audio | None = None
    dicom: Dicom | None = None


def meanings_of(value: Any) -> bool | Meanings:
    """Return how members are decoded, as an option says: whether they are, or how video and audio are too.

    Raises:
        ConfigError: it says something else.
    """
    if isinstance(value, bool | Meanings):
        return value
    if not isinstance(value, Mapping) or not value or not all(isinstance(each, Mapping) for each in value.values()):
        raise ConfigError(f"decoded {repr(value)[:80]}", fix=f"give true, false, or {_LIKE}")
    made, media = dict[str, Any](), _media()
    for name, options in value.items():
        make = media.get(name)
        there = inspect.signature(make).parameters if make is not None else ()
        known = [each for each in there if each not in _OF_LISTS]
        wrong = next((each for each in options if each not in known), None)
        if make is None or wrong is not None:
            what = name if wrong is None else f"{name} with {wrong}"
            fix = f"its options are: {', '.join(known)}" if make is not None else f"give {_LIKE}"
            raise ConfigError(f"decoded: {str(what)[:80]!r}", fix=fix)
        made[name] = make(**options)
    return Meanings(**made)


def _media() -> Mapping[str, Any]:
    # Here: most archives have none of them.
    from penstock.formats.dicom import Dicom
    from penstock.formats.media import Audio, Video

    return {"video": Video, "audio": Audio, "dicom": Dicom}


_OF_LISTS: Final = ("clips", "group_by")
"""Options that say what is listed, not what it means."""
_LIKE: Final = '{"video": {"frames": 8}, "audio": {"rate": 16000}}'


def decode_member(extension: str, data: bytes, meanings: bool | Meanings = True, *, key: str = "") -> Any:
    """Return what a member means: by what follows the last dot, its bytes where that is no kind that is known.

    Args:
        key: of it, for messages.

    Raises:
        ValueError: it isn't what its name says.
        DataError: it is video or audio that cannot be decoded.
        ConfigError: a package that decodes it is not there.
    """
    kind = extension.rpartition(".")[2].lower()
    decode = _DECODERS.get(kind)
    if isinstance(meanings, Meanings):
        of_kind = "video" if kind in VIDEOS else "audio" if kind in SOUNDS else "dicom" if kind == "dcm" else ""
        means = getattr(meanings, of_kind) if of_kind else None
        if means is not None:
            return means.value(data, key=key)
    try:
        return data if decode is None else decode(data)
    except (ValueError, PenstockError):
        raise
    # Pillow raises what it likes on damaged bytes; numpy lacks memory for what a header says.
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
