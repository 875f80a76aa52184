"""What a manifest keeps of a file of video or audio, and the file that a clip's bytes are decoded as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.codec import Codec
from penstock.formats.media.containers import HEAD_BYTES, container_of
from penstock.formats.media.matroska import rebuilt_matroska
from penstock.formats.media.rebuilt import KeptTrack, breaks_of, rebuilt_movie
from penstock.formats.media.tables import unpack_packets
from penstock.formats.media.wave import rebuilt_wave
from penstock.manifest import Described

__all__ = ["File", "MediaCodec", "joined_file", "no_container", "times_of"]

_SECOND: Final = 1_000_000_000
"""Of which times are whole numbers in a manifest."""
_OPEN: Final = -1


class MediaCodec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the extents of a file share.

    Attributes:
        container: FFmpeg's name of it.
        tracks: of an MP4 file whose packets are told with each clip.
        head: of another file that has an index; it stands before the bytes of each clip.
        rate: samples a second, where the clip tells which sample is its first.
    """

    kind: ClassVar[str] = "video and audio"

    container: str
    tracks: tuple[KeptTrack, ...] = ()
    head: bytes = b""
    rate: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file in memory, and the clips of it that are asked for: start and end in seconds.

    Attributes:
        shifts: seconds that its pictures' and its sound's times are later by than it tells; None where it is whole.
        breaks: when packets of pictures are decoded that do not follow the ones before, in units of the file's; None
            where that is not known.
    """

    data: bytes
    container: str
    clips: list[tuple[float, float | None]]
    shifts: Mapping[str, float] | None = None
    breaks: frozenset[int] | None = None


def times_of(start: float, end: float | None) -> tuple[int, int]:
    """Return a clip's start and end as a manifest has them."""
    return round(start * _SECOND), _OPEN if end is None else round(end * _SECOND)


def joined_file(data: bytes, about: Described | None, codec: str, numbers: NDArray[np.int64], *, key: str = "") -> File:
    """Return the file that an extent's bytes are decoded as.

    Args:
        about: of the extent; None where the bytes are a whole file.
        numbers: of the clips that are asked for.
        key: of a whole file.

    Raises:
        DataError: the manifest tells nothing of it, or the bytes are of no container that is read.
    """
    if about is None:
        container = container_of(data[:HEAD_BYTES])
        if not container:
            raise no_container(data, key)
        return File(data=data, container=container, clips=[(0.0, None)])
    told = MediaCodec.read(codec)
    args = [about.args[number] for number in numbers.tolist()]
    clips = [(arg[0] / _SECOND, None if arg[1] == _OPEN else arg[1] / _SECOND) for arg in args]
    try:
        if told.tracks:
            return _movie(data, told, args[0], clips)
        if told.rate:
            shift = args[0][2] / told.rate
            file = rebuilt_wave(told.head, memoryview(data))
            return File(data=file, container=told.container, clips=clips, shifts={"audio": shift, "video": 0.0})
    except (ValueError, IndexError) as error:
        raise DataError(f"{about.key} cannot be read: {error}", fix="list again", about=about.key) from error
    if told.head:
        none = {"video": 0.0, "audio": 0.0}
        file = rebuilt_matroska(told.head, memoryview(data))
        return File(data=file, container=told.container, clips=clips, shifts=none)
    return File(data=data, container=told.container, clips=clips)


def _movie(data: bytes, told: MediaCodec, args: tuple[int, ...], clips: list[tuple[float, float | None]]) -> File:
    left, tracks = list(args[2:]), []
    for track in told.tracks:
        tracks.append((track, unpack_packets(left[1 : left[0] + 1])))
        del left[: left[0] + 1]
    file, delays = rebuilt_movie(tracks, memoryview(data))
    shifts: dict[str, float] = {
        track.track: (delay - track.shift) / track.scale for (track, _), delay in zip(tracks, delays, strict=True)
    }
    return File(data=file, container=told.container, clips=clips, shifts=shifts, breaks=breaks_of(tracks))


def no_container(head: bytes, key: str) -> DataError:
    """Return what tells that an object is no video or audio that is read."""
    return DataError(
        f"{key} is no video or audio of a container that is read: it begins with {head[:12].hex(' ')}",
        fix="choose other files with match, or take them as objects",
        about=key,
    )
