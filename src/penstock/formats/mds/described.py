"""What ``index.json`` tells of the shards beside it: their names, by which one that is missing is missed."""

from __future__ import annotations

import msgspec

from penstock.errors import HeaderMismatch
from penstock.formats.protocols import Store
from penstock.sources import ObjectInfo
from penstock.units import MIB

__all__ = ["INDEX", "check_shards"]

INDEX = "index.json"
_MOST_BYTES = 64 * MIB


class _File(msgspec.Struct, frozen=True):
    basename: str


class _Told(msgspec.Struct, frozen=True):
    """Of a shard: the file, and what it is packed as; one of them is kept, or both."""

    raw_data: _File | None = None
    zip_data: _File | None = None

    def names(self) -> list[str]:
        return [each.basename for each in (self.raw_data, self.zip_data) if each is not None]


class _Index(msgspec.Struct, frozen=True):
    shards: list[_Told]


async def check_shards(source: Store, info: ObjectInfo) -> str:
    """See to it that the shards that an index names are there; return why it is no index, nothing where it is one.

    Raises:
        HeaderMismatch: a shard is not there.
    """
    if info.size_bytes > _MOST_BYTES:
        return "is too large for an index of MDS"
    try:
        index = msgspec.json.decode(bytes(await source.get_range(info, 0, info.size_bytes)), type=_Index)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "is no index of MDS"
    folder = info.key.removesuffix(INDEX)
    missing = {names[0]: names for each in index.shards if (names := each.names())}
    by_name = {f"{folder}{name}": names[0] for names in missing.values() for name in names}
    if missing:
        async for page in source.list_objects(folder.rstrip("/")):
            for found in page:
                missing.pop(by_name.get(found.key, ""), None)
    if missing:
        raise HeaderMismatch(
            f"{info.key} names {next(iter(missing))[:80]!r}, which does not lie beside it ({len(missing)} in all)",
            fix="upload what is missing, or choose shards alone with match, like '*.mds'",
            about=info.key,
        )
    return ""
