"""The format of Lance's datasets."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError, HeaderMismatch
from penstock.extras import import_extra
from penstock.formats.codec import Codec
from penstock.formats.lance.manifests import Fragment, Manifest, read_manifest, version_of
from penstock.formats.lance.pages import Cut, Place, cut_rows, pages_of, read_end
from penstock.formats.options import names_of, size_of
from penstock.formats.protocols import Found, Store
from penstock.formats.rows import block_rows
from penstock.formats.values import Rows, some_rows
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import GIB, MIB, format_bytes

__all__ = ["Lance"]

_VERSIONS: Final = "_versions"
_MOST_MANIFEST_BYTES: Final = 256 * MIB
_SHOWN: Final = 20
WHOLE_BYTES: Final = 32 * MIB
"""Of a fragment's files that are read whole, and of the pages that are read together of larger ones."""


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a fragment, or some rows of it, is read by.

    Attributes:
        files: of each file its bytes, and the columns that are read of it.
        rows: the first of the rows and how many they are; None where the files are whole.
        places: of each file where the bytes lie in it that are joined; none where the files are whole.
    """

    kind: ClassVar[str] = "Lance"

    files: tuple[tuple[int, tuple[str, ...]], ...]
    rows: tuple[int, int] | None = None
    places: tuple[tuple[Place, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    """A file of a fragment, and the columns of it that are read."""

    info: ObjectInfo
    columns: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lance:
    """The format of Lance; values are dictionaries by column.

    Attributes:
        columns: names of those that are given; None is all.
        version: of the dataset; None is its newest.
        memory: that the files of a fragment, or the pages of rows that are read together, may take, like ``"1Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    takes_hidden: ClassVar[bool] = True

    columns: Sequence[str] | None = None
    version: int | None = None
    memory: str | int = 1 * GIB

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", names_of("columns", self.columns))
        object.__setattr__(self, "memory", size_of("memory", self.memory))
        if self.version is not None and (type(self.version) is not int or self.version < 1):
            raise ConfigError(f"version {self.version!r}", fix="give its number, or leave it out for the newest")

    async def index(self, source: Store, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return the fragments of the version that a manifest is of, where it is the one that is read."""
        folder, _, name = info.key.rpartition("/")
        version = version_of(name)
        if version is None or folder.rpartition("/")[2] != _VERSIONS:  # files are found by manifests
            return
        if version != await self._wanted(source, folder):
            return
        if info.size_bytes > _MOST_MANIFEST_BYTES:
            raise _lies(info, f"it has {format_bytes(info.size_bytes)}")
        try:
            manifest = read_manifest(bytes(await source.get_range(info, 0, info.size_bytes)))
        except ValueError as error:
            raise _lies(info, str(error)) from error
        self._check(manifest, info)
        root = folder.removesuffix(_VERSIONS)
        if not any(each.num_rows for each in manifest.fragments):
            yield SkippedObject(object=info.key, reason="has no rows")
        for fragment in manifest.fragments:
            if fragment.num_rows:
                async for extent in self._extents(source, info, fragment, root):
                    yield extent

    async def _wanted(self, source: Store, folder: str) -> int:
        """Return the version that is read.

        Raises:
            ConfigError: it is not there.
        """
        there: list[int] = []
        async for page in source.list_objects(folder):
            there += [found for each in page if (found := version_of(each.key.rpartition("/")[2])) is not None]
        if self.version is not None and self.version not in there:
            raise ConfigError(
                f"{folder} has no version {self.version}",
                fix=f"its versions are: {', '.join(map(str, sorted(there)[-_SHOWN:]))}",
            )
        return max(there) if self.version is None else self.version

    def _check(self, manifest: Manifest, info: ObjectInfo) -> None:
        wrong = next((name for name in self.columns or () if name not in manifest.columns), None)
        if wrong is not None:
            raise ConfigError(
                f"{info.key} has no column {wrong!r}",
                fix=f"{did_you_mean(wrong, manifest.columns)}its columns are: {', '.join(manifest.columns[:_SHOWN])}",
            )

    async def _extents(self, source: Store, info: ObjectInfo, fragment: Fragment, root: str) -> AsyncIterator[Extent]:
        """Return a fragment, whose files are read whole where they are small, and else as runs of rows."""
        name, key = f"fragment {fragment.number} of {info.key}", root.rstrip("/") or info.key
        files = [file async for file in self._files(source, info, fragment, root)]
        total = sum(file.info.size_bytes for file in files)
        target = min(WHOLE_BYTES, size_of("memory", self.memory) // 2)
        cuts = await _cuts(source, files, fragment.num_rows, target) if total > target else None
        if cuts is None:
            self._check_memory(info, name, total, "more memory, or write it again with fewer rows a file")
            yield Extent(
                key=f"{key}/{fragment.number}",
                group=key,
                spans=tuple(file.info.span(0, file.info.size_bytes) for file in files),
                codec=_Codec(files=tuple((file.info.size_bytes, file.columns) for file in files)).encode(),
                num_samples=fragment.num_rows,
            )
            return
        for cut in cuts:
            size = sum(length for places in cut.places for _, length in places)
            rows = f"rows {cut.first} to {cut.end - 1} of {name}, whose pages are read together,"
            self._check_memory(info, rows, size, "more memory, or write it again in smaller batches")
            yield Extent(
                key=f"{key}/{fragment.number}/{cut.first}",
                group=key,
                spans=tuple(
                    file.info.span(*place) for file, places in zip(files, cut.places, strict=True) for place in places
                ),
                codec=_Codec(
                    files=tuple((file.info.size_bytes, file.columns) for file in files),
                    rows=(cut.first, cut.end - cut.first),
                    places=cut.places,
                ).encode(),
                num_samples=cut.end - cut.first,
            )

    async def _files(self, source: Store, info: ObjectInfo, fragment: Fragment, root: str) -> AsyncIterator[_Chosen]:
        """Return the files that the chosen columns lie in.

        Raises:
            DataError: they cannot be read.
        """
        name, num_found = f"fragment {fragment.number} of {info.key}", 0
        if fragment.has_deleted:
            raise _refused(info, f"{name} has deleted rows, which are not read", "compact the dataset")
        for file in fragment.files:
            if file.is_elsewhere or file.major < 2:
                why = "lies in another dataset" if file.is_elsewhere else f"is of the file format {file.major}"
                raise _refused(info, f"{file.path} of {name} {why}; those of 2 in it are read", "compact the dataset")
            chosen = [
                each
                for each in zip(file.columns, file.places, strict=True)
                if self.columns is None or each[0] in self.columns
            ]
            if not chosen:
                continue
            found = await source.find(f"{root}data/{file.path}")
            if found is None or not found.size_bytes:
                raise _lies(info, f"data/{file.path} of {name} is not there")
            num_found += 1
            yield _Chosen(info=found, columns=tuple(c for c, _ in chosen), places=tuple(p for _, p in chosen))
        if not num_found:
            raise _lies(info, f"{name} has no file with the columns")

    def _check_memory(self, info: ObjectInfo, name: str, size: int, fix: str) -> None:
        memory = size_of("memory", self.memory)
        if size > memory:
            raise _refused(
                info,
                f"{name} has {format_bytes(size)}, more than memory={format_bytes(memory)}",
                f"choose fewer columns, give {fix}",
            )

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return rows as dictionaries by column, each made when it is asked for."""
        held, at = bytes_of(data), 0
        columns: dict[str, Any] = {}
        read = _Codec.read(codec)
        whole = tuple(((0, size),) for size, _ in read.files)
        for (size, names), places in zip(read.files, read.places or whole, strict=True):
            length = sum(each for _, each in places)
            try:
                table = _read(held[at : at + length], names, size, places, read.rows)
                if not about.args and table.num_rows != about.num_samples:
                    raise ValueError(f"it has {table.num_rows} rows, not {about.num_samples}")  # noqa: TRY301
            except ValueError as error:
                raise DataError(
                    f"the rows of {about.key} cannot be read: {' '.join(str(error).split())[:300]}",
                    fix="write the dataset again, or leave it out",
                    about=about.key,
                ) from error
            at += length
            columns.update({name: table[name] for name in names})
        chosen = list(columns) if self.columns is None else list(self.columns)
        return Rows(some_rows(pa.table({name: columns[name] for name in chosen}), block_rows(about, numbers)))


async def _cuts(source: Store, files: Sequence[_Chosen], num_rows: int, target_bytes: int) -> list[Cut] | None:
    """Return the rows of a fragment in runs; None where its files are read whole.

    Raises:
        HeaderMismatch: a file contradicts itself.
    """
    found = []
    for file in files:
        try:
            pages = pages_of(await read_end(source, file.info), file.places, num_rows)
        except ValueError as error:
            raise _lies(file.info, str(error)) from error
        if pages is None:
            return None
        found.append(pages)
    return list(cut_rows(found, num_rows, target_bytes=target_bytes))


def _read(
    data: bytes, names: Sequence[str], size: int, places: Sequence[Place], rows: tuple[int, int] | None
) -> pa.Table:
    """Return columns of a file, of some rows or all.

    Args:
        data: bytes of the file, joined.
        size: bytes of the file.
        places: where they lie in it; nothing else of it is read.

    Raises:
        ValueError: it cannot be read.
        ConfigError: pylance is not there.
    """
    reader = import_extra("lance.file", "lance", what="Lance is read by pylance").LanceFileReader
    with tempfile.NamedTemporaryFile(suffix=".lance") as file:
        at = 0
        file.truncate(size)
        for place, length in places:
            file.seek(place)
            file.write(data[at : at + length])
            at += length
        file.flush()
        try:
            opened = reader(file.name)
            table = _rows(opened, reader, file.name, names, rows).to_table()
            table.validate(full=True)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # Rust's panics are no Exception
            raise ValueError(f"{type(error).__name__}: {error}") from error
    return table.select(list(names))


def _rows(opened: Any, reader: Any, path: str, names: Sequence[str], rows: tuple[int, int] | None) -> Any:
    there = opened.metadata().schema.names
    lacking = next((name for name in names if name not in there), None)
    if lacking is not None:
        raise ValueError(f"its file has no column {lacking!r}, which may have been renamed: compact the dataset")
    chosen = opened if len(names) == len(there) else reader(path, columns=list(names))
    return chosen.read_all() if rows is None else chosen.read_range(*rows)


def _lies(info: ObjectInfo, what: str) -> HeaderMismatch:
    return HeaderMismatch(
        f"{info.key} cannot be read as Lance: {' '.join(what.split())[:300]}",
        fix="write the dataset again, or leave it out",
        about=info.key,
    )


def _refused(info: ObjectInfo, what: str, fix: str) -> DataError:
    return DataError(what, fix=fix, about=info.key)
