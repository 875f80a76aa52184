"""Making the samples of texts: objects are indexed, some of the training split is read, and extents come of it.

What a listing reads of the texts themselves is what a tokenizer is trained on, where one is, and what tells about how
many tokens there are.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError, EmptyListing, PenstockError
from penstock.files import ScratchFile
from penstock.formats.options import size_of
from penstock.formats.protocols import Format
from penstock.formats.registry import format_options, open_format, table_formats
from penstock.manifest import SPLITS, Extent, SkippedObject
from penstock.sources import ObjectInfo, ObjectSource, SortedListing
from penstock.tasks.indexing import indexed, some_samples
from penstock.tasks.objects import full_objects
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits, SampleSet
from penstock.tasks.refusing import refuse_early, refuse_releases
from penstock.tasks.table.opening import list_tables
from penstock.tasks.table.parts import fetch
from penstock.tasks.text.codec import Maker, TextCodec, packed_maker, tokens_of
from penstock.tasks.text.splitting import Splits, of_own_splits
from penstock.tasks.text.tokenizing import make_maker, needs_training, num_tokens, trained_tokenizer, whole_text
from penstock.texts import counted
from penstock.tokens import BYTES, LONG, METHODS

__all__ = ["make_samples"]

_FEWEST, _MOST = 300, 1 << 16
_PLAIN: Final = "text"
_ENDINGS: Final = ("txt", "text", "txt.gz", "text.gz", "txt.zst", "text.zst")


async def make_samples(source: ObjectSource, *, limits: Limits, chosen: Options, is_chat: bool) -> SampleSet:
    """Make a sample of each text.

    Raises:
        SourceError: the source could not be read, or no text lies there.
        DataError: the texts cannot be used.
        ConfigError: an option cannot be honoured.
    """
    length, vocab_size = _check(limits, chosen)
    # Before anything is listed: what cannot be had is told at once.
    maker = None if needs_training(chosen) else make_maker(chosen, trained=None, is_chat=is_chat)
    skipped: list[SkippedObject] = []
    formats = table_formats() | ({} if is_chat else {_PLAIN: _ENDINGS})
    listing, num_bytes, name = await list_tables(source, chosen, limits, skipped, formats=formats, wanted="text")
    options = _format_options(chosen, name, is_chat=is_chat)
    kind = open_format(name, options)
    files: dict[str, str] = {}
    by_files = chosen.switch("split_files")
    objects = of_own_splits(listing, files, skipped) if by_files else _stored(listing)
    kept = ScratchFile(limits.scratch)
    places = [
        kept.append(msgspec.msgpack.encode(extent))
        async for extent in indexed(full_objects(objects, limits, skipped), kind, source, limits, skipped)
    ]
    splits = Splits(chosen, limits, num_bytes=num_bytes, files=files)
    gathered = _Gathered(kind, splits, kept, places)
    if not gathered.places:
        raise EmptyListing(f"there is no text in {source.spec.uri}", fix="check what was uploaded there")
    values = await gathered.read(source, budget_bytes=size_of("statistics", chosen.text("statistics")))
    if maker is None:
        bytewise = make_maker(chosen, trained=BYTES, is_chat=is_chat)
        # What has no tokens as bytes has none at all.
        readable = _made(values, lambda value: (tokens_of(value, bytewise), value)[1])
        texts = [whole_text(value, bytewise) for value in readable]
        trained = trained_tokenizer(texts, vocab_size=vocab_size, is_chat=is_chat)
        maker = make_maker(chosen, trained=trained, is_chat=is_chat)
    made = maker
    sizes = list(_made(values, lambda value: len(tokens_of(value, made).ids)))
    mean = sum(sizes) / len(sizes)
    codec = TextCodec(
        format=name,
        options=json.dumps(options, sort_keys=True),
        codec="",
        maker=packed_maker(maker),
        tokens_per_text=mean,
    )
    return SampleSet(
        rows=_rows(gathered, codec),
        shape=(length, num_tokens(maker.tokenizer)),
        skipped=skipped,
        own_splits=splits.own_splits(),
        split_of=lambda extent: extent.key.rpartition(":")[2],
        notes=[_note(maker, gathered, sizes)],
        values=maker.tokenizer.fingerprint(),
    )


def _check(limits: Limits, chosen: Options) -> tuple[int, int]:
    """Refuse what cannot be honoured; return the tokens of a sequence, and those that are trained to."""
    refuse_releases(limits, "text has no releases")
    refuse_early(limits, "some of all texts is read before the first sample, so that tokens are known", gain="")
    chosen.choice("pack", METHODS)
    chosen.choice("long", LONG)
    return chosen.whole("length", low=2, high=1 << 20), chosen.whole("vocab_size", low=_FEWEST, high=_MOST)


def _format_options(chosen: Options, name: str, *, is_chat: bool) -> dict[str, Any]:
    """Return the options of the format: of a table's columns those alone that are learnt from."""
    found: dict[str, Any] = {}
    known = format_options(name)
    if name == _PLAIN:
        if chosen.is_set("column"):
            raise ConfigError("the option column means nothing of plain text", fix="leave it out")
        found["by"] = chosen.choice("by", ("line", "document", "file"))
        if chosen.text("separator") is not None:
            found["separator"] = chosen.text("separator")
    elif wrong := next((each for each in ("by", "separator") if chosen.is_set(each)), None):
        raise ConfigError(f"the option {wrong} means nothing of {name}", fix="leave it out: it is of plain text")
    group = chosen.text("group_column")
    if group is not None:
        if "group_by" not in known:
            raise ConfigError(f"the format {name} tells no groups", fix="leave --option group-column= out")
        found["group_by"] = group
    if not is_chat and "columns" in known:
        found["columns"] = [chosen.text("column") or "text"]
    return found


