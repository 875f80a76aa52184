"""``penstock pack``: write a dataset anew in shards of a given size."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from penstock.cost.prices import load_prices
from penstock.errors import ConfigError, PenstockError
from penstock.inspection.advice import get_price, retrieval_usd
from penstock.manifest import Extent, ObjectClasses, SkippedObject, SourceSpec
from penstock.manifest.distinct import DistinctNames
from penstock.records import ClassSize
from penstock.sharding.layouts import open_layout
from penstock.sharding.packing import Asked, Done, Packed, pack
from penstock.sharding.paying import Prices, paying
from penstock.sharding.records import RECORDS
from penstock.sharding.writing import Place
from penstock.sources import RequestMeter, find_scheme, locate, open_blobs, open_source
from penstock.sources.local.blobs import remove_leftovers
from penstock.steps._shared.common import source_from
from penstock.steps._shared.dataset_listing import require_torch
from penstock.steps._shared.outputs import check_writable
from penstock.steps.options.pack import PackOptions
from penstock.tasks.indexing import read_format_options
from penstock.tasks.objects import WholeObjects
from penstock.tasks.protocols import Limits
from penstock.temporary import TemporaryFolder
from penstock.texts import counted, printable
from penstock.units import GIB, format_bytes

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset

NAME = "pack"
MOST_SHARD_BYTES = 4 * GIB
"""S3 takes 5 GiB in one request, which puts a shard in its place whole or not at all."""

__all__ = ["NAME", "run"]


def run(args: PackOptions) -> int:
    """Pack, and say what was made."""
    dataset, meter = None, RequestMeter()
    if args.dataset:
        require_torch("--dataset")
        from penstock.steps._shared.described_packing import described_dataset, source_of  # here: few have such a file

        dataset = described_dataset(args, meter)
        spec = source_of(dataset)
    elif args.uri:
        spec = source_from(args.uri, args)
    else:
        raise ConfigError("nothing to pack", fix="give a dataset's URI, or --dataset a file that describes one")
    place = locate(SourceSpec.of(args.into)).uri
    into, packed = f"{_same(place)}/", f"{_same(spec.uri)}/"
    if into.startswith(packed):
        raise ConfigError(f"{args.into} lies in the dataset that is packed", fix="write the shards elsewhere")
    if packed.startswith(into):
        raise ConfigError(
            f"the dataset that is packed lies in {args.into}, where it would be among the shards",
            fix="write the shards into a folder beside it",
        )
    if args.shard_size > MOST_SHARD_BYTES:
        raise ConfigError(
            f"--shard-size {format_bytes(args.shard_size)}: stores take no more than "
            f"{format_bytes(MOST_SHARD_BYTES)} at once, and memory holds it several times",
            fix="give a smaller one",
        )
    check_writable(place, endpoint_url=args.into_endpoint_url)
    if (folder := find_scheme(place).folder(place)) is not None:
        for each in (folder, folder / RECORDS):
            remove_leftovers(each)
    done: list[Done] = []

    def tell(each: Done) -> None:
        done.append(each)
        told = "written and verified" if each.is_new else "was there"
        size = format_bytes(each.record.num_bytes)
        sys.stdout.write(f"{each.record.name}: {counted(each.record.num_samples, 'sample')}, {size}: {told}\n")
        sys.stdout.flush()

    with _own_words():
        made, sizes = _packed(args, spec, dataset, meter, tell)
    sys.stdout.write("\n".join(_told(args, spec, place, done, made, sizes)) + "\n")
    return 0


def _packed(
    args: PackOptions, spec: SourceSpec, dataset: Dataset | None, meter: RequestMeter, tell: Callable[[Done], None]
) -> tuple[Packed, Mapping[str, ClassSize]]:
    """List the dataset, and make its shards; give what it lies in of each class of storage as well."""
    if dataset is None:
        return asyncio.run(_pack_uri(args, spec, meter, tell))
    from penstock.steps._shared.described_packing import listed

    with listed(dataset) as found:
        asked = replace(
            _asked(args, found.format, found.options),
            settings=json.dumps([_settings(args), found.format, *found.settings]),
            change=found.change,
        )
        _tell_skipped(found.info.skipped)
        packed = asyncio.run(_pack_rows(args, spec, found.rows, asked, meter, tell))
        return packed, found.info.storage_classes


async def _pack_uri(
    args: PackOptions, spec: SourceSpec, meter: RequestMeter, tell: Callable[[Done], None]
) -> tuple[Packed, Mapping[str, ClassSize]]:
    options = {name: getattr(args, name) for name in ("match", "format", "format_options", "split")} | {
        "config": args.card_config
    }
    asked = _asked(args, args.format, read_format_options(args.format_options))
    with (
        TemporaryFolder("penstock-pack-") as scratch,
        contextlib.closing(ObjectClasses(scratch)) as classes,
        contextlib.closing(DistinctNames(scratch)) as used,
        contextlib.closing(open_source(spec, meter=meter, purpose="data")) as source,
    ):
        source.classes = classes
        found = await WholeObjects().make_samples(source, limits=Limits(), options=options)
        with _place(args, meter) as place:
            packed = await pack(_noted(found.rows, used), source, place, asked, tell)
        _tell_skipped(found.skipped)
        return packed, classes.sizes(used)


async def _noted(rows: AsyncIterator[Extent], used: DistinctNames) -> AsyncIterator[Extent]:
    """Give extents, and take note of the objects that they lie in."""
    async for extent in rows:
        for span in extent.spans:
            used.add(span.object, span.object_bytes)
        yield extent


async def _pack_rows(
    args: PackOptions,
    spec: SourceSpec,
    rows: AsyncIterator[Extent],
    asked: Asked,
    meter: RequestMeter,
    tell: Callable[[Done], None],
) -> Packed:
    source = open_source(spec, meter=meter, purpose="data")
    try:
        with _place(args, meter) as place:
            return await pack(rows, source, place, asked, tell)
    finally:
        source.close()


def _asked(args: PackOptions, format_name: str, options: Mapping[str, Any]) -> Asked:
    part, num_parts = map(int, args.part.split("/"))
    return Asked(
        layout=open_layout(args.to, compression=args.compression, group_bytes=args.group_size),
        format=format_name,
        options=options,
        shard_bytes=args.shard_size,
        part=part - 1,
        num_parts=num_parts,
        settings=_settings(args),
    )


@contextlib.contextmanager
def _place(args: PackOptions, meter: RequestMeter) -> Iterator[Place]:
    place = open_blobs(args.into, endpoint_url=args.into_endpoint_url, meter=meter, purpose="data")
    with contextlib.closing(open_source(_place_spec(args), meter=meter, purpose="listing")) as there:
        yield Place(blobs=place, there=there)


def _tell_skipped(skipped: Sequence[SkippedObject]) -> None:
    for item in skipped:
        sys.stderr.write(f"penstock pack: left out: {printable(item.object)}: {printable(item.reason)}\n")


@contextlib.contextmanager
def _own_words() -> Iterator[None]:
    """Have errors of listing name this command's own options."""
    try:
        yield
    except PenstockError as error:
        error.fix = error.fix.replace("--option match=...", "--match").replace("--option match=", "--match ")
        raise


