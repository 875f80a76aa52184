"""Metadata of Zarr's groups: which arrays lie in one, as it is told in one place or by the arrays themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

from penstock.formats.protocols import Store
from penstock.formats.zarr.metadata import lies
from penstock.sources import ObjectInfo
from penstock.units import MIB, format_bytes

__all__ = ["ARRAY", "GROUP", "V3", "arrays_in", "is_in_group", "listed", "read_metadata"]

V3, ARRAY, GROUP = "zarr.json", ".zarray", ".zgroup"
"""Names of objects of metadata."""
_ALL: Final = ".zmetadata"
_MOST_METADATA_BYTES: Final = 64 * MIB


async def read_metadata(source: Store, info: ObjectInfo) -> dict[str, Any]:
    """Return the metadata of an object.

    Raises:
        HeaderMismatch: it is none.
    """
    if info.size_bytes > _MOST_METADATA_BYTES:
        raise lies(info.key, f"metadata of {format_bytes(info.size_bytes)}")
    return _json(info.key, bytes(await source.get_range(info, 0, info.size_bytes)))


def _json(key: str, data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise lies(key, f"it is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise lies(key, "it is no JSON object")
    return found


async def is_in_group(source: Store, folder: str, *, is_v3: bool) -> bool:
    """Whether the folder above an array is a group, which the array is read with."""
    if not folder:
        return False
    above, slash, _ = folder.rpartition("/")
    beside = await source.beside(f"{above}{slash}{V3 if is_v3 else GROUP}")
    return beside is not None and (not is_v3 or _json(beside[0].key, beside[1]).get("node_type") == "group")


async def listed(source: Store, folder: str) -> dict[str, ObjectInfo]:
    """Return what lies in a folder, by its key."""
    found: dict[str, ObjectInfo] = {}
    async with aclosing(source.list_objects(folder)) as pages:  # type: ignore[type-var]
        async for page in pages:
            found.update((info.key, info) for info in page)
    return found


async def arrays_in(
    source: Store, path: str, told: Mapping[str, Any], objects: Mapping[str, ObjectInfo], *, is_v3: bool
) -> dict[str, dict[str, Any]]:
    """Return the metadata of the arrays that lie in a group itself, by their names."""
    known = await _consolidated(source, path, told, objects, is_v3=is_v3)
    if known is not None:
        ending = "" if is_v3 else f"/{ARRAY}"
        some = {key.removesuffix(ending): about for key, about in known.items() if key.endswith(ending)}
    else:
        ending = f"/{V3 if is_v3 else ARRAY}"
        keys = [key for key in objects if key.endswith(ending) and key.startswith(path)]
        keys = [key for key in keys if "/" not in key[len(path) : -len(ending)]]
        some = {key[len(path) : -len(ending)]: await read_metadata(source, objects[key]) for key in keys}
    return {
        name: about
        for name, about in some.items()
        if name and "/" not in name and isinstance(about, dict) and (not is_v3 or about.get("node_type") == "array")
    }


async def _consolidated(
    source: Store, path: str, told: Mapping[str, Any], objects: Mapping[str, ObjectInfo], *, is_v3: bool
) -> dict[str, Any] | None:
    """Return the metadata of all that lies in a group, where it is kept in one place."""
    if is_v3:
        all_told = told.get("consolidated_metadata")
    else:
        info = objects.get(f"{path}{_ALL}")
        all_told = None if info is None else await read_metadata(source, info)
    found = all_told.get("metadata") if isinstance(all_told, dict) else None
    return found if isinstance(found, dict) else None
