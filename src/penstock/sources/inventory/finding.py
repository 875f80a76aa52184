"""Finding an inventory's manifest: the one that is named, or the newest whole one below a folder."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
from collections.abc import Callable

import msgspec

from penstock.errors import ConfigError, ObjectNotFound
from penstock.manifest import SourceSpec
from penstock.sources.base import ObjectSource
from penstock.sources.inventory.report import BadInventory, InventoryKind
from penstock.sources.protocols import ObjectInfo

__all__ = ["OpenSpec", "find_manifest"]

MAX_MANIFEST_BYTES = 64 << 20
"""A file is named by 200 bytes, and holds a million objects or more."""
CONFIGS_SHOWN = 8

OpenSpec = Callable[[SourceSpec], ObjectSource]

_log = logging.getLogger(__name__)


async def find_manifest(spec: SourceSpec, kind: InventoryKind, open_spec: OpenSpec) -> tuple[str, bytes]:
    """Return the URI of a manifest and what it holds, compared with its checksum where there are such.

    Args:
        spec: of the manifest, or of a folder that manifests lie below.
        open_spec: opens a source.

    Raises:
        ConfigError: inventories of several kinds lie there.
        SourceError: there is none, or none that is whole.
    """
    uri = spec.uri.rstrip("/")
    folder, _, name = uri.rpartition("/")
    is_named = name.endswith(".json")
    source = open_spec(msgspec.structs.replace(spec, uri=folder) if is_named else spec)
    try:
        if is_named:
            info = await source.find(name)
            if info is None:
                raise ObjectNotFound(f"there is no inventory {uri}", fix="name its manifest.json or folder", about=uri)
            seal = await source.find(kind.checksum(name)) if kind.checksum is not None else None
            found = f"{folder}/{info.key}"
        else:
            info, seal = await _newest(source, kind, uri)
            found = f"{source.spec.uri.rstrip('/')}/{info.key}"
        try:
            return found, await _whole(source, kind, info, seal)
        except BadInventory as error:
            raise error.told(found) from error
    finally:
        source.close()


async def _newest(source: ObjectSource, kind: InventoryKind, uri: str) -> tuple[ObjectInfo, ObjectInfo | None]:
    """Return the newest manifest below a folder that is whole, and its checksum's file."""
    manifests: list[tuple[str, str, ObjectInfo]] = []
    seals: dict[str, ObjectInfo] = {}
    async for page in source.list_objects():
        for info in page:
            if (match := kind.manifest.fullmatch(info.key)) is not None:
                manifests.append((match["date"], match["config"], info))
            elif info.key.endswith(".checksum"):
                seals[info.key] = info
    configs = sorted({config for _, config, _ in manifests})
    if not manifests:
        raise ObjectNotFound(
            f"no inventory of the kind {kind.title} lies under {uri}",
            fix="name the folder that the store writes its reports to, or a manifest",
            about=uri,
        )
    if len(configs) > 1:
        more = f" and {len(configs) - CONFIGS_SHOWN} more" if len(configs) > CONFIGS_SHOWN else ""
        raise ConfigError(
            f"several inventories lie under {uri}: {', '.join(map(repr, configs[:CONFIGS_SHOWN]))}{more}",
            fix="name the folder or the manifest of one of them",
        )
    for _, _, info in sorted(manifests, key=lambda each: each[0], reverse=True):
        seal = seals.get(kind.checksum(info.key)) if kind.checksum is not None else None
        if kind.checksum is None or seal is not None:
            return info, seal
        _log.warning("inventory.unfinished inventory=%s/%s", uri, info.key)
    raise ObjectNotFound(
        f"no inventory under {uri} is whole: none has its checksum's file yet", fix="wait until one is", about=uri
    )


async def _whole(source: ObjectSource, kind: InventoryKind, info: ObjectInfo, seal: ObjectInfo | None) -> bytes:
    """Read a manifest, and compare it with its checksum."""
    if info.size_bytes > MAX_MANIFEST_BYTES:
        raise BadInventory(f"has a manifest of {info.size_bytes} bytes", fix="name a manifest, not a report")
    data = await source.get(info)
    if kind.checksum is None:
        return data
    if seal is None:
        raise BadInventory(
            "is not whole: its checksum's file is not there (yet)",
            fix="wait until the store has written it, or name another one, or the folder for the newest whole one",
        )
    told = (await source.get(seal)).strip().strip(b'"') if seal.size_bytes <= 1024 else b""
    digest = hashlib.md5(data, usedforsecurity=False)
    if told.lower() != digest.hexdigest().encode() and not _is_base64_of(told, digest.digest()):
        raise BadInventory(f"is damaged: the MD5 of its manifest is {digest.hexdigest()}, not {told.decode('latin-1')}")
    return data


def _is_base64_of(text: bytes, digest: bytes) -> bool:
    try:
        return base64.b64decode(text, validate=True) == digest
    except (binascii.Error, ValueError):
        return False