@dataclass(slots=True)
class _Gathered:
    """What a pass over objects found: extents, ``places`` where in a scratch file.

    Attributes:
        is_sampled: whether some of the training split alone was read.
    """

    kind: Format
    splits: Splits
    kept: ScratchFile
    places: list[tuple[int, int]]
    is_sampled: bool = False

    def extents(self) -> Iterator[tuple[Extent, NDArray[np.int64]]]:
        """Return extents with the places among ``SPLITS`` of their texts."""
        for place in self.places:
            extent = msgspec.msgpack.decode(self.kept.read(*place), type=Extent)
            yield extent, self.splits.of(extent)

    async def read(self, source: ObjectSource, *, budget_bytes: int) -> list[Any]:
        """Return texts of the training split, of extents chosen by a hash of their keys, in their order.

        Args:
            budget_bytes: that reading them takes, but for the first one's.

        Raises:
            PenstockError: they could not be read.
            ConfigError: the training split has none.
        """
        ranked: list[tuple[bytes, int, int]] = []
        for number, (extent, places) in enumerate(self.extents()):
            if (places == 0).any():
                rank = hashlib.sha256(f"text/{extent.key}".encode(errors="surrogatepass")).digest()[:8]
                ranked.append((rank, number, extent.size_bytes))
        if not ranked:
            raise ConfigError(
                "no text falls into the training split",
                fix="take more, a larger share with --split, another --seed, or --option split-unit=rows",
            )
        chosen: list[int] = []
        for _, number, size in sorted(ranked):
            if chosen and size > budget_bytes:
                break
            chosen.append(number)
            budget_bytes -= size
        self.is_sampled = len(chosen) < len(ranked)
        values: list[Any] = []
        for number in sorted(chosen):
            extent = msgspec.msgpack.decode(self.kept.read(*self.places[number]), type=Extent)
            numbers = np.flatnonzero(self.splits.of(extent) == 0)
            data = await fetch(source, extent)
            values += await asyncio.to_thread(self._decoded, extent, data, numbers)
        return values

    def _decoded(self, extent: Extent, data: bytes, numbers: NDArray[np.int64]) -> list[Any]:
        return list(self.kind.decode(memoryview(data), extent, extent.codec, numbers))


def _made(values: Sequence[Any], make: Any) -> Iterator[Any]:
    """Return what is made of values that it can be made of.

    Raises:
        DataError: that is none.
    """
    first: PenstockError | None = None
    num_made = 0
    for value in values:
        try:
            found = make(value)
        except DataError as error:
            first = first or error
            continue
        num_made += 1
        yield found
    if not num_made:
        assert first is not None
        raise first


def _note(maker: Maker, gathered: _Gathered, sizes: Sequence[int]) -> str:
    of = counted(len(sizes), "text")
    told = f"{of} of the training split {'was' if len(sizes) == 1 else 'were'} read" if gathered.is_sampled else of
    total = num_tokens(maker.tokenizer)
    return f"{told}: {sum(sizes) / len(sizes):,.1f} tokens each of {total:,} by the tokenizer {maker.tokenizer.name}"


async def _rows(gathered: _Gathered, codec: TextCodec) -> AsyncIterator[Extent]:
    for extent, places in gathered.extents():
        told = msgspec.structs.replace(codec, codec=extent.codec).encode()
        for number, split in enumerate(SPLITS):
            numbers = np.flatnonzero(places == number).tolist()
            if not numbers:
                continue
            key = f"{extent.key}:{split}"
            part = extent if len(numbers) == extent.num_samples else some_samples(extent, numbers)
            yield msgspec.structs.replace(part, key=key, group=key, groups=(), targets=(), codec=told)
    gathered.kept.close()


async def _stored(listing: SortedListing) -> AsyncIterator[ObjectInfo]:
    for info in listing:
        yield info
    listing.close()
