"""A cache on disk: what was read of a source, kept over epochs, attempts and runs, within a bound of its own.

It lies beside the window, in a folder that any number of processes share, and knows nothing of manifests or orders: an
extent is found by a name made of its source and of the object, version, place and size of each of its spans. So another
seed, another split or another listing of the same objects finds what it has in common with the last one, and a changed
object, whose version is another, never does. What has no version is not kept.

An extent is put there when it was fetched, for as long as there is room: a fixed set is as good as any, since an epoch
reads each extent once. Room is made of parts (``penstock.window.cache_parts``) of other sources, least recently used
first, and, once a whole epoch has passed, of parts that nothing was read of in it. What is read is compared with its
checksum; what is damaged is fetched again, and put back in its place.

The bound is on all files of the folder together, in blocks, whoever wrote them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from penstock import locks
from penstock.errors import ConfigError, DiskFull, NotOurs
from penstock.manifest import SourceSpec
from penstock.options.window import CacheOptions
from penstock.owning import CACHE_MARK, claim_folder, refuse_others
from penstock.units import KIB, MIB, format_bytes
from penstock.window.cache_parts import BATCH_BYTES, CACHED_ENTRY, CachePart, part_paths, remove_unused
from penstock.window.layout import checksum
from penstock.window.room import free_bytes

__all__ = ["LEAST_CACHE_BYTES", "Cache", "CachedPlace", "Name", "ToKeep", "asked_cache", "cache_used_bytes"]
__all__ += ["check_cache_place"]

Name = tuple[int, int]
"""Two halves of the 128-bit XXH3 of what an extent is."""

LEAST_CACHE_BYTES = 1 * MIB
BLOCK_BYTES, PAGE_BYTES = 512, 4096
PARTS = 16
"""A part is closed when it is this part of the bound: what is removed for room is a whole part."""
SMALLEST_PART_BYTES = 1 * MIB
STEPS = 64
SPARE_BYTES = 64 * KIB
"""Left free: file systems take blocks for their own tables."""
STEP_BYTES = (256 * KIB, 8 * MIB)
"""Reserved at once: a 64th of the bound, between these."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CachedPlace:
    """Where an extent lies in a cache."""

    part: CachePart
    offset: int
    data_bytes: int
    checksum: int


@dataclass(frozen=True, slots=True)
class ToKeep:
    """An extent that was fetched."""

    name: Name
    data: memoryview
    checksum: int


def cache_used_bytes(folder: Path) -> int:
    """Return what a cache's folder takes on disk, the folder itself included."""
    blocks = folder.lstat().st_blocks
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            blocks += path.lstat().st_blocks
    return BLOCK_BYTES * blocks


def check_cache_place(folder: Path, size_bytes: int) -> None:
    """Refuse a cache that is somebody's folder, or larger than what is free there, before anything is asked for.

    Raises:
        NotOurs: the folder holds what Penstock did not put there.
        DiskFull: there is less room.
    """
    folder = folder.absolute()
    refuse_others(folder, CACHE_MARK, what="--cache")
    try:
        place = next(each for each in (folder, *folder.parents) if each.is_dir())
        volume = os.statvfs(place)
        has_bytes = cache_used_bytes(folder) if (folder / CACHE_MARK).exists() else 0
    except OSError:  # whoever makes the folder is told what is wrong with it
        return
    free = free_bytes(volume) + has_bytes
    if volume.f_blocks and size_bytes > free:
        raise DiskFull(
            f"no space is left for the cache {folder}: {format_bytes(size_bytes)} are wanted, {format_bytes(free)} are "
            "free",
            fix="choose a smaller --cache-size or another folder, or free some space",
            about=str(folder),
        )


def asked_cache(options: CacheOptions) -> tuple[Path, int] | None:
    """Return the folder and the bound of the cache that options ask for; None where they ask for none.

    Raises:
        ConfigError: the bound is smaller than anything can be kept in.
    """
    if options.cache is None:
        return None
    if options.cache_size < LEAST_CACHE_BYTES:
        raise ConfigError(
            f"--cache-size {format_bytes(options.cache_size)} is too small for anything to be kept",
            fix=f"give at least {format_bytes(LEAST_CACHE_BYTES)}, or leave --cache out",
        )
    return options.cache.absolute(), options.cache_size


