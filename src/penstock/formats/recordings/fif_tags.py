"""The tags of FIF files, as Neuromag's machines and MNE-Python write them.

The tags are walked, or their directory is read where there is one; of the buffers only their tags are read. Numbers are
big-endian, those of one time together.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from penstock.errors import DataError, HeaderMismatch
from penstock.formats.recordings.asking import Run, ask

__all__ = ["NUMBERS", "FifHeader", "walk_fif", "wrong_fif"]

_FILE_ID, _DIR_POINTER, _DIR, _BLOCK_START, _BLOCK_END = 100, 101, 102, 104, 105
_NCHAN, _SFREQ, _CH_INFO, _MEAS_DATE, _COMMENT, _FIRST_SAMPLE = 200, 201, 203, 204, 206, 208
_BUFFER, _SKIP, _SKIP_SAMPLES, _REF_ROLE, _REF_NAME = 300, 301, 303, 115, 118
_CH_NAME, _NAMES, _ONSETS, _ENDS = 258, 3507, 3568, 3569
_IN_RAW: Final = (102, 112, 119)
_IN_CHANNEL, _IN_REF, _IN_BAD, _IN_ANNOTATIONS = 113, 118, 359, 3810
_NEXT_FILE: Final = 2
NUMBERS: Final = {16: ">i2", 2: ">i2", 3: ">i4", 4: ">f4", 5: ">f8"}
_TAG_BYTES: Final = 16
_CHANNEL_BYTES: Final = 96
_LOOK_AHEAD: Final = 64
_LARGE_BYTES: Final = 16 << 10
_MOST_TAGS: Final = 4_000_000
_MOST_CHANNELS: Final = 65_536
_MOST_VALUE: Final = 64 << 20

Tag = tuple[int, int, int, int]
"""Kind, type, bytes, and where what it holds begins."""
Steps = Generator[Sequence[Run], Sequence[bytes], Any]


@dataclass(kw_only=True, slots=True)
class FifHeader:
    """What is found in a file as its tags are walked.

    Attributes:
        channels: (name, kind, unit, volts per stored 1).
        buffers: (samples skipped before it, type, bytes, offset), in order.
    """

    channels: list[tuple[str, int, int, float]] = field(default_factory=list)
    long_names: list[str] = field(default_factory=list)
    num_channels: int = 0
    rate_hz: float = 0.0
    first_sample: int = 0
    measured: float | None = None
    bad: list[str] = field(default_factory=list)
    onsets: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    annotated: float | None = None
    buffers: list[tuple[int, int, int, int]] = field(default_factory=list)
    skip_buffers: int = 0
    skip_samples: int = 0
    refers: int = 0
    next_file: str = ""


def walk_fif(size: int, name: str) -> Steps:
    """Return what a file's tags say (``FifHeader``).

    Raises:
        DataError: it is none, or contradicts itself.
    """
    start = yield from ask(0, min(size, 56))
    kind, form, length, _ = np.frombuffer(start[:16].ljust(16, b"\0"), ">i4").tolist()
    if (kind, form, length) != (_FILE_ID, 31, 20) or size < 56:
        raise HeaderMismatch(
            f"{name} is no FIF file (it begins with {start[:12]!r})", fix="leave it out, or convert it", about=name
        )
    found, blocks = FifHeader(), list[int]()
    directory = yield from _directory(start, size, name)
    if directory is not None:
        for tag in directory:
            yield from _see(found, blocks, tag, size, name)
        return found
    at, tags = 0, 0
    before: Tag | None = None
    while 0 <= at < size:
        if tags > _MOST_TAGS:
            raise wrong_fif(name, f"it has more than {_MOST_TAGS} tags")
        tag, after = _tag((yield from ask(at, _TAG_BYTES)), at, size, name)
        yield from _see(found, blocks, tag, size, name)
        tags += 1
        if tag[0] == _BUFFER and before is not None and before[:3] == tag[:3] and tag[2] >= _LARGE_BYTES:
            ahead, after = yield from _alike(tag, after, size, name)
            for each in ahead:
                yield from _see(found, blocks, each, size, name)
            tags += len(ahead)
        if after >= 0 and after <= at:
            raise wrong_fif(name, f"the tag at byte {at} goes back to {after}")
        before, at = tag, after
    return found


def _directory(start: bytes, size: int, name: str) -> Steps:
    """Return the tags of the directory; None where there is none."""
    kind, _, length, _ = np.frombuffer(start[36:52], ">i4").tolist()
    pointer = int(np.frombuffer(start[52:56], ">i4")[0])
    if kind != _DIR_POINTER or length != 4 or pointer <= 0:
        return None
    (kind, form, length, place), _ = _tag((yield from ask(pointer, _TAG_BYTES)), pointer, size, name)
    if kind != _DIR or form != 32 or length % 16 or length > 16 * _MOST_TAGS:
        raise wrong_fif(name, f"its directory is of kind {kind} and has {length} bytes")
    entries = np.frombuffer((yield from ask(place, length)), ">i4").reshape(-1, 4).tolist()
    found = []
    for kind, form, length, at in entries:
        if kind in (-1, 0):
            continue
        if length < 0 or at < 0 or at + _TAG_BYTES + length > size:
            raise wrong_fif(name, f"its directory has {length} bytes at {at}, of {size}")
        found.append((kind, form, length, at + _TAG_BYTES))
    return found


def _alike(tag: Tag, at: int, size: int, name: str) -> Steps:
    """Look ahead for buffers of the same size, whose tags would be read one after the other else."""
    step = _TAG_BYTES + tag[2]
    places = [place for place in range(at, at + _LOOK_AHEAD * step, step) if place + _TAG_BYTES <= size]
    if at < 0 or not places:
        return [], at
    heads = yield tuple((place, _TAG_BYTES) for place in places)
    found, after = [], at
    for place, head in zip(places, heads, strict=True):
        kind, form, length, onward = np.frombuffer(head, ">i4").tolist()
        if (kind, form, length) != tag[:3] or onward or place != after:
            break
        each, after = _tag(head, place, size, name)
        found.append(each)
    return found, after


def _tag(data: bytes, at: int, size: int, name: str) -> tuple[Tag, int]:
    """Return a tag and where the next one begins, -1 where it is the last."""
    kind, form, length, onward = np.frombuffer(data, ">i4").tolist()
    if length < 0 or onward < -1:
        raise wrong_fif(name, f"the tag at byte {at} has {length} bytes, and the next one lies at {onward}")
    place = at + _TAG_BYTES
    if place + length > size:
        raise wrong_fif(name, f"the tag at byte {at} has {length} bytes, of the {size} of the file: it was cut off")
    return (kind, form, length, place), onward if onward else place + length


def _see(found: FifHeader, blocks: list[int], tag: Tag, size: int, name: str) -> Steps:
    kind, form, length, place = tag
    if kind == _BUFFER:
        if blocks and blocks[-1] in _IN_RAW:
            found.buffers.append((_skipped(found, form, length, name), form, length, place))
        return
    if kind not in _READ or length > _MOST_VALUE:
        return
    data = yield from ask(place, length)
    if kind == _BLOCK_START:
        blocks.append(_int(data, "a block", name))
    elif kind == _BLOCK_END:
        if blocks:
            blocks.pop()
    elif blocks:
        _take(found, blocks[-1], kind, form, data, name)


def _take(found: FifHeader, block: int, kind: int, form: int, data: bytes, name: str) -> None:
    if kind == _NCHAN:
        found.num_channels = _int(data, "its number of channels", name)
    elif kind == _SFREQ:
        found.rate_hz = float(_numbers(data, ">f4", "its rate", name)[0])
    elif kind == _CH_INFO:
        if len(found.channels) >= _MOST_CHANNELS:
            raise wrong_fif(name, f"it has more than {_MOST_CHANNELS} channels")
        found.channels.append(_channel(data, name))
    elif kind == _MEAS_DATE:
        when = _when(form, data)
        if block == _IN_ANNOTATIONS:
            found.annotated = when
        elif found.measured is None:
            found.measured = when
    elif block in _IN_RAW:
        value = _int(data, f"the tag {kind}", name)
        if value < 0:
            raise wrong_fif(name, f"its tag {kind} is {value}")
        if kind == _FIRST_SAMPLE and not found.buffers:
            found.first_sample = value
        elif kind == _SKIP:
            found.skip_buffers = value
        elif kind == _SKIP_SAMPLES:
            found.skip_samples = value
    elif block == _IN_BAD and kind == _NAMES:
        found.bad = _list(data)
    elif block == _IN_CHANNEL and kind == _CH_NAME:
        found.long_names.append(data.decode("utf-8", "replace").rstrip("\0"))
    elif block == _IN_REF and kind == _REF_ROLE:
        found.refers = _int(data, "a role", name)
    elif block == _IN_REF and kind == _REF_NAME and found.refers == _NEXT_FILE:
        found.next_file = data.decode("latin-1").rstrip("\0")
    elif block == _IN_ANNOTATIONS:
        if kind == _ONSETS:
            found.onsets = _floats(data)
        elif kind == _ENDS:
            found.ends = _floats(data)
        elif kind == _COMMENT:
            found.texts = _list(data)


_READ: Final = frozenset(
    {_BLOCK_START, _BLOCK_END, _NCHAN, _SFREQ, _CH_INFO, _MEAS_DATE, _COMMENT, _FIRST_SAMPLE, _SKIP, _SKIP_SAMPLES,
     _REF_ROLE, _REF_NAME, _CH_NAME, _NAMES, _ONSETS, _ENDS}
)  # fmt: skip


def _skipped(found: FifHeader, form: int, length: int, name: str) -> int:
    """Return the samples that are skipped before a buffer: so many buffers of its own size, or samples."""
    width = np.dtype(NUMBERS[form]).itemsize if form in NUMBERS else 1
    skipped = found.skip_buffers * (length // (width * max(1, len(found.channels)))) + found.skip_samples
    found.skip_buffers = found.skip_samples = 0
    if not found.buffers:
        found.first_sample += skipped
    if skipped > 1 << 48:
        raise wrong_fif(name, f"it skips {skipped} samples")
    return skipped


def _channel(data: bytes, name: str) -> tuple[str, int, int, float]:
    if len(data) != _CHANNEL_BYTES:
        raise wrong_fif(name, f"a channel is told of in {len(data)} bytes, not {_CHANNEL_BYTES}")
    kind = int(np.frombuffer(data[8:12], ">i4")[0])
    unit = int(np.frombuffer(data[72:76], ">i4")[0])
    reach, cal = (float(each) for each in np.frombuffer(data[12:20], ">f4"))
    label = data[80:96].split(b"\0")[0].decode("utf-8", "replace")
    if not math.isfinite(reach * cal):
        raise wrong_fif(name, f"the channel {label!r} has the scale {reach * cal}")
    return label, kind, unit, reach * cal


def _list(data: bytes) -> list[str]:
    text = data.decode("utf-8", "replace").rstrip("\0")
    return [each.replace("{COLON}", ":") for each in text.split(":")] if text else []


def _floats(data: bytes) -> list[float]:
    """Return a vector, or the matrix of one row that older versions wrote."""
    return [float(each) for each in np.frombuffer(data[: len(data) - len(data) % 4], ">f4")]


def _when(form: int, data: bytes) -> float | None:
    """Return a moment, that is given in seconds, or in those and millionths of one."""
    number = {3: ">i4", 4: ">f4", 5: ">f8"}.get(form)
    if number is None or len(data) not in (np.dtype(number).itemsize, 2 * np.dtype(number).itemsize):
        return None
    parts = [float(each) for each in np.frombuffer(data, number)]
    return parts[0] + (parts[1] * 1e-6 if len(parts) > 1 else 0.0)


def _int(data: bytes, what: str, name: str) -> int:
    return int(_numbers(data, ">i4", what, name)[0])


def _numbers(data: bytes, number: str, what: str, name: str) -> Any:
    if len(data) != np.dtype(number).itemsize:
        raise wrong_fif(name, f"{what} has {len(data)} bytes")
    return np.frombuffer(data, number)


def wrong_fif(name: str, what: str, *, fix: str = "") -> DataError:
    """Return the error of a file that contradicts itself, or is of a kind that is not read."""
    return HeaderMismatch(
        f"{name} is wrong: {what}", fix=fix or "upload the recording again, or leave it out", about=name
    )
