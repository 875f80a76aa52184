"""The format of Lance's datasets."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError, HeaderMismatch
from penstock.extras import import_extra
from penstock.formats.codec import Codec
from penstock.formats.lance.manifests import Fragment, Manifest, read_manifest, version_of
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


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a fragment is read by: of each file its bytes, and the columns that are read of it."""

    kind: ClassVar[str] = "Lance"

    files: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lance:
    """The format of Lance; values are dictionaries by column.

    Attributes:
        columns: names of those that are given; None is all.
        version: of the dataset; None is its newest.
        memory: that the files of a fragment may take, like ``"1Gi"``.

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
                yield await self._extent(source, info, fragment, root)

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

    async def _extent(self, source: Store, info: ObjectInfo, fragment: Fragment, root: str) -> Extent:
        name = f"fragment {fragment.number} of {info.key}"
        if fragment.has_deleted:
            raise _refused(info, f"{name} has deleted rows, which are not read", "compact the dataset")
        chosen, spans, total = [], [], 0
        for file in fragment.files:
            if file.is_elsewhere or file.major < 2:
                why = "lies in another dataset" if file.is_elsewhere else f"is of the file format {file.major}"
                raise _refused(info, f"{file.path} of {name} {why}; those of 2 in it are read", "compact the dataset")
            columns = tuple(each for each in file.columns if self.columns is None or each in self.columns)
            if not columns:
                continue
            found = await source.find(f"{root}data/{file.path}")
            if found is None or not found.size_bytes:
                raise _lies(info, f"data/{file.path} of {name} is not there")
            spans.append(found.span(0, found.size_bytes))
            chosen.append((found.size_bytes, columns))
            total += found.size_bytes
        memory = size_of("memory", self.memory)
        if total > memory or not chosen:
            raise _refused(
                info,
                f"{name} has {format_bytes(total)}, more than memory={format_bytes(memory)}",
                "choose fewer columns, give more memory, or write it again with fewer rows a file",
            )
        key = root.rstrip("/") or info.key
        return Extent(
            key=f"{key}/{fragment.number}",
            group=key,
            spans=tuple(spans),
            codec=_Codec(files=tuple(chosen)).encode(),
            num_samples=fragment.num_rows,
        )

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return rows as dictionaries by column, each made when it is asked for."""
        held, at = bytes_of(data), 0
        columns: dict[str, Any] = {}
        for length, names in _Codec.read(codec).files:
            try:
                table = _read(held[at : at + length], names)
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


def _read(data: bytes, names: Sequence[str]) -> pa.Table:
    """Return columns of a file.

    Raises:
        ValueError: it cannot be read.
        ConfigError: pylance is not there.
    """
    reader = import_extra("lance.file", "lance", what="Lance is read by pylance").LanceFileReader
    with tempfile.NamedTemporaryFile(suffix=".lance") as file:
        Path(file.name).write_bytes(data)
        try:
            table = reader(file.name).read_all().to_table()
            table.validate(full=True)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # Rust's panics are no Exception
            raise ValueError(f"{type(error).__name__}: {error}") from error
    lacking = next((name for name in names if name not in table.column_names), None)
    if lacking is not None:
        raise ValueError(f"its file has no column {lacking!r}, which may have been renamed: compact the dataset")
    return table.select(list(names))


def _lies(info: ObjectInfo, what: str) -> HeaderMismatch:
    return HeaderMismatch(
        f"{info.key} cannot be read as Lance: {' '.join(what.split())[:300]}",
        fix="write the dataset again, or leave it out",
        about=info.key,
    )


def _refused(info: ObjectInfo, what: str, fix: str) -> DataError:
    return DataError(what, fix=fix, about=info.key)
