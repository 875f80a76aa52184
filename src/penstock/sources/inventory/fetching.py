"""Files of an inventory brought to a scratch file without a name, one at a time, compared with their checksums.

The memory that it takes is ``READS_AT_ONCE`` ranges; the disk that it takes is the file.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque

from penstock.files import ScratchFile
from penstock.sources.base import ObjectSource
from penstock.sources.inventory.report import BadInventory, ReportFile
from penstock.sources.protocols import ObjectInfo
from penstock.units import MIB

__all__ = ["fetch_file"]

RANGE_BYTES = 8 * MIB
READS_AT_ONCE = 4


async def fetch_file(source: ObjectSource, file: ReportFile) -> ScratchFile:
    """Return a file of an inventory; who gets it closes it.

    Args:
        source: that the file lies in.

    Raises:
        BadInventory: it is missing, or is not what the manifest says.
        SourceError: it could not be read.
        DiskFull, OutputUnwritable: it could not be kept.
    """
    info = await source.find(file.key)
    if info is None:
        raise BadInventory(
            f"names a file that is not there: {file.key}", fix="take a newer inventory: this one is gone"
        )
    if file.size_bytes is not None and info.size_bytes != file.size_bytes:
        raise BadInventory(f"says that {file.key} has {file.size_bytes} bytes, and it has {info.size_bytes}")
    scratch = ScratchFile(None)
    try:
        await _copy(source, info, scratch, file)
    except BaseException:
        scratch.close()
        raise
    return scratch


async def _copy(source: ObjectSource, info: ObjectInfo, scratch: ScratchFile, file: ReportFile) -> None:
    """Copy an object, and compare it with the MD5 that the manifest tells."""
    digest = hashlib.md5(usedforsecurity=False)
    reads: deque[asyncio.Task[memoryview]] = deque()
    offset = 0
    try:
        while offset < info.size_bytes or reads:
            while offset < info.size_bytes and len(reads) < READS_AT_ONCE:
                length = min(RANGE_BYTES, info.size_bytes - offset)
                reads.append(asyncio.create_task(source.get_range(info, offset, length)))
                offset += length
            data = await reads.popleft()
            await asyncio.to_thread(digest.update, data)
            await asyncio.to_thread(scratch.append, data)
    finally:
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
    if file.md5 and digest.hexdigest() != file.md5.lower():
        raise BadInventory(f"is damaged: the MD5 of {file.key} is {digest.hexdigest()}, not {file.md5}")
