"""The whole inspection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from penstock.errors import PenstockError, SourceUnavailable
from penstock.extras import how_to_install
from penstock.inspection.advice import advise, advise_on_classes, get_price
from penstock.inspection.budget import Budget, Budgeted, BudgetSpent
from penstock.inspection.card import configs_and_splits
from penstock.inspection.found import Column, Inspection, Kind, Picture
from penstock.inspection.listing import Looked, figures_of, look
from penstock.inspection.naming import HEAD_BYTES, expected_kind, extension_of, format_of, kind_of_head, mismatch_of
from penstock.inspection.peeked import Peeked
from penstock.inspection.peeking import PICTURE_BYTES, peek
from penstock.inspection.pictures import PICTURE_KINDS, can_show, small_png, told_of
from penstock.manifest import SourceSpec
from penstock.sources import (
    ObjectInfo,
    ObjectSource,
    RequestMeter,
    find_object,
    find_scheme,
    open_source,
    sizes_by_class,
)
from penstock.texts import printable
from penstock.units import KIB

__all__ = ["Limits", "inspect"]

KINDS = 10
"""Extensions that are looked into, those of most bytes."""
HEADS = 3
"""Objects of each whose first bytes are looked at."""
_PICTURE_HEAD = 64 * KIB
_ONE_EACH = ("objects", "video", "audio", "dicom")
"""Formats whose objects are a sample each, where nothing else is asked for."""
_TELLING = ("lance", "zarr")
"""Formats whose objects tell of others, so that their sizes tell nothing of how many samples there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an inspection may cost, and show.

    Attributes:
        num_samples: first samples of each kind.
        with_pictures: make small pictures of those that are found.
    """

    requests: int
    num_bytes: int
    objects: int
    num_samples: int
    with_pictures: bool = False


async def inspect(spec: SourceSpec, limits: Limits, *, today: date) -> tuple[Inspection, tuple[Picture, ...]]:
    """Look at what lies in a source.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
        SourceError: it cannot be listed, or nothing lies there, or an object cannot be read.
    """
    meter = RequestMeter()
    budget = Budget(meter, requests=limits.requests, num_bytes=limits.num_bytes)
    source, looked = await _listed(spec, meter, budget, limits)
    try:
        return await _inspected(spec, Budgeted(source, budget), looked, limits, today)
    finally:
        source.close()


async def _listed(spec: SourceSpec, meter: RequestMeter, budget: Budget, limits: Limits) -> tuple[ObjectSource, Looked]:
    folder = find_scheme(spec.uri).folder(spec.uri)
    if folder is not None and folder.is_file():  # others list an object that is named alone
        source, info = await find_object(spec, meter=meter)
        return source, Looked(objects=(info,), is_whole=True)
    source = open_source(spec, meter=meter, purpose="data")
    try:
        return source, await look(source, budget, most=limits.objects)
    except BaseException:
        source.close()
        raise


async def _inspected(
    spec: SourceSpec, source: Budgeted, looked: Looked, limits: Limits, today: date
) -> tuple[Inspection, tuple[Picture, ...]]:
    configs, splits, card_note = await configs_and_splits(source, looked.objects)
    groups: dict[str, list[ObjectInfo]] = {}
    for info in looked.objects:
        groups.setdefault(extension_of(info.key), []).append(info)
    largest = sorted(groups.items(), key=lambda group: -sum(info.size_bytes for info in group[1]))
    kinds: list[Kind] = []
    pictures: list[Picture] = []
    for extension, objects in largest[:KINDS]:
        kind, found = await _kind(source, extension, objects, limits)
        kinds.append(kind)
        pictures += found
        source.forget()
    formats = {kind.extension: kind.format for kind in kinds}
    kept = [info.size_bytes for info in looked.objects if formats.get(extension_of(info.key), "objects") == "objects"]
    sizes = [info.size_bytes for info in looked.objects]
    classes = sizes_by_class(looked.objects)
    advice = advise(sizes, kinds, max(kept, default=0), get_price(spec, today, classes), is_whole=looked.is_whole)
    advice += advise_on_classes(spec, looked.objects, classes, today)
    inspection = Inspection(
        source=printable(spec.uri),
        is_whole=looked.is_whole,
        figures=figures_of(looked.objects),
        kinds=tuple(kinds),
        more_kinds=max(0, len(largest) - KINDS),
        configs=configs,
        splits=splits,
        card_note=card_note,
        left_out=tuple(printable(f"{item.object}: {item.reason}") for item in looked.left_out),
        listing_notes=tuple(map(printable, looked.notes)),
        advice=tuple(map(printable, advice)),
        spent=source.budget.spent(),
        storage_classes=classes,
    )
    return inspection, tuple(pictures)


async def _kind(
    source: Budgeted, extension: str, objects: Sequence[ObjectInfo], limits: Limits
) -> tuple[Kind, tuple[Picture, ...]]:
    """Look at the objects of an extension."""
    full = [info for info in objects if info.size_bytes and not info.trouble]
    note = "" if full else (objects[0].trouble or "all are empty")
    by_magic: Counter[str] = Counter()
    mismatches: list[str] = []
    example, kind, name = (
        next(iter(full or objects)),
        "",
        format_of(extension, "", b"", next(iter(full or objects)).key),
    )
    for number, info in enumerate(_spread(full)):
        try:
            head = bytes(await source.get_range(info, 0, min(HEAD_BYTES, info.size_bytes)))
        except BudgetSpent:
            note = "not looked into: the budget of requests and bytes is spent"
            break
        except SourceUnavailable:
            raise
        except PenstockError as error:  # of that object alone, as that it must not be read
            note = error.what
            continue
        each = kind_of_head(head)
        by_magic[each or "unknown"] += 1
        if told := mismatch_of(extension, each):
            mismatches.append(printable(f"{info.key} {told}"))
        if not number or (kind != expected_kind(extension) and each == expected_kind(extension)):
            example, kind, name = info, each, format_of(extension, each, head, info.key)
    if not full or note:
        return _made(extension, objects, by_magic, mismatches, name, example, Peeked(note=note)), ()
    peeked, pictures = await _peeked(source, example, full, name, kind, limits)
    return _made(extension, objects, by_magic, mismatches, name, example, peeked), pictures


async def _peeked(
    source: Budgeted, example: ObjectInfo, full: Sequence[ObjectInfo], name: str, kind: str, limits: Limits
) -> tuple[Peeked, tuple[Picture, ...]]:
    if kind in PICTURE_KINDS and name == "objects":
        return await _peek_pictures(source, full[: limits.num_samples], limits)
    found = await peek(
        source,
        example,
        format_name=name,
        kind=kind,
        num_samples=limits.num_samples,
        with_pictures=limits.with_pictures,
    )
    return found, found.pictures


async def _peek_pictures(
    source: Budgeted, objects: Sequence[ObjectInfo], limits: Limits
) -> tuple[Peeked, tuple[Picture, ...]]:
    """Tell first pictures by kind, size and mode."""
    if not can_show():
        return Peeked(num_samples=1, note=f"{how_to_install('images')} to be told their sizes"), ()
    told: list[str] = []
    pictures = []
    for info in objects:
        wanted = info.size_bytes if limits.with_pictures and info.size_bytes <= PICTURE_BYTES else _PICTURE_HEAD
        try:
            data = await source.get_range(info, 0, min(wanted, info.size_bytes))
        except BudgetSpent:
            break
        told.append(told_of(data) or "cannot be read as a picture")
        if limits.with_pictures and len(data) == info.size_bytes and (png := small_png(data)):
            pictures.append(Picture(name=printable(info.key), told=told[-1], png=png))
    names = tuple(printable(info.key) for info in objects[: len(told)])
    columns = (Column(name="object", type="picture", values=names), Column(name="is", type="", values=tuple(told)))
    return Peeked(columns=columns if told else (), num_samples=1), tuple(pictures)


def _spread(objects: Sequence[ObjectInfo]) -> list[ObjectInfo]:
    """Return the first object, the last and one between."""
    places = dict.fromkeys(round(step * (len(objects) - 1) / (HEADS - 1)) for step in range(HEADS)) if objects else ()
    return [objects[place] for place in places]


def _made(
    extension: str,
    objects: Sequence[ObjectInfo],
    by_magic: Counter[str],
    mismatches: Sequence[str],
    name: str,
    example: ObjectInfo,
    peeked: Peeked,
) -> Kind:
    total = sum(info.size_bytes for info in objects)
    about = None
    if name in _ONE_EACH and peeked.num_samples is not None:
        about = sum(info.size_bytes > 0 for info in objects)
    elif peeked.num_samples and example.size_bytes and name not in _TELLING:
        about = round(peeked.num_samples / (example.size_bytes * peeked.share) * total)
        about = peeked.num_samples if len(objects) == 1 and peeked.share == 1 else about
    return Kind(
        extension=printable(extension),
        num_objects=len(objects),
        total_bytes=total,
        by_magic=dict(by_magic),
        mismatches=tuple(mismatches),
        format=name,
        example=printable(example.key),
        num_samples=peeked.num_samples if peeked.share == 1 else None,
        about_samples=about,
        group_bytes=peeked.group_bytes,
        columns=peeked.columns,
        note=printable(peeked.note),
    )