def _settings(args: PackOptions) -> str:
    """Return all that shards depend on beside the dataset."""
    told: list[object] = [args.to, args.shard_size, args.format, read_format_options(args.format_options)]
    chosen: dict[str, list[object]] = {"parquet": [args.compression, args.group_size], "mds": [args.compression]}
    return json.dumps([*told, *chosen.get(args.to, [])])


def _same(uri: str) -> str:
    return find_scheme(uri).same_place(uri).rstrip("/")


def _endpoint(url: str | None) -> dict[str, str]:
    return {} if url is None else {"endpoint_url": url}


def _told(
    args: PackOptions,
    spec: SourceSpec,
    place: str,
    done: list[Done],
    packed: Packed,
    sizes: Mapping[str, ClassSize],
) -> list[str]:
    records, today = [each.record for each in done], datetime.now(UTC).date()
    of = "" if args.part == "1/1" else f" (part {args.part})"
    num_samples = sum(record.num_samples for record in records)
    lines = [
        f"{counted(len(records), 'shard')} of {packed.num_shards:,}{of} in {printable(place)}, "
        f"{sum(each.is_new for each in done):,} made now: {counted(num_samples, 'sample')}"
    ]
    if packed.has_index is not None:
        told = "was written: all shards are there" if packed.has_index else "is written once the other parts are there"
        lines.append(f"index.json {told}.")
    if not records:
        return [*lines, "There is nothing to do for this part: there are fewer shards than parts."]
    return lines + paying(records, _prices(args, spec, today, sizes, sum(record.source_bytes for record in records)))


def _prices(
    args: PackOptions, spec: SourceSpec, today: date, sizes: Mapping[str, ClassSize], read_bytes: int
) -> Prices:
    place = _place_spec(args)
    return Prices(
        source_get=get_price(spec, today, sizes),
        retrieval_usd=retrieval_usd(spec, today, sizes, read_bytes),
        place_get=get_price(place, today),
        place_put=_price(place, "put", "1000 requests", today, of=1000),
        place_storage=_price(place, "storage", "GiB-month", today),
    )


def _place_spec(args: PackOptions) -> SourceSpec:
    return locate(SourceSpec.of(args.into, **_endpoint(args.into_endpoint_url)))


def _price(place: SourceSpec, what: str, unit: str, today: date, *, of: int = 1) -> float | None:
    """Return what something costs at a place: 0 where nobody is paid, None where it is not known."""
    payee, tariff = find_scheme(place.uri).charged(place)
    if payee == "nobody":
        return 0.0
    item = getattr(tariff, what) if tariff is not None else ""
    if not item:
        return None
    try:
        return float(load_prices(today=today).find(item, unit=unit, region=place.text("region")).usd) / of
    except ConfigError:
        return None
