"""The format of TAR files whose members are samples together, as WebDataset writes them.

What a member's name has before the first dot of its last part is its sample's key, what follows is what it is of it:
``d/0001.jpg`` and ``d/0001.seg.png`` are ``jpg`` and ``seg.png`` of ``d/0001``. Members of a sample need not be
neighbours. An extent is a sample: its members with their headers, so that neighbours are read by one request.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError, HeaderMismatch
from penstock.formats.codec import Codec
from penstock.formats.options import names_of
from penstock.formats.protocols import ByObject, Found
from penstock.formats.sample_names import KEY, check_names, split_name, why_left_out
from penstock.formats.streams import open_stream
from penstock.formats.tar.headers import BLOCK, Header, IsPacked, read_members
from penstock.formats.tar.members import Meanings, decode_member, meanings_of
from penstock.formats.tar.packed import BLOCK_BYTES, Forward, Run, joined_runs, sample_runs
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, SkippedObject, sample_key
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB

__all__ = ["Tar"]

MOST_GAP_BYTES = 4 * KIB
"""Between two members of a sample, up to which what lies between them is read too."""
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


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all extents of a TAR file share: its key, and what members of samples are named.

    Attributes:
        runs: how an extent is unpacked, of a file that is packed; of such each extent has its own.
    """

    kind: ClassVar[str] = "TAR files"

    object: str
    names: tuple[str, ...]
    runs: tuple[Run, ...] = ()


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
        decoded: give what members mean (``cls`` numbers, ``txt``, ``json``, ``npy``, pictures), instead of their bytes;
            video and audio too where it says how: ``{"video": {"frames": 8}, "audio": {"rate": 16000}}``.

    Raises:
        ConfigError: an option cannot be used.
    """

    by_object: ClassVar[ByObject] = "all"

    sample: Sequence[str] | None = None
    decoded: bool | Mapping[str, Mapping[str, Any]] | Meanings = False

    def __post_init__(self) -> None:
        names = names_of("sample", self.sample)
        object.__setattr__(self, "sample", None if names is None else tuple(name.lower() for name in names))
        object.__setattr__(self, "decoded", meanings_of(self.decoded))

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a sample; the headers alone are read, or all where members are small."""
        left_out: Counter[str] = Counter()
        try:
            samples = await _gather(source, info, left_out)
        except IsPacked:
            async for extent in self._index_packed(source, info, left_out):
                yield extent
        else:
            for key, members in self._wanted(samples, info, left_out):
                yield _extent(info, key, members)
        for reason, count in sorted(left_out.items()):
            yield SkippedObject(object=f"{count} in {info.key}", reason=reason, count=count)

    async def _index_packed(self, source: GetRange, info: ObjectInfo, left_out: Counter[str]) -> AsyncIterator[Extent]:
        """Return the extents of a file that is packed, for which all of it is read and unpacked."""
        stream = await open_stream(source, info, block_bytes=BLOCK_BYTES, what="TAR file")
        forward = Forward(stream, info)
        try:
            samples = await _gather(forward, forward.info, left_out, reads_ahead=False)
        except IsPacked:
            raise HeaderMismatch(
                f"{info.key} is no TAR file: it is packed twice", fix="unpack it once", about=info.key
            ) from None
        every = [member for members in samples.values() for member in members.values()]
        await forward.check_end(max((member.body + member.size for member in every), default=0))
        for number, found in enumerate(sample_runs(stream, info, list(self._wanted(samples, info, left_out)))):
            yield Extent(
                key=f"{info.key}/#{number}",
                group=info.key,
                spans=found.spans,
                codec=_Codec(object=info.key, names=found.names, runs=found.runs).encode(),
                num_samples=len(found.keys),
                keys=tuple(f"{info.key}/{key}" for key in found.keys),
                args=tuple(found.args),
                decoded_bytes=sum(run.packing.length for run in found.runs),
            )

    def _wanted(
        self, samples: Samples, info: ObjectInfo, left_out: Counter[str]
    ) -> Iterator[tuple[str, list[_Member]]]:
        """Return samples with the members that are read, in the order in which they lie; others are counted."""
        if self.sample is not None and samples:
            check_names(self.sample, samples.values(), object_key=info.key)
        for key, members in samples.items():
            wanted = members
            if self.sample is not None:
                lacking = [name for name in self.sample if name not in members]
                if lacking:
                    left_out[f"lacks {', '.join(lacking)}"] += 1
                    continue
                wanted = {name: members[name] for name in self.sample}
            yield key, sorted(wanted.values(), key=lambda member: member.start)

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return samples: their members by what they are of them, and their keys as ``__key__``."""
        data = bytes_of(data) if isinstance(data, Path) else data
        told = _Codec.read(codec)
        if told.runs:
            data = memoryview(joined_runs(bytes(data), told.runs, key=about.key))
        found = []
        for number in numbers.tolist():
            key, places = sample_key(about, number), about.args[number]
            if told.runs:
                members = zip((told.names[at] for at in places[::3]), places[1::3], places[2::3], strict=True)
            else:
                members = zip(told.names, places[::2], places[1::2], strict=True)
            sample: dict[str, Any] = {KEY: key[len(told.object) + 1 :]}
            for name, start, size in members:
                sample[name] = self._value(name, bytes(data[start : start + size]), key)
            found.append(sample)
        return found

    def _value(self, name: str, body: bytes, key: str) -> Any:
        if not self.decoded:
            return body
        try:
            return decode_member(name, body, meanings_of(self.decoded), key=f"{name} of {key}")
        except ValueError as error:
            raise DataError(
                f"{name} of {key} cannot be decoded: {' '.join(str(error).split())[:200]}",
                fix="write it again, or leave it out",
                about=key,
            ) from error


async def _gather(source: GetRange, info: ObjectInfo, left_out: Counter[str], *, reads_ahead: bool = True) -> Samples:
    """Return the members of each sample of a file by what they are of it, samples in the order of their first ones."""
    samples: Samples = {}
    async with aclosing(read_members(source, info, reads_ahead=reads_ahead)) as found:  # type: ignore[type-var]
        async for headers in found:
            for header in headers:
                _put(samples, header, info, left_out)
    return samples


def _put(samples: Samples, header: Header, info: ObjectInfo, left_out: Counter[str]) -> None:
    """Put a member to those of its sample, or count why it is left out."""
    name = header.name
    if not name.isascii():
        name = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    found = split_name(name)
    reason = why_left_out(name)
    if header.kind != tarfile.REGTYPE:
        reason = _KINDS.get(header.kind, f"of a kind that is not known, {header.kind!r}")
    if reason or found is None:
        if reason:
            left_out[reason] += 1
        return
    key, what = found
    members = samples.setdefault(key, {})
    if what in members:
        raise HeaderMismatch(
            f"{info.key} has {name!r} twice, at byte {members[what].start} and at byte {header.offset}",
            fix="write it again with each member once",
            about=info.key,
        )
    end = min(header.offset_data + -(-header.size // BLOCK) * BLOCK, info.size_bytes)
    members[what] = _Member(what, header.offset, header.offset_data, header.size, end)


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
