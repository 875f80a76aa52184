"""Where images, tables and lists lie: as objects of a source, or as members of ZIP archives in it, read by range.

An image's name is its key without folders. Its archive is any folder that it lies in, and the ZIP file too:
``images_001/images/00000001_000.png`` and ``archive.zip/images_001/images/00000001_000.png`` are of ``images_001``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from penstock.errors import DataError, EmptyListing
from penstock.formats.zip.directory import Entry
from penstock.formats.zip.format import check_readable, entries_of
from penstock.formats.zip.members import member_bytes, spans_of
from penstock.manifest import Extent, LeftOutObjects, SkippedObject
from penstock.observe import open_progress
from penstock.patterns import is_hidden
from penstock.sources import ObjectInfo, ObjectSource, SortedListing
from penstock.tasks.images.naming import looks_like_image
from penstock.tasks.named_files import read_named
from penstock.tasks.protocols import Limits
from penstock.tasks.refusing import unreadable
from penstock.texts import counted

__all__ = ["Archives", "Image", "Lying", "find_all"]

_ENDING: Final = ".zip"
_BESIDE: Final = ("data_entry_2017", "bbox_list_2017", "train_val_list", "test_list")
"""What names of files that tell of images begin with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image that lies somewhere.

    Attributes:
        key: below the source; of a member with its archive's key before it.
        info: of the object that it is, or is a member of.
        entry: of a member.
        end: where what follows the member begins.
    """

    key: str
    info: ObjectInfo
    entry: Entry | None = None
    end: int = 0

    @property
    def name(self) -> str:
        """File name without folders, as tables have it."""
        return self.key.rpartition("/")[2]

    async def extent(
        self, source: ObjectSource, *, group: str, codec: str, target: float | None, args: tuple[int, ...]
    ) -> Extent:
        """Return its extent; of a member ``member_bytes`` reads the first five of ``args``."""
        spans = [(0, self.info.size_bytes)]
        if self.entry is not None:
            spans, numbers = await spans_of(source, self.info, [(self.entry, self.end)])
            args = (*numbers, *args)
        return Extent(
            key=self.key,
            group=group,
            spans=tuple(self.info.span(start, end - start) for start, end in spans),
            codec=codec,
            targets=(target,),
            args=(args,),
        )


@dataclass(kw_only=True, slots=True)
class Lying:
    """What lies in a source.

    Attributes:
        beside: files that tell of images, by the beginnings of their names.
        skipped: what was left out.
    """

    source: ObjectSource
    listing: SortedListing
    members: list[Image] = field(default_factory=list)
    beside: dict[str, list[Image]] = field(default_factory=dict)
    skipped: list[SkippedObject] = field(default_factory=list)

    def images(self) -> Iterator[Image]:
        """Return images: objects in the order of their keys, then members of archives in that of the files."""
        for info in self.listing:
            yield Image(key=info.key, info=info)
        yield from self.members

    async def text(self, what: str, asked: str | None, *, option: str) -> tuple[str, bytes] | None:
        """Return the name and bytes of a file that tells of images: the one asked for, or the one that lies here.

        Raises:
            DataError: several lie here.
            SourceError: it cannot be read.
        """
        if asked is not None:
            inside = [image for image in self.beside.get(what, ()) if asked in (image.key, image.name)]
            if not inside:
                return asked, await read_named(self.source, asked, option=option)
            return asked, await self._read(inside[0])
        found = self.beside.get(what, [])
        if len(found) > 1:
            raise DataError(
                f"{', '.join(image.key for image in found[:3])} may all be meant",
                fix=f"say which with --option {option}=",
                about=found[0].key,
            )
        return (found[0].key, await self._read(found[0])) if found else None

    async def _read(self, file: Image) -> bytes:
        if file.entry is None:
            return await self.source.get(file.info)
        check_readable(file.entry, file.info)
        [(start, end)], numbers = await spans_of(self.source, file.info, [(file.entry, file.end)])
        data = await self.source.get_range(file.info, start, end - start)
        return member_bytes(data, numbers, 0, key=file.key, about=file.key)


class Archives:
    """Tells whether a key lies in a folder or ZIP file of a name; without patterns all do.

    Args:
        option: that names the patterns, for messages.
    """

    def __init__(self, patterns: Sequence[str], *, option: str) -> None:
        self._patterns, self._option = tuple(patterns), option
        self._unseen = set(patterns)

    def __call__(self, key: str) -> bool:
        """Tell it, and take note of the patterns that fit."""
        if not self._patterns:
            return True
        folders = [part.removesuffix(_ENDING) for part in key.split("/")[:-1]]
        fitting = {each for each in self._patterns if any(fnmatchcase(folder, each) for folder in folders)}
        self._unseen -= fitting
        return bool(fitting)

    def check(self, uri: str) -> None:
        """Refuse patterns that fitted nothing that was asked for: what they were to add would be missed unseen.

        Raises:
            EmptyListing: there are some.
        """
        if self._unseen:
            names = ", ".join(each for each in self._patterns if each in self._unseen)
            raise EmptyListing(
                f"no image under {uri} is of the archive {names}, of --option {self._option}=",
                fix="write archives' names, or patterns of them, like images_001,images_00[2-5]",
                about=uri,
            )


async def find_all(source: ObjectSource, *, limits: Limits, archives: Sequence[str]) -> Lying:
    """List a source, and the directories of the ZIP files in it.

    Args:
        archives: patterns of those to take.

    Raises:
        SourceError: the source could not be listed, or holds no image.
        DataError: a ZIP file is damaged.
    """
    found = Lying(source=source, listing=SortedListing(limits.scratch))
    sorting = _Sorting(found, limits, Archives(archives, option="archives"))
    num_objects = 0
    with open_progress().stage("find", None, "objects") as stage:
        async for page in source.list_objects():
            num_objects += len(page)
            stage.advance(len(page))
            found.listing.add([info for info in page if sorting.take(info)])
    if not num_objects:
        raise await source.nothing_found()
    for info in sorted(sorting.zips, key=lambda info: info.key):
        async for member in _members(source, info):
            sorting.take_member(member)
    sorting.finish(num_objects)
    return found


async def _members(source: ObjectSource, info: ObjectInfo) -> AsyncIterator[Image]:
    for entry, end in await entries_of(source, info):
        if not entry.name.endswith("/"):
            yield Image(key=f"{info.key}/{entry.name}", info=info, entry=entry, end=end)


class _Sorting:
    """Sorts what lies in a source: images, archives, files that tell of images, and others."""

    def __init__(self, found: Lying, limits: Limits, is_taken: Archives) -> None:
        self._found, self._skip_bad, self._is_taken = found, limits.skip_bad, is_taken
        self._left_out = LeftOutObjects()
        self._num_others = self._num_elsewhere = self._num_images = 0
        self._example = ""
        self.zips: list[ObjectInfo] = []

    def take(self, info: ObjectInfo) -> bool:
        """Tell whether an object is an image that is taken."""
        if info.is_empty or is_hidden(info.key):
            return False
        if info.trouble:
            self._refuse(info)
            return False
        if info.key.lower().endswith(_ENDING):
            self.zips.append(info)
            return False
        return self._sort(Image(key=info.key, info=info))

    def take_member(self, member: Image) -> None:
        """Take in an image of an archive."""
        if not is_hidden(member.key) and self._sort(member):
            assert member.entry is not None
            check_readable(member.entry, member.info)
            self._found.members.append(member)

    def _sort(self, file: Image) -> bool:
        begins = next((what for what in _BESIDE if file.name.lower().startswith(what)), None)
        if begins is not None:
            self._found.beside.setdefault(begins, []).append(file)
            return False
        if not looks_like_image(file.key):
            self._num_others += 1
            self._example = self._example or file.key
            return False
        self._num_images += 1
        if not self._is_taken(file.key):
            self._num_elsewhere += 1
            return False
        return True

    def _refuse(self, info: ObjectInfo) -> None:
        if not self._skip_bad:
            raise unreadable(info)
        self._left_out.add(info.key, info.trouble)

    def finish(self, num_objects: int) -> None:
        """Check what was found, and tell what was left out."""
        uri = self._found.source.spec.uri
        if not self._num_images:
            seen = f", {self._example} for one" if self._example else ""
            raise EmptyListing(
                f"there is no image in {counted(num_objects, 'object')} under {uri}{seen}",
                fix="name the folder that holds images_001 to images_012, or their archive",
                about=uri,
            )
        self._is_taken.check(uri)
        told = self._found.skipped
        told += self._left_out.told()
        if self._num_elsewhere:
            what = counted(self._num_elsewhere, "image")
            told.append(SkippedObject(object=what, reason="of other archives", count=self._num_elsewhere))
        if self._num_others:
            what = counted(self._num_others, "object")
            told.append(SkippedObject(object=what, reason=f"no image, {self._example} for one", count=self._num_others))
        told += self._found.source.left_out()
