"""Rows of an inventory as objects: those of the prefix that are there now, as the store's listing has them."""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import Any
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.compute as pc

from penstock.sources.inventory.report import BadInventory, InventoryKind, ManifestPlace
from penstock.sources.protocols import ObjectInfo, archived
from penstock.sources.stores.pages import MAX_OBJECT_BYTES

__all__ = ["Rows"]


class Rows:
    """Reads rows.

    Args:
        kind: of the inventory.
        place: the source that is listed.
        folder: of the source whose objects are wanted, empty for all.
        is_csv: the rows stood in a CSV.

    Attributes:
        num_rows: that were read.
    """

    def __init__(self, kind: InventoryKind, place: ManifestPlace, folder: str, *, is_csv: bool) -> None:
        self._kind, self._bucket = kind, place.bucket
        self._is_encoded = is_csv and kind.url_encoded
        above = f"{place.bucket}/" if kind.bucket_in_key else ""
        self._base = f"{above}{place.prefix}/" if place.prefix else above
        self._below = f"{self._base}{folder.strip('/')}/" if folder.strip("/") else self._base
        self.num_rows = 0

    def objects(self, batch: pa.RecordBatch) -> list[ObjectInfo]:
        """Return the objects of rows.

        Raises:
            BadInventory: a row is of another bucket, or does not tell what it must.
        """
        self.num_rows += batch.num_rows
        kind = self._kind
        columns = {name: batch.column(name) for name in batch.schema.names}
        if kind.bucket in columns:
            self._check_bucket(_texts(columns[kind.bucket]))
        columns[kind.key] = self._keys(columns[kind.key])
        wanted = self._wanted(columns)
        if wanted is not None:
            columns = {name: column.filter(wanted) for name, column in columns.items()}
        keys = columns[kind.key].to_pylist()
        sizes, versions = self._sizes(columns[kind.size], keys), self._versions(columns[kind.version], keys)
        troubles, classes = self._troubles(columns, len(keys)), self._classes(columns, len(keys))
        start, found = len(self._base), []
        for key, size, version, trouble, lies_in in zip(keys, sizes, versions, troubles, classes, strict=True):
            if not size and key.endswith("/"):
                if key == self._below:
                    continue
                key = key[:-1]
            found.append(
                ObjectInfo(
                    key=key[start:], size_bytes=size, version=version, trouble=trouble, storage_class=intern(lies_in)
                )
            )
        return found

    def _check_bucket(self, buckets: pa.Array) -> None:
        others = buckets.filter(pc.invert(pc.equal(buckets, self._bucket)))
        if len(others):
            raise BadInventory(f"is of the bucket {others[0].as_py()!r}, not of {self._bucket!r}")

    def _keys(self, column: pa.Array) -> pa.Array:
        keys = _texts(column)
        if pc.any(pc.equal(keys, "")).as_py():
            raise BadInventory("names an object without a key")
        if not self._is_encoded or not pc.any(pc.match_substring_regex(keys, "[%+]")).as_py():
            return keys
        try:
            return pa.array([_decoded(key) for key in keys.to_pylist()], pa.string())
        except UnicodeDecodeError as error:
            raise BadInventory(f"names an object by what is no text ({error.object[:80]!r})") from error

    def _wanted(self, columns: dict[str, pa.Array]) -> pa.Array | None:
        """Return which rows are objects of now in the place that is listed, None where all are."""
        masks = [pc.starts_with(columns[self._kind.key], self._below)] if self._below else []
        for name, values in self._kind.drops.items():
            if name in columns:
                texts = pc.utf8_lower(_texts(columns[name]))
                dropped = pc.not_equal(texts, "") if values is None else pc.is_in(texts, pa.array(sorted(values)))
                masks.append(pc.invert(dropped))
        wanted = None
        for mask in masks:
            wanted = mask if wanted is None else pc.and_(wanted, mask)
        return wanted

    def _sizes(self, column: pa.Array, keys: Sequence[str]) -> list[int]:
        texts = _texts(column)
        good = pc.match_substring_regex(texts, "^[0-9]{1,16}$")
        if not pc.all(good, min_count=0).as_py():
            self._refuse(keys, texts, good, "a size of")
        sizes: list[int] = texts.cast(pa.int64()).to_pylist()
        if sizes and max(sizes) > MAX_OBJECT_BYTES:
            raise BadInventory(f"gives {keys[sizes.index(max(sizes))]!r} a size of {max(sizes)}")
        return sizes

    def _versions(self, column: pa.Array, keys: Sequence[str]) -> list[str]:
        texts = _texts(column)
        if self._kind.quotes:
            texts = pc.utf8_trim(texts, '"')
        good = pc.match_substring_regex(texts, "^[!#-~]+$")
        if not pc.all(good, min_count=0).as_py():
            self._refuse(keys, texts, good, f"no {self._kind.version} to know its version by:")
        if self._kind.quotes:
            texts = pc.binary_join_element_wise('"', texts, '"', "")
        found: list[str] = texts.to_pylist()
        return found

    def _refuse(self, keys: Sequence[str], texts: pa.Array, good: pa.Array, what: str) -> None:
        at = pc.index(good, False).as_py()
        raise BadInventory(f"gives {keys[at]!r} {what} {texts[at].as_py()!r}")

    def _classes(self, columns: dict[str, pa.Array], num_rows: int) -> list[str]:
        if self._kind.storage_class not in columns:
            return [""] * num_rows
        found: list[str] = _texts(columns[self._kind.storage_class]).to_pylist()
        return found

    def _troubles(self, columns: dict[str, pa.Array], num_rows: int) -> list[str]:
        found = [""] * num_rows
        for name, values in self._kind.archived.items():
            if name not in columns:
                continue
            texts = _texts(columns[name])
            is_archived = pc.is_in(texts, pa.array(sorted(values)))
            if pc.any(is_archived).as_py():
                marks = zip(is_archived.to_pylist(), texts.to_pylist(), strict=True)
                found = [archived(text) if mark else told for told, (mark, text) in zip(found, marks, strict=True)]
        return found


def _texts(column: pa.Array) -> pa.Array:
    """Return a column as texts, the empty one for what is not there; times stand for themselves."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        column = column.cast(pa.string())  # refuses what is no UTF-8
    return pc.fill_null(column if pa.types.is_string(column.type) else _cast(column), "")


def _cast(column: pa.Array) -> Any:
    return column.cast(pa.string())


def _decoded(key: str) -> str:
    return unquote_to_bytes(key.replace("+", " ")).decode() if "%" in key or "+" in key else key
