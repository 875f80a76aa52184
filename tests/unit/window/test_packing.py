"""Samples of a stream in packs that fit their slots, and the ranges that fill them."""

from __future__ import annotations

import hashlib
import itertools
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import WindowTooSmall
from penstock.manifest import Extent, Span
from penstock.records import Order, Segment
from penstock.window.extents import OpenSlot
from penstock.window.heads import Heads
from penstock.window.kept import NOT_KEPT, KeptArea, kept_area_bytes
from penstock.window.packing import MAX_WASTE, Pack, count_fitting, lay_out
from penstock.window.planning import Planner
from support.rows import rows_of

SLOT_BYTES = 40_960
OBJECT_BYTES = 60_000


def bytes_of(key: str) -> bytes:
    """Return an object's bytes."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "little")
    return np.random.default_rng(seed).bytes(OBJECT_BYTES)


def make_sample(number: int, spans: list[tuple[str, int, int]]) -> Extent:
    return Extent(
        key=f"s{number}",
        group="g",
        spans=tuple(
            Span(object=key, version="e", object_bytes=OBJECT_BYTES, offset=offset, length_bytes=length)
            for key, offset, length in spans
        ),
    )


def content(sample: Extent) -> bytes:
    return b"".join(bytes_of(span.object)[span.offset : span.offset + span.length_bytes] for span in sample.spans)


spans = st.tuples(st.sampled_from("ab"), st.integers(0, 30_000), st.integers(0, 9_000))
samples_strategy = st.lists(st.lists(spans, min_size=1, max_size=3), min_size=1, max_size=40)


class Table:
    """A manifest of samples."""

    def __init__(self, samples: list[Extent], *, chunk_rows: int = 1024) -> None:
        self.samples = samples
        objects = {span.object: span.object_bytes for sample in samples for span in sample.spans}
        sizes = {"num_objects": len(objects), "object_bytes": sum(objects.values())}
        self.info = SimpleNamespace(num_extents=len(samples), **sizes)
        self.chunk_rows = chunk_rows
        self.num_taken = 0

    def take(self, rows: np.ndarray) -> object:  # type: ignore[type-arg]
        self.num_taken += len(rows)
        found = rows_of([self.samples[row] for row in rows.tolist()])
        return type(found)(**{name: getattr(found, name) for name in found.__slots__} | {"rows": rows})


def plan(samples: list[Extent], kept: KeptArea, *, grows: bool, pack_bytes: int = SLOT_BYTES) -> list[Pack]:
    segment = Segment(
        split="train", first_row=0, num_extents=len(samples), num_samples=len(samples), shuffle="none", mix=1
    )
    order = Order(segments=(segment,), seed=0)
    planner = Planner(
        order,
        Table(samples),  # type: ignore[arg-type]
        kept,
        slot_bytes=SLOT_BYTES,
        pack_bytes=pack_bytes,
        grows_from=0 if grows else None,
    )
    packs, index = [], 0
    while index < len(samples):
        packs.append(planner.next(index, len(samples)))
        index = packs[-1].end_index
    return packs


def no_kept() -> KeptArea:
    return KeptArea(memoryview(bytearray(0)), offset=0, size_bytes=0, num_extents=1, total_bytes=1)


@pytest.mark.parametrize("size", [100, 5_000, 9_000, 12_000])
def test_an_extent_fits_beside_what_is_told_of_it_whatever_lies_between_extents(size: int) -> None:
    """Of many samples, whose targets take most of a slot that is made for both."""
    told = (SLOT_BYTES - 1024 - 640 - size) // 9
    sample = make_sample(0, [("a", 0, size)])
    large = msgspec.structs.replace(sample, num_samples=told, targets=(1.5,) * told)
    assert [len(pack.keys) for pack in plan([large, large], no_kept(), grows=False)] == [1, 1]


@given(samples_strategy, st.booleans(), st.integers(0, 200_000))
def test_reads_put_every_samples_bytes_in_their_place(
    found: list[list[tuple[str, int, int]]], grows: bool, kept_bytes: int
) -> None:
    samples = [make_sample(number, spans) for number, spans in enumerate(found)]
    total = sum(sample.size_bytes for sample in samples)
    file = memoryview(bytearray(kept_bytes))
    kept = KeptArea(file, offset=0, size_bytes=kept_bytes, num_extents=len(samples), total_bytes=total)
    packs = plan(samples, kept, grows=grows)
    assert [key for pack in packs for key in pack.keys] == [sample.key for sample in samples]
    assert [pack.first_index for pack in packs[1:]] == [pack.end_index for pack in packs[:-1]]
    for pack in packs:
        slot = memoryview(bytearray(SLOT_BYTES))
        written = np.zeros(SLOT_BYTES, bool)
        for read in pack.reads:
            data = bytes_of(read.info.key)[read.offset : read.offset + read.length_bytes]
            (file if read.is_kept else slot)[read.place : read.place + read.length_bytes] = data
            if not read.is_kept:
                assert not written[read.place : read.place + read.length_bytes].any()
                written[read.place : read.place + read.length_bytes] = True
        first = pack.table.nbytes + len(pack.described)
        assert not written[:first].any()
        assert not written[pack.length_bytes :].any()
        assert pack.length_bytes <= SLOT_BYTES - 1024
        for position, (offset, size, *_, status) in enumerate(pack.table.tolist()):
            sample = samples[pack.first_index + position]
            assert bytes((file if status else slot)[offset : offset + size]) == content(sample)
        streamed = sum(read.length_bytes for read in pack.reads if not read.is_kept)
        singly = sum(int(size) for _, size, *_, status in pack.table.tolist() if not status)
        assert streamed <= singly * (1 + MAX_WASTE)


def test_neighbours_are_read_by_one_request_and_overlaps_once() -> None:
    samples = [make_sample(n, [("a", offset, 1000)]) for n, offset in enumerate([3000, 500, 0, 1510, 9000])]
    (pack,) = plan(samples, no_kept(), grows=False)
    assert [(read.offset, read.length_bytes, read.positions) for read in pack.reads] == [
        (3000, 1000, (0,)),
        (0, 2510, (1, 2, 3)),
        (9000, 1000, (4,)),
    ]


def test_members_of_an_archive_in_its_order_are_read_together() -> None:
    """As in a TAR: a header between each two; all of a slot's samples come by few requests."""
    samples = [make_sample(number, [("a", 2000 + 1100 * number, 1050)]) for number in range(50)]
    packs = plan(samples, no_kept(), grows=False)
    assert sum(len(pack.reads) for pack in packs) == len(packs)


