"""Listing a source, or a part of it that stands for the rest where it is large."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from penstock.errors import EmptyListing, PenstockError
from penstock.inspection.budget import Budget
from penstock.inspection.found import Figures, SizeClass
from penstock.manifest import SkippedObject
from penstock.sources import ObjectInfo, ObjectSource, open_source

__all__ = ["Looked", "figures_of", "look"]

FOLDERS = 8
"""That are listed beside the beginning, where that is not all."""
_NAMES_SECONDS = 10.0
_LOOK_SECONDS = 0.005
_FILES = 20
"""That are looked up one by one."""
_QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """Objects that were listed, and whether they are all; markers of folders are not among them."""

    objects: tuple[ObjectInfo, ...]
    is_whole: bool
    left_out: tuple[SkippedObject, ...] = ()
    notes: tuple[str, ...] = ()


async def look(source: ObjectSource, budget: Budget, *, most: int) -> Looked:
    """List the first objects, and some of several folders where there are more.

    Args:
        budget: of which half the requests may go to listing.
        most: objects of the beginning, and again of the folders, about; a page is taken whole.

    Raises:
        SourceError: it could not be listed, or nothing lies there.
    """
    found: dict[str, ObjectInfo] = {}
    is_whole = await _take(source, "", found, budget, most=most)
    if not is_whole and not budget.is_half_spent:
        folders = await _folders(source, found)
        for folder in folders:
            await _take(source, folder, found, budget, most=len(found) + max(1, most // len(folders)))
    if not (found or is_whole):
        await _by_names(source, found)
    if not found:
        raise await source.nothing_found()
    kept = _without_markers(found)
    if not kept:
        raise EmptyListing(
            f"all that lies under {source.spec.uri} is empty",
            fix="check what was uploaded there",
            about=source.spec.uri,
        )
    left_out = tuple(source.left_out()) if is_whole else ()
    return Looked(objects=tuple(kept), is_whole=is_whole, left_out=left_out, notes=tuple(source.notes()))


async def _take(source: ObjectSource, folder: str, found: dict[str, ObjectInfo], budget: Budget, *, most: int) -> bool:
    """Take pages until so many objects are found, or half the requests are spent; tell whether that was all."""
    async with aclosing(source.list_objects(folder)) as pages:  # type: ignore[type-var]
        while (page := await _next_page(pages, budget)) is not None:
            found.update((info.key, info) for info in page)
            if len(found) >= most or budget.is_half_spent:
                return False
    return not budget.is_overdrawn


async def _next_page(pages: AsyncIterator[Sequence[ObjectInfo]], budget: Budget) -> Sequence[ObjectInfo] | None:
    """Return the next page; None where there is none, or where it alone takes too many requests (a web server's)."""
    task = asyncio.ensure_future(_anext(pages))
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_SECONDS)
            if not task.done() and budget.is_overdrawn:
                return None
        return task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, PenstockError):
            await task


async def _anext(pages: AsyncIterator[Sequence[ObjectInfo]]) -> Sequence[ObjectInfo] | None:
    return await anext(pages, None)


async def _by_names(source: ObjectSource, found: dict[str, ObjectInfo]) -> None:
    """Look a few files up, one by one, where a page of the listing takes a request a file."""
    async with asyncio.timeout(_NAMES_SECONDS):
        names = [name for name in await source.names_in(source.spec.uri) if not name.endswith("/")]
    step = max(1, len(names) // _FILES)
    for name in sorted(names)[::step][:_FILES]:
        spec = msgspec.structs.replace(source.spec, uri=f"{source.spec.uri.rstrip('/')}/{quote(name)}")
        one = open_source(spec, meter=source.meter, purpose="data")
        try:
            async with aclosing(one.list_objects()) as pages:  # type: ignore[type-var]
                found.update((info.key, info) for info in await anext(pages, ()))
        finally:
            one.close()


async def _folders(source: ObjectSource, found: dict[str, ObjectInfo]) -> list[str]:
    """Return folders from all over the source; what cannot be told of them is none."""
    seen = {key.partition("/")[0] for key in found if "/" in key}
    try:
        async with asyncio.timeout(_NAMES_SECONDS):
            names = await source.names_in(source.spec.uri)
    except (OSError, ValueError, PenstockError):
        return []
    folders = sorted({name.rstrip("/").rpartition("/")[2] for name in names if name.endswith("/")} - seen)
    step = max(1, len(folders) // FOLDERS)
    return folders[step - 1 :: step][:FOLDERS]


def _without_markers(found: dict[str, ObjectInfo]) -> list[ObjectInfo]:
    folders = {key[:at] for key in found for at, letter in enumerate(key) if letter == "/"}
    return sorted(
        (info for info in found.values() if info.size_bytes or info.key.rstrip("/") not in folders),
        key=lambda info: info.key,
    )


def figures_of(objects: Sequence[ObjectInfo]) -> Figures:
    """Return the figures of objects, of which there is one at least."""
    sizes = sorted(info.size_bytes for info in objects)
    classes: dict[int, list[int]] = {}
    for size in sizes:
        classes.setdefault(1 << (size - 1).bit_length() if size else 0, []).append(size)
    return Figures(
        num_objects=len(sizes),
        total_bytes=sum(sizes),
        quantiles=tuple(sizes[round(share * (len(sizes) - 1))] for share in _QUANTILES),
        classes=tuple(
            SizeClass(up_to_bytes=most, num_objects=len(each), total_bytes=sum(each)) for most, each in classes.items()
        ),
    )
