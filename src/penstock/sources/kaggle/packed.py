"""Files that Kaggle keeps packed, as it does with large tables: ``NAME.zip`` with that file alone in it.

No part of such a file can be asked for: it is read whole, once for all who ask for it, and kept unpacked for the ranges
that are asked for next.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from penstock.errors import ChecksumMismatch, SourceError
from penstock.sources.protocols import ObjectInfo
from penstock.units import MIB, format_bytes

__all__ = ["MOST_PACKED_BYTES", "UnpackedFiles"]

MOST_PACKED_BYTES = 128 * MIB
"""Of a file, unpacked; all that are kept have as many together."""
_ADVICE = "read the archive of all files (--source-option archive=true, and the format zip), or download it"


class UnpackedFiles:
    """Unpacks files and keeps them.

    Args:
        fetch: gives the bytes of a file as it is packed; is called in a task of its own.
    """

    def __init__(self, fetch: Callable[[ObjectInfo], Awaitable[bytes]]) -> None:
        self._fetch = fetch
        self._kept: OrderedDict[ObjectInfo, bytes] = OrderedDict()
        self._reading: dict[ObjectInfo, asyncio.Task[bytes]] = {}

    async def get(self, info: ObjectInfo) -> bytes:
        """Return all of a file.

        Raises:
            SourceError: it is too large, cannot be had, or is not packed as Kaggle packs files.
            ChecksumMismatch: what came is damaged.
        """
        if (kept := self._kept.get(info)) is not None:
            self._kept.move_to_end(info)
            return kept
        if info.size_bytes > MOST_PACKED_BYTES:
            raise SourceError(
                f"Kaggle gives {info.key} packed, as {info.key}.zip alone, of which no part can be read, and it has "
                f"{format_bytes(info.size_bytes)}: more than the {format_bytes(MOST_PACKED_BYTES)} that are read whole",
                fix=_ADVICE,
                about=info.key,
            )
        task = self._reading.get(info)
        if task is None:
            task = self._reading[info] = asyncio.create_task(self._read(info))
            task.add_done_callback(lambda done: self._reading.pop(info, None))
        return await asyncio.shield(task)

    def close(self) -> None:
        """Let go of everything."""
        for task in self._reading.values():
            task.cancel()
        self._kept.clear()

    async def _read(self, info: ObjectInfo) -> bytes:
        packed = await self._fetch(info)
        whole = self._kept[info] = await asyncio.to_thread(_unpack, packed, info)
        while sum(map(len, self._kept.values())) > MOST_PACKED_BYTES:
            self._kept.popitem(last=False)
        return whole


def _unpack(packed: bytes, info: ObjectInfo) -> bytes:
    name = info.key.rpartition("/")[2]
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            [member] = archive.infolist()
            if member.filename.rpartition("/")[2] != name or member.file_size != info.size_bytes:
                raise _other(info, f"{member.filename!r} of {member.file_size} bytes")
            with archive.open(member) as file:
                data = file.read(info.size_bytes + 1)
    except ValueError as error:
        raise _other(info, "other things than that one file") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ChecksumMismatch(
            f"{info.key}.zip, as which Kaggle gives {info.key}, cannot be unpacked ({reason})",
            fix=_ADVICE,
            about=info.key,
        ) from error
    if len(data) != info.size_bytes:
        raise _other(info, f"{len(data)} bytes of it")
    return data


def _other(info: ObjectInfo, what: str) -> SourceError:
    return SourceError(
        f"{info.key}.zip, as which Kaggle gives {info.key} of {info.size_bytes} bytes, holds {what}",
        fix=f"run `penstock list` again; if it stays, {_ADVICE}",
        about=info.key,
    )
