"""What ``index.json`` tells of the chunks beside it: samples, what leaves are written as, how they are packed.

It tells chunks without their versions; those are the listing's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from penstock.errors import DataError, HeaderMismatch
from penstock.formats.litdata.trees import Tree, count_leaves, read_tree

__all__ = ["INDEX", "Chunk", "Told", "read_index", "wrong_index"]

INDEX: Final = "index.json"
_PYTREE: Final = "PyTreeLoader"
_TOKENS: Final = "TokensLoader"
_LOADERS: Final = {
    "ParquetLoader": "is one of Parquet files, which the format parquet reads",
    "TemporalArrayLoader": "is one of windows in time (TemporalArrayLoader), which are not read",
}


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a chunk; ``chunk_bytes`` are those that it has unpacked, ``dim`` its tokens."""

    filename: str
    chunk_size: int
    chunk_bytes: int
    dim: int | None = None


class _Config(msgspec.Struct, frozen=True, kw_only=True):
    data_format: list[str] | None = None
    data_spec: str | None = None
    compression: str | None = None
    compression_level: str | None = None
    encryption: Any = None
    item_loader: str = _PYTREE
    format: str | None = None


class _Index(msgspec.Struct, frozen=True, kw_only=True):
    chunks: list[Chunk]
    config: _Config


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an index tells.

    Attributes:
        chunks: by their names.
        leaves: what each leaf of a sample is written as.
        tree: of the leaves.
        packing: of chunks: "", "chunk", "batch" or "sample".
        is_tokens: whether items are tokens alone.
    """

    chunks: dict[str, Chunk]
    leaves: tuple[str, ...]
    tree: Tree
    packing: str
    is_tokens: bool


@lru_cache(maxsize=8)
def read_index(key: str, data: bytes) -> Told:
    """Read an index.

    Args:
        key: of its object.

    Raises:
        HeaderMismatch: it is none, or contradicts itself.
        DataError: it tells of what is not read: encryption, other loaders, other packing.
    """
    try:
        index = msgspec.json.decode(data, type=_Index)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise wrong_index(key, f"is no index of LitData ({error})") from error
    config = index.config
    _refuse_unread(key, config)
    leaves = tuple(config.data_format or ())
    try:
        tree = read_tree(config.data_spec)
    except ValueError as error:
        raise wrong_index(key, f"has the data_spec {str(config.data_spec)[:80]!r}: {error}") from error
    if not leaves or count_leaves(tree) != len(leaves):
        raise wrong_index(key, f"tells of {len(leaves)} leaves, and of a tree of {count_leaves(tree)}")
    chunks = {chunk.filename.rpartition("/")[2]: chunk for chunk in index.chunks}
    wrong = next((each for each in index.chunks if each.chunk_size < 0 or each.chunk_bytes < 0), None)
    if wrong is not None or len(chunks) != len(index.chunks):
        raise wrong_index(key, f"tells of {wrong}" if wrong else "names a chunk twice")
    return Told(
        chunks=chunks,
        leaves=leaves,
        tree=tree,
        packing=_packing(key, config),
        is_tokens=config.item_loader == _TOKENS,
    )


def _refuse_unread(key: str, config: _Config) -> None:
    """Refuse what is not read.

    Raises:
        DataError: by its name.
    """
    why = ""
    if config.encryption:
        why = "is one of encrypted chunks, which are not read"
    elif config.format == "mds":
        why = "is one of MDS shards, which the format mds reads"
    elif config.item_loader in _LOADERS:
        why = _LOADERS[config.item_loader]
    elif config.item_loader not in (_PYTREE, _TOKENS):
        why = f"is one of the loader {config.item_loader[:60]!r}, which is not known"
    if why:
        raise DataError(f"{key} {why}", fix="write the dataset again without that, or choose another format", about=key)


def _packing(key: str, config: _Config) -> str:
    kind, level = (config.compression or "").partition(":")[0], config.compression_level or "chunk"
    if not kind:
        return ""
    if kind != "zstd" or level not in ("chunk", "batch", "sample"):
        raise DataError(
            f"the chunks of {key} are packed by {kind[:20]!r} ({level[:20]!r}); those packed by Zstandard are read",
            fix="write the dataset again with compression='zstd', or without",
            about=key,
        )
    return level


def wrong_index(key: str, what: str) -> HeaderMismatch:
    """Make the error of an index that is none, or contradicts itself."""
    return HeaderMismatch(f"{key} {what}", fix="write the dataset again, or leave it out", about=key)
