"""The format of ``.npz`` files, which are ZIP files of ``.npy`` ones: each file is a sample."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.arrays.headers import array_of, read_npy
from penstock.formats.codec import Codec
from penstock.formats.options import names_of, size_of
from penstock.formats.protocols import Found
from penstock.formats.whole import bytes_of
from penstock.formats.zip.directory import Entry, lies
from penstock.formats.zip.format import check_readable, entries_of
from penstock.formats.zip.members import member_bytes, spans_of
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import GIB, format_bytes

__all__ = ["Npz"]

_END: Final = ".npy"
_SHOWN: Final = 20


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of the arrays of a file."""

    kind: ClassVar[str] = "NPZ files"

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Npz:
    """The format of ``.npz`` files; values are dictionaries of arrays by their names.

    Attributes:
        columns: names of arrays that are read; None is all.
        memory: that a file's chosen arrays may take unpacked, like ``"2Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    columns: Sequence[str] | None = None
    memory: str | int = 2 * GIB

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", names_of("columns", self.columns))
        object.__setattr__(self, "memory", size_of("memory", self.memory))

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return the file's chosen arrays as an extent; its central directory alone is read."""
        members: dict[str, tuple[Entry, int]] = {}
        for entry, end in await entries_of(source, info):
            name = entry.name.removesuffix(_END)
            if name in members:
                raise lies(info, f"the array {name!r} twice")
            if name != entry.name:
                members[name] = (entry, end)
        wrong = next((name for name in self.columns or () if name not in members), None)
        if wrong is not None:
            raise ConfigError(
                f"{info.key} has no array {wrong!r}",
                fix=f"{did_you_mean(wrong, list(members))}its arrays are: {', '.join(list(members)[:_SHOWN])}",
            )
        wanted = {name: each for name, each in members.items() if self.columns is None or name in self.columns}
        if not wanted:
            yield SkippedObject(object=info.key, reason="has no arrays")
            return
        total, memory = sum(entry.size for entry, _ in wanted.values()), size_of("memory", self.memory)
        if total > memory:
            raise DataError(
                f"{info.key} takes {format_bytes(total)} unpacked, more than memory={format_bytes(memory)}",
                fix="choose fewer arrays with columns, or give more memory",
                about=info.key,
            )
        for entry, _ in wanted.values():
            check_readable(entry, info)
        spans, args = await spans_of(source, info, list(wanted.values()))
        yield Extent(
            key=info.key,
            group=info.key,
            spans=tuple(info.span(start, end - start) for start, end in spans),
            codec=_Codec(names=tuple(wanted)).encode(),
            args=(args,),
        )

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the arrays by their names."""
        held = bytes_of(data)
        found: dict[str, Any] = {}
        for place, name in enumerate(_Codec.read(codec).names):
            body = member_bytes(held, about.args[0], place, key=f"{name} of {about.key}", about=about.key)
            try:
                layout = read_npy(body, len(body))
                rest = memoryview(body)[layout.offset :]
                found[name] = array_of(rest, layout.dtype, layout.shape, is_fortran=layout.is_fortran)
            except ValueError as error:
                raise DataError(
                    f"{name} of {about.key} cannot be read: {' '.join(str(error).split())[:200]}",
                    fix="write the file again, or leave it out",
                    about=about.key,
                ) from error
        return [found if self.columns is None else {name: found[name] for name in self.columns}]
