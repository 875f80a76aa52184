"""The format of ZIP files: members of a name are a sample together, as of TAR files, or each is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.codec import Codec
from penstock.formats.options import check_by, names_of, size_of
from penstock.formats.protocols import Found
from penstock.formats.sample_names import KEY, check_names, split_name, why_left_out
from penstock.formats.tar.members import Meanings, decode_member, meanings_of
from penstock.formats.whole import bytes_of
from penstock.formats.zip.directory import METHODS, Entry, find_directory, lies, read_entries
from penstock.formats.zip.members import member_bytes, spans_of
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.units import GIB, format_bytes

__all__ = ["Zip", "check_readable", "entries_of"]

_SHOWN: Final = 20
"""Names that an error lists."""
_BY: Final = ("sample", "member")
_READABLE: Final = (0, 8)
"""Methods that members are packed by: not at all, and deflate."""


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all extents of a ZIP file share: its key, and what members of samples are named."""

    kind: ClassVar[str] = "ZIP files"

    object: str
    names: tuple[str, ...]


class _Member(NamedTuple):
    """A member; ``what`` it is of its sample, and where the next one may begin."""

    what: str
    entry: Entry
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Zip:
    """The format of ZIP files.

    Attributes:
        by: what a sample is: "sample", the members of one name but for what follows its first dot, a dictionary by
            that; "member", each, whose value is its bytes.
        sample: what of samples is read, like ``["jpg", "cls"]``; samples that lack one are left out. None is all.
        decoded: give what members mean (``cls`` numbers, ``txt``, ``json``, ``npy``, pictures), instead of their bytes;
            video and audio too where it says how: ``{"video": {"frames": 8}, "audio": {"rate": 16000}}``.
        memory: that a sample may take unpacked, like ``"1Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    by: Literal["sample", "member"] = "sample"
    sample: Sequence[str] | None = None
    decoded: bool | Mapping[str, Mapping[str, Any]] | Meanings = False
    memory: str | int = GIB

    def __post_init__(self) -> None:
        check_by(self.by, _BY)
        names = names_of("sample", self.sample)
        if names is not None and self.by == "member":
            raise ConfigError("sample with by='member'", fix="leave it out, or choose members by their keys with where")
        object.__setattr__(self, "sample", None if names is None else tuple(name.lower() for name in names))
        object.__setattr__(self, "decoded", meanings_of(self.decoded))
        object.__setattr__(self, "memory", size_of("memory", self.memory))

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a sample or member; the central directory alone is read."""
        left_out: Counter[str] = Counter()
        samples = self._gather(await entries_of(source, info), info, left_out)
        if self.sample is not None and samples:
            check_names(self.sample, samples.values(), object_key=info.key)
        for key, members in samples.items():
            wanted = (
                members if self.sample is None else {name: members[name] for name in self.sample if name in members}
            )
            if self.sample is not None and len(wanted) < len(self.sample):
                left_out[f"lacks {', '.join(name for name in self.sample if name not in members)}"] += 1
                continue
            self._check_memory(key, wanted, info)
            yield await _extent(source, info, key, sorted(wanted.values(), key=lambda member: member.entry.offset))
        for reason, count in sorted(left_out.items()):
            yield SkippedObject(object=f"{count} in {info.key}", reason=reason, count=count)

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the sample: a dictionary with its key as ``__key__``, or a member."""
        data = bytes_of(data) if isinstance(data, Path) else data
        told = _Codec.read(codec)
        name = about.key[len(told.object) + 1 :]
        found: dict[str, Any] = {KEY: name}
        for number, what in enumerate(told.names):
            body = member_bytes(data, about.args[0], number, key=f"{what or name} of {about.key}", about=about.key)
            try:
                found[what] = self._meaning(what or name, body, about.key) if self.decoded else body
            except ValueError as error:
                raise DataError(
                    f"{what or name} of {about.key} cannot be decoded: {' '.join(str(error).split())[:200]}",
                    fix="write it again, or leave it out",
                    about=about.key,
                ) from error
        return [found[""] if self.by == "member" else found]

    def _meaning(self, name: str, body: bytes, key: str) -> Any:
        return decode_member(name, body, meanings_of(self.decoded), key=f"{name} of {key}")

    def _gather(
        self, members: Iterable[tuple[Entry, int]], info: ObjectInfo, left_out: Counter[str]
    ) -> dict[str, dict[str, _Member]]:
        """Return the members of each sample by what they are of it, samples in the order of their first ones."""
        samples: dict[str, dict[str, _Member]] = {}
        for entry, end in members:
            if entry.name.endswith("/"):
                continue
            named = (entry.name, "") if self.by == "member" else split_name(entry.name)
            reason = why_left_out(entry.name, is_alone=self.by == "member")
            if reason or named is None:
                left_out[reason] += 1
                continue
            key, what = named
            self._check_member(entry, info, what)
            there = samples.setdefault(key, {})
            if what in there:
                raise lies(
                    info,
                    f"{entry.name!r} twice, at byte {there[what].entry.offset} and at byte {entry.offset}",
                    fix="write it again with each member once",
                )
            there[what] = _Member(what, entry, end)
        return samples

    def _check_member(self, entry: Entry, info: ObjectInfo, what: str) -> None:
        """Refuse a member that cannot be read, of those that are wanted."""
        if self.sample is not None and what not in self.sample:
            return
        check_readable(entry, info)

    def _check_memory(self, key: str, members: dict[str, _Member], info: ObjectInfo) -> None:
        """Refuse a sample whose members unpack to more than they may take together."""
        memory, size = size_of("memory", self.memory), sum(member.entry.size for member in members.values())
        if size > memory:
            names = ", ".join(member.entry.name for member in list(members.values())[:_SHOWN])
            raise lies(
                info,
                f"the sample {key!r} ({names}), which takes {format_bytes(size)} unpacked, more than "
                f"memory={format_bytes(memory)}",
                fix="give more memory, choose fewer members with sample, or leave the file out",
            )


def check_readable(entry: Entry, info: ObjectInfo) -> None:
    """Refuse a member that is encrypted, packed by what is not unpacked here, or of a length that cannot be.

    Raises:
        HeaderMismatch: it is; names it.
    """
    if entry.is_encrypted or entry.method not in _READABLE:
        how = METHODS.get(entry.method, f"method {entry.method}")
        raise lies(
            info,
            f"{entry.name!r}, which is {'encrypted' if entry.is_encrypted else f'packed by {how}'}",
            fix="write it again with members that are stored or packed by deflate, without encryption",
        )
    if entry.method == 0 and entry.packed != entry.size:
        raise lies(info, f"{entry.name!r}, stored in {entry.packed} bytes, that is said to have {entry.size}")


async def entries_of(source: GetRange, info: ObjectInfo) -> list[tuple[Entry, int]]:
    """Return the members in the order in which they lie, each with where the next thing begins.

    Raises:
        HeaderMismatch: members lie in each other, as those of bombs do.
    """
    directory = await find_directory(source, info)
    entries = [entry async for entry in read_entries(source, info, directory)]
    entries.sort(key=lambda entry: entry.offset)
    ends = [entry.offset for entry in entries[1:]] + [directory.offset]
    for entry, end in zip(entries, ends, strict=False):
        if entry.offset + entry.least + entry.packed > end:
            raise lies(info, f"the member {entry.name!r} at byte {entry.offset}, which another lies in")
    return list(zip(entries, ends, strict=False))


async def _extent(source: GetRange, info: ObjectInfo, key: str, members: Sequence[_Member]) -> Extent:
    """Return the extent of a sample's members, in the order of the file."""
    spans, args = await spans_of(source, info, [(member.entry, member.end) for member in members])
    whole = f"{info.key}/{key}"
    return Extent(
        key=whole,
        group=info.key,
        spans=tuple(info.span(start, end - start) for start, end in spans),
        codec=_Codec(object=info.key, names=tuple(member.what for member in members)).encode(),
        args=(args,),
    )
