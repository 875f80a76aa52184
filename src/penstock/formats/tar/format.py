"""The format of TAR files whose members are samples together, as WebDataset writes them.

What a member's name has before the first dot of its last part is its sample's key, what follows is what it is of it:
``d/0001.jpg`` and ``d/0001.seg.png`` are ``jpg`` and ``seg.png`` of ``d/0001``. Members of a sample need not be
neighbours. An extent is a sample: its members with their headers, so that neighbours are read by one request.
"""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError, HeaderMismatch
from penstock.formats.codec import Codec
from penstock.formats.options import flag_of, names_of
from penstock.formats.protocols import Found
from penstock.formats.tar.headers import BLOCK, Header, read_members
from penstock.formats.tar.members import decode_member
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import KIB

__all__ = ["Tar"]

KEY = "__key__"
"""What a sample's name is of it."""
MOST_GAP_BYTES = 4 * KIB
"""Between two members of a sample, up to which what lies between them is read too."""
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)
"""Of a member: what its sample is called, and what it is of it."""
_META = re.compile(r"__[^/]*__(/|$)")
_KINDS = {
    tarfile.DIRTYPE: "",
    tarfile.SYMTYPE: "a link",
    tarfile.LNKTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a device",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
"""Why members are left out that are no files, by their kind; folders without a word."""
_SHOWN = 20
"""Names that an error lists."""


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all extents of a TAR file share: its key, and what members of samples are named."""

    kind: ClassVar[str] = "TAR files"

    object: str
    names: tuple[str, ...]


class _Member(NamedTuple):
    """A member with its header.

    Attributes:
        name: of what it is of its sample, in lower case.
        start: of its first header.
        body: its bytes' first.
        size: of its bytes.
        end: where the next header may begin.
    """

    name: str
    start: int
    body: int
    size: int
    end: int


Samples = dict[str, dict[str, _Member]]
"""Members of samples by what they are of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tar:
    """The format of TAR files of samples.

    Attributes:
        sample: what of samples is read, like ``["jpg", "cls"]``; samples that lack one are left out. None is all.
        decoded: give what members mean (``cls`` numbers, ``txt``, ``json``, ``npy``, pictures), instead of their bytes.

    Raises:
        ConfigError: an option cannot be used.
    """

    sample: Sequence[str] | None = None
    decoded: bool = False

    def __post_init__(self) -> None:
        names = names_of("sample", self.sample)
        object.__setattr__(self, "sample", None if names is None else tuple(name.lower() for name in names))
        flag_of("decoded", self.decoded)

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a sample; the headers alone are read, or all where members are small."""
        left_out: Counter[str] = Counter()
        samples = await _gather(source, info, left_out)
        if self.sample is not None and samples:
            self._check_names(samples, info)
        for key, members in samples.items():
            wanted = (
                members if self.sample is None else {name: members[name] for name in self.sample if name in members}
            )
            if self.sample is not None and len(wanted) < len(self.sample):
                left_out[f"lacks {', '.join(name for name in self.sample if name not in members)}"] += 1
                continue
            yield _extent(info, key, sorted(wanted.values(), key=lambda member: member.start))
        for reason, count in sorted(left_out.items()):
            yield SkippedObject(object=f"{count} in {info.key}", reason=reason, count=count)

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the sample."""
        return [self._sample(data, about, codec)]

    def _sample(self, data: Any, about: Described, codec: str) -> dict[str, Any]:
        """Return a sample's members by what they are of it, and its key as ``__key__``."""
        data = bytes_of(data) if isinstance(data, Path) else data
        told = _Codec.read(codec)
        found: dict[str, Any] = {KEY: about.key[len(told.object) + 1 :]}
        places = about.args[0]
        for number, name in enumerate(told.names):
            start, size = places[2 * number : 2 * number + 2]
            body = bytes(data[start : start + size])
            try:
                found[name] = decode_member(name, body) if self.decoded else body
            except ValueError as error:
                raise DataError(
                    f"{name} of {about.key} cannot be decoded: {' '.join(str(error).split())[:200]}",
                    fix="write it again, or leave it out",
                    about=about.key,
                ) from error
        return found

    def _check_names(self, samples: Samples, info: ObjectInfo) -> None:
        """Refuse names that no sample of the file has."""
        there = sorted({name for members in samples.values() for name in members})
        wrong = next((name for name in self.sample or () if name not in there), None)
        if wrong is not None:
            raise ConfigError(
                f"no sample in {info.key} has {wrong!r}",
                fix=f"{did_you_mean(wrong, there)}its samples have: {', '.join(there[:_SHOWN])}",
            )


async def _gather(source: GetRange, info: ObjectInfo, left_out: Counter[str]) -> Samples:
    """Return the members of each sample of a file by what they are of it, samples in the order of their first ones."""
    samples: Samples = {}
    async for headers in read_members(source, info):
        for header in headers:
            _put(samples, header, info, left_out)
    return samples


def _put(samples: Samples, header: Header, info: ObjectInfo, left_out: Counter[str]) -> None:
    """Put a member to those of its sample, or count why it is left out."""
    name = header.name
    if not name.isascii():
        name = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    found = _NAME.fullmatch(name)
    reason = _why_not(header.kind, name, is_named=found is not None)
    if reason or found is None:
        if reason:
            left_out[reason] += 1
        return
    key, what = found[1], found[2].lower()
    members = samples.setdefault(key, {})
    if what in members:
        raise HeaderMismatch(
            f"{info.key} has {name!r} twice, at byte {members[what].start} and at byte {header.offset}",
            fix="write it again with each member once",
            about=info.key,
        )
    end = min(header.offset_data + -(-header.size // BLOCK) * BLOCK, info.size_bytes)
    members[what] = _Member(what, header.offset, header.offset_data, header.size, end)


def _why_not(kind: bytes, name: str, *, is_named: bool) -> str:
    """Say why a member is left out; folders are no members."""
    if kind != tarfile.REGTYPE:
        return _KINDS.get(kind, f"of a kind that is not known, {kind!r}")
    if name.startswith("__") and _META.match(name):
        return "of the file, not of a sample"
    if name.lower().endswith(f".{KEY}"):
        return f"is named {KEY}, which is the sample's own name"
    return "" if is_named else "has no extension"


def _extent(info: ObjectInfo, key: str, members: Sequence[_Member]) -> Extent:
    """Return the extent of a sample's members, in the order of the file."""
    spans: list[tuple[int, int]] = []
    places: list[int] = []
    done = 0
    for member in members:
        if spans and member.start - spans[-1][1] <= MOST_GAP_BYTES:
            spans[-1] = (spans[-1][0], member.end)
        else:
            done += spans[-1][1] - spans[-1][0] if spans else 0
            spans.append((member.start, member.end))
        places += [done + member.body - spans[-1][0], member.size]
    codec = _Codec(object=info.key, names=tuple(member.name for member in members)).encode()
    whole = f"{info.key}/{key}"
    return Extent(
        key=whole,
        group=info.key,
        spans=tuple(info.span(start, end - start) for start, end in spans),
        codec=codec,
        args=(tuple(places),),
    )