class Cache:
    """A cache, as one stream uses it; ``find`` and ``wants`` are for one thread, ``put`` for any.

    Args:
        folder: made if it is missing.
        size_bytes: bound on everything in it.
        source: of the stream.

    Attributes:
        used_bytes: what the folder took when that was last looked at.
        coming: names of extents that are being fetched, and are there, or are not to be, when they have left this.

    Raises:
        NotOurs: the folder holds what Penstock did not put there.
        DiskFull, OutputUnwritable: it cannot be used.
    """

    def __init__(self, folder: Path, size_bytes: int, source: SourceSpec) -> None:
        self._folder, self._size_bytes = folder, size_bytes
        told = msgspec.json.encode(source, order="deterministic")
        self._named = xxhash.xxh3_128(told)
        self._source = xxhash.xxh3_64_intdigest(told)
        self._mark = claim_folder(folder, CACHE_MARK, what="--cache")
        self._lock = threading.Lock()
        self._step_bytes = min(max(size_bytes // STEPS, STEP_BYTES[0]), STEP_BYTES[1])
        self._part_bytes = max(size_bytes // PARTS, SMALLEST_PART_BYTES)
        self._parts: list[CachePart] = []
        self._read_parts: set[int] = set()
        self._own: CachePart | None = None
        self._added: dict[Name, CachedPlace] = {}
        self._damaged: dict[Name, CachedPlace] = {}
        self._most_bytes = size_bytes
        self.coming: set[Name] = set()
        self._has_passed_epoch = self._is_broken = False
        try:
            with self._alone():
                self._open_parts()
                self.used_bytes = cache_used_bytes(folder)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of its files."""
        for part in self._parts:
            part.close()
        if self._mark >= 0:
            os.close(self._mark)
            self._mark = -1

    def name(self, spans: Iterable[tuple[str, str, int, int]]) -> Name | None:
        """Return the name of an extent; None where it has none that is its content's for good.

        Args:
            spans: object, version, first byte and length of each.
        """
        digest = self._named.copy()
        for key, version, offset, length in spans:
            if not version:
                return None
            digest.update(f"{len(key)} {key}{len(version)} {version}{offset} {length}\n".encode(errors="surrogatepass"))
        whole = digest.intdigest()
        return whole >> 64, whole & (1 << 64) - 1

    def find(self, name: Name, data_bytes: int) -> CachedPlace | None:
        """Return where an extent lies, if it is there."""
        found = self._added.get(name) or self._find_old(name)
        if found is None or found.data_bytes != data_bytes or name in self._damaged:
            return None
        self._read_parts.add(id(found.part))
        return found

    def _find_old(self, name: Name) -> CachedPlace | None:
        at = int(np.searchsorted(self._lows, name[1]))
        if at == len(self._lows) or self._lows[at] != name[1]:
            return None
        entry = self._table[at]
        part = self._parts[int(self._part_numbers[at])]
        if int(entry["high"]) != name[0] or part.is_closed:
            return None
        return CachedPlace(part, int(entry["offset"]), int(entry["data_bytes"]), int(entry["checksum"]))

    def read(self, name: Name, found: CachedPlace, place: memoryview) -> bool:
        """Read an extent to its place; False where it is not whole, and is to be fetched again."""
        with contextlib.suppress(OSError):
            if found.part.read_into(found.offset, place) and checksum(place) == found.checksum:
                return True
        _log.warning("cache.damaged part=%s offset=%d: it is fetched again", found.part.path.name, found.offset)
        self._damaged[name] = found
        return False

    def begin_epoch(self) -> None:
        """Note that a whole epoch has passed: what was not read in it may make room."""
        if not self._has_passed_epoch:
            self._has_passed_epoch, self._most_bytes = True, self._size_bytes

    def put(self, items: Sequence[ToKeep]) -> None:
        """Put extents that were fetched there, those that there is room for; it goes on without where it cannot."""
        with self._lock:
            if self._is_broken:
                return
            try:
                self._put_back(items)
                new = {item.name: item for item in items if item.name not in self._added}
                self._append([item for item in new.values() if self._find_old(item.name) is None])
            except (OSError, NotOurs) as error:
                self._is_broken = True
                _log.warning("cache.full folder=%s error=%s: nothing more is kept there", self._folder, error)

    def _put_back(self, items: Sequence[ToKeep]) -> None:
        """Mend what was damaged."""
        for item in items:
            place = self._damaged.get(item.name)
            if place is not None and place.checksum == item.checksum and not place.part.is_closed:
                place.part.write(place.offset, item.data)
                del self._damaged[item.name]

    def _append(self, items: list[ToKeep]) -> None:
        while items:
            count = self._fitting(items)
            if not count or self._own is None:
                return
            part, batch = self._own, items[:count]
            offsets = part.append(
                [item.name for item in batch], [item.data for item in batch], [item.checksum for item in batch]
            )
            for item, offset in zip(batch, offsets, strict=True):
                self._added[item.name] = CachedPlace(part, offset, len(item.data), item.checksum)
            items = items[count:]

    def _fitting(self, items: Sequence[ToKeep]) -> int:
        """Return how many of the first items fit the part that is appended to, for which room was reserved."""
        ends = BATCH_BYTES + np.cumsum([len(item.data) + CACHED_ENTRY.itemsize for item in items])
        least = int(ends[0])
        if least > self._most_bytes or (part := self._appended_to()) is None:
            return 0
        room = part.reserved - part.end
        wanted = min(int(ends[-1]), max(least, self._part_bytes - part.end))
        if room < wanted:
            self._reserve(part, wanted - room, least_bytes=least - room)
            room = part.reserved - part.end
        if room < least:
            self._most_bytes = least - 1
        return int(np.searchsorted(ends, room, side="right"))

    def _reserve(self, part: CachePart, more_bytes: int, *, least_bytes: int) -> None:
        """Reserve as much more for a part as there is room for, removing what is of less use for the least of it."""
        with self._alone():
            while True:
                more = min(max(more_bytes, self._step_bytes), self._free_bytes())
                if more >= max(1, least_bytes):
                    part.reserve(more)
                    self.used_bytes = cache_used_bytes(self._folder)
                    return
                if least_bytes <= 0 or not self._make_room():
                    return

    def _free_bytes(self) -> int:
        self.used_bytes = cache_used_bytes(self._folder)
        return (self._size_bytes - self.used_bytes - SPARE_BYTES) // PAGE_BYTES * PAGE_BYTES

    def _make_room(self) -> bool:
        """Remove one part that is of less use than what is read now; False where there is none."""
        ours = {part.path: part for part in self._parts}
        others = sorted((path for path in part_paths(self._folder) if path not in ours), key=_age)
        for path in others:
            if remove_unused(path):
                _log.info("cache.removed part=%s", path.name)
                return True
        if not self._has_passed_epoch:
            return False
        for path in sorted(ours, key=_age):
            part = ours[path]
            if id(part) in self._read_parts or part is self._own or part.is_closed:
                continue
            if part.remove():
                _log.info("cache.removed part=%s", path.name)
                return True
        return False

    def _open_parts(self) -> None:
        """Open the parts of this stream's source; go on with one that has room."""
        for path in part_paths(self._folder):
            part = CachePart.open(path, self._source)
            if part is not None:
                self._parts.append(part)
                os.utime(path)
        tables = [part.table for part in self._parts]
        whole = np.concatenate([np.zeros(0, CACHED_ENTRY), *tables])
        numbers = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        order = np.argsort(whole["low"], kind="stable")
        self._table: NDArray[np.void] = whole[order]
        self._part_numbers: NDArray[np.int64] = numbers[order]
        self._lows: NDArray[np.uint64] = np.ascontiguousarray(self._table["low"])
        for part in self._parts:
            part.forget_table()

    def _appended_to(self) -> CachePart | None:
        """Return the part that is appended to, begun where the last one is full; None where there is no room for it."""
        if self._own is not None and self._own.end < self._part_bytes:
            return self._own
        with self._alone():
            able = (part for part in self._parts if not part.is_closed and part.end < self._part_bytes)
            found = next((part for part in able if part.take_on()), None)
            while found is None and self._free_bytes() <= 0:
                if not self._make_room():
                    self._most_bytes = 0
                    return None
            if found is None:
                found = CachePart.create(self._folder, self._source)
                self._parts.append(found)
        self._own = found
        self._read_parts.add(id(found))
        return found

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the one process that makes, opens and removes parts."""
        locks.wait_and_take(self._mark, 0, 1)
        try:
            yield
        finally:
            locks.let_go(self._mark, 0, 1)


def _age(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.lstat().st_mtime_ns
    return 0