def test_objects_of_another_version_are_not_read_together() -> None:
    one, other = make_sample(0, [("a", 0, 100)]), make_sample(1, [("a", 100, 100)])
    changed = Extent(
        key=other.key,
        group="",
        spans=(Span(object="a", version="later", object_bytes=OBJECT_BYTES, offset=100, length_bytes=100),),
    )
    assert len(plan([one, changed], no_kept(), grows=False)[0].reads) == 2


@given(samples_strategy, st.integers(0, 39))
def test_packing_from_an_index_always_cuts_alike(found: list[list[tuple[str, int, int]]], start: int) -> None:
    samples = [make_sample(number, spans) for number, spans in enumerate(found)]
    packs = plan(samples, no_kept(), grows=True)
    start %= len(packs)
    segment = Segment(
        split="train", first_row=0, num_extents=len(samples), num_samples=len(samples), shuffle="none", mix=1
    )
    again = Planner(
        Order(segments=(segment,), seed=0),
        Table(samples),  # type: ignore[arg-type]
        no_kept(),
        slot_bytes=SLOT_BYTES,
        pack_bytes=SLOT_BYTES,
        grows_from=0,
    )
    assert again.next(packs[start].first_index, len(samples)).keys == packs[start].keys


def test_first_packs_are_small_and_grow() -> None:
    samples = [make_sample(number, [("a", number % 100, 10)]) for number in range(500)]
    counts = [len(pack.keys) for pack in plan(samples, no_kept(), grows=True)]
    assert counts[:7] == [8, 8, 8, 12, 18, 27, 40]


def test_many_small_samples_fill_a_slot_whatever_is_looked_up_at_a_time() -> None:
    samples = [make_sample(number, [("a", number % 100, 10)]) for number in range(3000)]
    packs = plan(samples, no_kept(), grows=False)
    rows = rows_of(samples)
    heads = Heads.of(rows)
    for pack in packs:
        rest = slice(pack.first_index, None)
        assert len(pack.keys) == count_fitting(rows.extent_bytes[rest], heads.added_bytes(rest), slot_bytes=SLOT_BYTES)


def test_rows_of_a_large_manifest_come_in_large_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.window.planning.FIRST_ROWS", 500)
    monkeypatch.setattr("penstock.window.planning.NEXT_ROWS", 700)
    samples = [make_sample(number, [("a", number % 100, 2000)]) for number in range(5000)]
    order = Order(
        segments=(Segment(split="train", first_row=0, num_extents=5000, num_samples=5000, shuffle="none", mix=1),),
        seed=0,
    )
    cuts = []
    for chunk_rows in (1024, 262_144):
        table = Table(samples, chunk_rows=chunk_rows)
        planner = Planner(order, table, no_kept(), slot_bytes=SLOT_BYTES, pack_bytes=SLOT_BYTES, grows_from=0)  # type: ignore[arg-type]
        index, cut = 0, []
        while index < 5000:
            pack = planner.next(index, 5000)
            assert list(pack.keys) == [f"s{number}" for number in range(index, pack.end_index)]
            index = pack.end_index
            cut.append(index)
        planner.close()
        assert table.num_taken < 2 * 5000
        cuts.append(cut)
    assert cuts[0] == cuts[1]


def test_sample_larger_than_a_slot_is_refused() -> None:
    with pytest.raises(WindowTooSmall, match="s0 needs"):
        plan([make_sample(0, [("a", 0, SLOT_BYTES)])], no_kept(), grows=False)


def test_kept_samples_take_no_room_in_slots() -> None:
    samples = [make_sample(number, [("a", 0, 9000)]) for number in range(20)]
    size = kept_area_bytes(num_extents=20, total_bytes=180_000) + 4096
    kept = KeptArea(memoryview(bytearray(size)), offset=0, size_bytes=size, num_extents=20, total_bytes=180_000)
    (pack,) = plan(samples, kept, grows=False, pack_bytes=180_000)
    assert all(read.is_kept for read in pack.reads)
    places = sorted(pack.table["data_offset"].tolist())
    assert all(other - one >= 9000 for one, other in itertools.pairwise(places))
    assert NOT_KEPT not in places


def test_a_pack_of_kept_samples_has_no_more_bytes_than_its_part_of_the_window() -> None:
    """It is there when all of it is: the first batch must not wait for an epoch that is kept."""
    samples = [make_sample(number, [("a", 0, 9000)]) for number in range(20)]
    size = kept_area_bytes(num_extents=20, total_bytes=180_000) + 4096
    kept = KeptArea(memoryview(bytearray(size)), offset=0, size_bytes=size, num_extents=20, total_bytes=180_000)
    packs = plan(samples, kept, grows=False, pack_bytes=50_000)
    assert [len(pack.keys) for pack in packs] == [5, 5, 5, 5]


@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from(["", "a", "é" * 900, "c" * 9000])), min_size=1))
def test_every_extent_finds_its_head_and_a_slot_holds_each_codec_once(found: list[tuple[str, str]]) -> None:
    extents = [
        Extent(
            key=key,
            group="g",
            spans=(Span(object="a", version="e", object_bytes=OBJECT_BYTES, offset=0, length_bytes=700),),
            codec=codec,
            num_samples=1 + number % 3,
            targets=(0.5,) * (1 + number % 3),
        )
        for number, (key, codec) in enumerate(found)
    ]
    for pack in plan(extents, no_kept(), grows=False):
        mine = extents[pack.first_index : pack.end_index]
        place = memoryview(pack.table.tobytes() + pack.described)
        opened = OpenSlot(0, 0, place, pack.first_index, pack.end_index, pack.table.tolist())
        for (_, _, *head, _, _), extent in zip(opened.rows, mine, strict=True):
            meta, codec = opened.head(*head)
            assert codec == extent.codec
            told = {name: getattr(extent, name) for name in meta.__struct_fields__}
            assert msgspec.structs.asdict(meta) == told
        metas = int(pack.table["meta_bytes"].sum())
        assert len(pack.described) - metas == sum(len(codec.encode()) for codec in {each.codec for each in mine})
        assert pack.length_bytes <= SLOT_BYTES - 1024


def test_layout_of_a_part_of_the_rows_is_that_of_the_part_alone() -> None:
    samples = [make_sample(number, [("ab"[number % 2], 100 * number, 90)]) for number in range(30)]
    rows = rows_of(samples)
    kept = np.full(30, NOT_KEPT, np.int64)
    part = lay_out(rows, Heads.of(rows), kept, first=10, count=7, first_index=3, slot_bytes=SLOT_BYTES)
    alone = rows_of(samples[10:17])
    whole = lay_out(alone, Heads.of(alone), kept[:7], first=0, count=7, first_index=3, slot_bytes=SLOT_BYTES)
    assert part.reads == whole.reads
    assert part.table.tolist() == whole.table.tolist()
