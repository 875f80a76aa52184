"""The manifest: what is written is read, in any order, in bounded memory, and damage is told."""

from __future__ import annotations

import hashlib
import json
import math
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError, OutputUnwritable, PenstockError, RecordError
from penstock.manifest import (
    SPLITS,
    Extent,
    ExtentRows,
    ManifestInfo,
    ManifestReader,
    ManifestWriter,
    Sample,
    SkippedObject,
    SourceSpec,
    Span,
    members,
)
from penstock.manifest import sample_of as sample_of_extent
from penstock.manifest.columns import METADATA_KEY
from penstock.manifest.writer import ROW_GROUP_ROWS
from penstock.units import MIB
from unit.records.values import TEXT

COUNT = st.integers(0, 2**63 - 1)
SPAN = st.builds(
    Span,
    object=TEXT,
    version=TEXT,
    validator=st.none() | TEXT,
    object_bytes=st.integers(0, 2**40),
    offset=COUNT,
    length_bytes=st.integers(0, 2**40),
)
TARGET = st.none() | st.floats(-1e100, 1e100)
ARGS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4).map(tuple)


@st.composite
def extents(draw: st.DrawFn) -> Extent:
    """Draw extents of one or a few samples, of each of which something is known or nothing."""
    num_samples = draw(st.integers(1, 4))
    known = {name: draw(st.booleans()) for name in ("keys", "groups", "targets", "args")}
    values = {"keys": TEXT, "groups": TEXT, "targets": TARGET, "args": ARGS}
    of_samples = {
        name: tuple(draw(st.lists(values[name], min_size=num_samples, max_size=num_samples))) if is_known else ()
        for name, is_known in known.items()
    }
    return Extent(
        key=draw(TEXT),
        group=draw(TEXT),
        spans=tuple(draw(st.lists(SPAN, max_size=3))),
        codec=draw(TEXT),
        num_samples=num_samples,
        **of_samples,  # type: ignore[arg-type]
    )


EXTENT = extents()
Write = Callable[..., ManifestInfo]


def finish(writer: ManifestWriter, **changes: Any) -> ManifestInfo:
    options: dict[str, Any] = {
        "task": "raw",
        "task_options": {"epoch-seconds": 2.0},
        "source": SourceSpec(uri="s3://bucket/prefix"),
        "seed": 1,
        "shape": (2, 3),
        "classes": (),
        "skipped": (),
        "created_at": "2026-01-01T00:00:00Z",
        "created_by": "test",
    }
    return writer.finish(**{**options, **changes})


def write(path: Path, samples: Iterable[tuple[Extent, str]], **changes: Any) -> ManifestInfo:
    with ManifestWriter(path) as writer:
        for sample, split in samples:
            writer.add(sample, split=split)
        return finish(writer, **changes)


def sample_of(number: int, *, target: float | None = 0.5) -> Extent:
    subject = number // 100
    name = f"R1_L100_bdf/sub-{subject:06}/eeg/sub-{subject:06}_task-contrastChangeDetection_run-1_eeg.bdf"
    span = Span(
        object=name, version=f"etag-{subject:032x}", object_bytes=2**25, offset=number * 387, length_bytes=116_100
    )
    decode = json.dumps({"subject": subject, "gains": [1.0] * 20})
    return Extent(
        key=f"{name}/{number}",
        group=f"sub-{subject}",
        spans=(span,),
        codec=decode,
        targets=(target,),
        args=((number, -200),),
    )


@settings(max_examples=60)
@given(samples=st.lists(st.tuples(EXTENT, st.sampled_from(SPLITS)), max_size=12), data=st.data())
def test_any_samples_read_back(
    tmp_path_factory: pytest.TempPathFactory, samples: list[tuple[Extent, str]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("manifest") / "manifest.parquet"
    info = write(path, samples)
    by_split = {name: [sample for sample, split in samples if split == name] for name in SPLITS}
    in_file = [sample for name in SPLITS for sample in by_split[name]]
    with ManifestReader(path) as reader:
        assert reader.info == info
        for part in info.splits:
            ours = by_split[part.name]
            assert part.num_extents == len(ours)
            assert part.num_samples == sum(extent.num_samples for extent in ours)
            assert part.num_groups == len({group for each in ours for group in each.groups or (each.group,)})
            assert part.size_bytes == sum(sample.size_bytes for sample in ours)
            if ours:
                assert list(reader.rows(part.name)) == ours
        for number in data.draw(st.permutations(range(len(in_file)))):
            assert reader.row(number) == in_file[number]
    assert info.num_extents == len(samples)
    assert info.max_extent_bytes == max((sample.size_bytes for sample in in_file), default=0)
    assert info.max_decoded_bytes == 0
    assert info.num_objects == len({span.object for sample in in_file for span in sample.spans})


def as_samples(taken: ExtentRows) -> list[Extent]:
    """Return the samples that columns of rows stand for."""
    starts = [0, *taken.span_ends.tolist()]
    spans = [
        Span(
            object=taken.span_objects[at],
            version=taken.span_versions[at],
            validator=taken.span_validators[at],
            object_bytes=int(taken.span_object_bytes[at]),
            offset=int(taken.span_offsets[at]),
            length_bytes=int(taken.span_lengths[at]),
        )
        for at in range(starts[-1])
    ]
    assert len(spans) == len(taken.span_objects) == len(taken.span_versions) == len(taken.span_validators)
    columns = zip(taken.keys, taken.groups, taken.codecs, taken.num_samples.tolist(), *taken.of_samples, strict=True)
    return [
        Extent(
            key=key,
            group=group,
            spans=tuple(spans[start:end]),
            codec=codec,
            num_samples=num_samples,
            **dict(zip(("keys", "groups", "targets", "args"), of_samples, strict=True)),
        )
        for (key, group, codec, num_samples, *of_samples), start, end in zip(
            columns, starts[:-1], starts[1:], strict=True
        )
    ]


@settings(max_examples=60)
@given(
    samples=st.lists(EXTENT, min_size=1, max_size=8),
    chosen=st.lists(st.integers(0, 10**6), max_size=30),
    row_group_rows=st.integers(1, 9),
)
def test_many_rows_taken_at_once_are_the_rows_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, samples: list[Extent], chosen: list[int], row_group_rows: int
) -> None:
    path = tmp_path_factory.mktemp("taken") / "manifest.parquet"
    write(path, [(sample, "train") for sample in samples])
    with pq.ParquetFile(path) as file:
        metadata, table = file.metadata.metadata, file.read()
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table, row_group_size=row_group_rows)
        writer.add_key_value_metadata({METADATA_KEY: metadata[METADATA_KEY]})
    rows = np.array(chosen, dtype=np.int64) % len(samples)
    with ManifestReader(path, cache_bytes=0) as reader:
        taken = reader.take(rows)
        assert as_samples(taken) == [reader.row(row) for row in rows.tolist()]
    assert taken.rows.tolist() == rows.tolist()
    assert taken.extent_bytes.tolist() == [samples[row].size_bytes for row in rows.tolist()]
    assert {type(text) for text in [*taken.keys, *taken.codecs, *taken.span_versions]} <= {str}
    assert {type(target) for targets in taken.of_samples[2] for target in targets} <= {float, type(None)}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of several row groups in each split, with a last one that is not full."""
    path = tmp_path_factory.mktemp("large") / "manifest.parquet"
    splits = {0: "valid", 1: "test"}
    write(path, ((sample_of(n, target=float(n)), splits.get(n % 5, "train")) for n in range(5 * ROW_GROUP_ROWS + 77)))
    return path


def expected_rows() -> list[int]:
    numbers = range(5 * ROW_GROUP_ROWS + 77)
    return [
        *(n for n in numbers if n % 5 > 1),
        *(n for n in numbers if n % 5 == 0),
        *(n for n in numbers if n % 5 == 1),
    ]


@pytest.mark.parametrize("cache_bytes", [0, 150_000, 64 * MIB])
def test_rows_of_many_row_groups_are_read_in_any_order(large: Path, cache_bytes: int) -> None:
    expected = expected_rows()
    assert pq.read_metadata(large).num_row_groups > 4
    order = np.random.default_rng(0).permutation(len(expected))[:1500].tolist()
    with ManifestReader(large, cache_bytes=cache_bytes) as reader:
        for row in [*order, 0, len(expected) - 1]:
            assert reader.row(row) == sample_of(expected[row], target=float(expected[row]))
        train = [sample.args[0][0] for sample in reader.rows("train")]
    assert train == [n for n in expected if n % 5 > 1]


@pytest.mark.parametrize("cache_bytes", [0, 64 * MIB])
def test_rows_of_many_row_groups_are_taken_at_once(large: Path, cache_bytes: int) -> None:
    expected = expected_rows()
    order = np.random.default_rng(0).permutation(len(expected))
    with ManifestReader(large, cache_bytes=cache_bytes) as reader:
        taken = reader.take(order)
    assert as_samples(taken) == [sample_of(expected[row], target=float(expected[row])) for row in order.tolist()]


def test_a_chunk_reads_each_row_group_once_and_none_that_the_cache_holds(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    read_row_group = pq.ParquetFile.read_row_group

    def counted(file: pq.ParquetFile, group: int, **options: object) -> pa.Table:
        reads.append(group)
        return read_row_group(file, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    num_groups = pq.read_metadata(large).num_row_groups
    with ManifestReader(large, cache_bytes=300_000) as reader:
        for seed in range(3):
            reader.take(np.random.default_rng(seed).permutation(reader.info.num_extents))
    assert sorted(reads[:num_groups]) == list(range(num_groups))
    assert num_groups < len(reads) < 3 * num_groups


def test_rows_that_are_taken_take_bounded_memory(large: Path) -> None:
    num_rows = 60_000
    with ManifestReader(large, cache_bytes=0) as reader:
        rows = np.random.default_rng(0).integers(0, reader.info.num_extents, num_rows)
        reader.take(rows[:1])  # what is imported by it is no memory of rows
        tracemalloc.start()
        try:
            taken = reader.take(rows)
            held_bytes, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(taken) == num_rows
    assert held_bytes < 500 * num_rows
    assert peak_bytes < 800 * num_rows


def test_more_rows_are_asked_for_at_once_where_the_cache_holds_few(large: Path) -> None:
    with ManifestReader(large) as fits, ManifestReader(large, cache_bytes=100_000) as does_not:
        assert fits.chunk_rows == 1024
        assert does_not.chunk_rows == 262_144


def test_rows_that_are_not_there_are_not_taken(large: Path) -> None:
    with ManifestReader(large) as reader:
        assert len(reader.take(np.zeros(0, dtype=np.int64))) == 0
        for number in (-1, reader.info.num_extents):
            with pytest.raises(IndexError, match=f"row {number} of"):
                reader.take(np.array([0, number]))


def test_moments_of_targets_are_those_of_numpy(large: Path) -> None:
    with ManifestReader(large) as reader:
        for part in reader.info.splits:
            targets = [sample.targets[0] for sample in reader.rows(part.name)]
            assert part.target_mean == pytest.approx(np.mean(targets))
            assert part.target_std == pytest.approx(np.std(targets))


def test_a_row_that_is_not_there(large: Path) -> None:
    with ManifestReader(large) as reader:
        for number in (-1, reader.info.num_extents):
            with pytest.raises(IndexError):
                reader.row(number)


def test_a_split_that_is_empty(tmp_path: Path) -> None:
    write(tmp_path / "m", [(sample_of(1), "train")])
    with (
        ManifestReader(tmp_path / "m") as reader,
        pytest.raises(ConfigError, match=r"no samples in split 'valid'.*train"),
    ):
        next(reader.rows("valid"))


CONTENT = [(sample_of(n), "train" if n < 4 else "valid") for n in range(6)]
CHANGED: dict[str, dict[str, object]] = {
    "key": {"key": "other"},
    "group": {"group": "other"},
    "no target": {"targets": (None,)},
    "target": {"targets": (-0.5,)},
    "codec": {"codec": "{}"},
    "args": {"args": ((1,),)},
    "no args": {"args": ()},
    "keys": {"keys": ("other",)},
    "groups": {"groups": ("other",)},
    "more samples": {"num_samples": 2, "targets": (0.5, 0.5), "args": ((1,), (1,))},
    "no spans": {"spans": ()},
    **{
        name: {"spans": (msgspec.structs.replace(sample_of(2).spans[0], **{name: value}),)}
        for name, value in [("object", "o"), ("version", "e"), ("object_bytes", 1), ("offset", 0), ("length_bytes", 1)]
    },
}


@pytest.mark.parametrize("changes", CHANGED.values(), ids=CHANGED)
def test_the_fingerprint_changes_with_any_sample(tmp_path: Path, changes: Mapping[str, Any]) -> None:
    before = write(tmp_path / "a", CONTENT).fingerprint
    other = [(msgspec.structs.replace(CONTENT[2][0], **changes), "train")]
    assert write(tmp_path / "b", [*CONTENT[:2], *other, *CONTENT[3:]]).fingerprint != before


@pytest.mark.parametrize(
    "samples",
    [CONTENT[:-1], [*CONTENT, CONTENT[0]], CONTENT[::-1], [(sample, "train") for sample, _ in CONTENT], []],
    ids=["one less", "one more", "order", "splits", "none"],
)
def test_the_fingerprint_changes_with_which_samples_there_are(
    tmp_path: Path, samples: list[tuple[Extent, str]]
) -> None:
    assert write(tmp_path / "b", samples).fingerprint != write(tmp_path / "a", CONTENT).fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "other"},
        {"task_options": {"epoch-seconds": 3.0}},
        {"source": SourceSpec(uri="s3://bucket/other")},
        {"shape": (3, 2)},
        {"classes": ("a", "b")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_fingerprint_changes_with_what_samples_mean(tmp_path: Path, changes: Mapping[str, Any]) -> None:
    assert write(tmp_path / "b", CONTENT, **changes).fingerprint != write(tmp_path / "a", CONTENT).fingerprint


def test_the_fingerprint_is_of_the_content_alone(tmp_path: Path) -> None:
    before = write(tmp_path / "a", CONTENT)
    again = write(
        tmp_path / "deep" / "other name",
        [*CONTENT[4:], *CONTENT[:4]],  # splits are written in their own order, whatever order they come in
        created_at="2030-01-01T00:00:00Z",
        created_by="somebody else",
        source=SourceSpec.of("s3://bucket/prefix", endpoint_url="http://mirror", anonymous=True),
        skipped=(SkippedObject(object="x", reason="y"),),
    )
    assert again.fingerprint == before.fingerprint
    assert len(before.fingerprint) == len(hashlib.sha256().hexdigest())


def test_how_a_server_is_asked_is_no_part_of_the_content(tmp_path: Path) -> None:
    """A mirror that names the same checksum with an ETag of its own serves the same dataset."""

    def from_server(name: str) -> ManifestInfo:
        told = {"version": "sha256:ab", "validator": name}
        spans = [(msgspec.structs.replace(sample.spans[0], **told),) for sample, _ in CONTENT]
        named = zip(CONTENT, spans, strict=True)
        made = write(tmp_path / name, [(msgspec.structs.replace(each, spans=span), at) for (each, at), span in named])
        with ManifestReader(tmp_path / name) as reader:
            taken = reader.take(np.arange(len(CONTENT)))
        assert taken.span_validators == [name] * len(CONTENT)
        return made

    assert from_server("one").fingerprint == from_server("other").fingerprint


def test_nothing_is_left_without_finish(tmp_path: Path) -> None:
    def fail_halfway() -> None:
        with ManifestWriter(tmp_path / "made" / "m.parquet") as writer:
            for number in range(ROW_GROUP_ROWS + 1):
                writer.add(sample_of(number), split="train")
            raise ConfigError("stop", fix="")

    with pytest.raises(ConfigError):
        fail_halfway()
    with ManifestWriter(tmp_path / "made" / "m.parquet"):
        pass
    assert not list((tmp_path / "made").iterdir())


def test_a_failure_leaves_the_manifest_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    before = write(path, CONTENT)
    with pytest.raises(RecordError), ManifestWriter(path) as writer:
        finish(writer, created_by="\udcff")
    assert [item.name for item in tmp_path.iterdir()] == ["m.parquet"]
    with ManifestReader(path) as reader:
        assert reader.info == before


@pytest.mark.parametrize("target", [math.nan, math.inf, -math.inf])
def test_a_target_that_is_no_number_is_named(tmp_path: Path, target: float) -> None:
    with pytest.raises(DataError, match=r"target of sample R1_L100.*/7 is -?(nan|inf)"):
        write(tmp_path / "m", [(sample_of(7, target=target), "train")])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes",
    [{"key": "a\udcff"}, {"args": ((2**70,),)}, {"args": ((2**63,),)}],
    ids=["text", "large", "just too large"],
)
def test_a_sample_that_cannot_be_written_is_refused(tmp_path: Path, changes: Mapping[str, Any]) -> None:
    bad = msgspec.structs.replace(sample_of(1), **changes)
    with pytest.raises(RecordError, match="cannot be written"):
        write(tmp_path / "m", [(bad, "train")])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes",
    [
        {"num_samples": 0},
        {"num_samples": -1},
        {"keys": ("a", "b", "c")},
        {"groups": ("a",)},
        {"targets": (1.0,)},
        {"args": ((1,),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_extent_that_tells_of_other_samples_than_it_has_is_refused(
    tmp_path: Path, changes: Mapping[str, Any]
) -> None:
    bad = msgspec.structs.replace(sample_of(1), **{"num_samples": 2, "targets": (), "args": (), **changes})
    with pytest.raises(DataError, match=r"/1 is of -?\d sample\(s\), with \d keys, \d groups, \d targets, \d args"):
        write(tmp_path / "m", [(bad, "train")])
    assert not list(tmp_path.iterdir())


def test_samples_of_an_extent_are_named_by_it_unless_their_names_are_known() -> None:
    one, many = (Extent(key="part", group="g", spans=(), num_samples=count) for count in (1, 3))
    assert [sample_of_extent(many, number).key for number in range(3)] == ["part#0", "part#1", "part#2"]
    assert sample_of_extent(one, 0).key == "part"
    known = Extent(
        key="part",
        group="g",
        spans=(),
        num_samples=2,
        keys=("a", "b"),
        groups=("h", "i"),
        targets=(None, 2.0),
        args=((), (3,)),
    )
    assert sample_of_extent(known, 1) == Sample(key="b", group="i", target=2.0, args=(3,))
    assert sample_of_extent(known, 0) == Sample(key="a", group="h", target=None, args=())


def codec_of(subject: int) -> str:
    """Return 4 KB that do not shrink."""
    return np.random.default_rng(subject).bytes(2048).hex()


def test_a_codec_is_there_once_an_object_and_not_once_a_row(tmp_path: Path) -> None:
    sizes, in_memory, described = {}, {}, 0
    for rows_each in (10, 100):
        extents = (sample_of(number) for number in range(60 * rows_each))
        path = tmp_path / str(rows_each)
        info = write(
            path,
            (
                (msgspec.structs.replace(each, codec=codec_of(number // rows_each)), "train")
                for number, each in enumerate(extents)
            ),
        )
        sizes[rows_each], described = path.stat().st_size, info.max_description_bytes
        with ManifestReader(path) as reader:
            reader.take(np.arange(info.num_extents))
            in_memory[rows_each] = reader._cached_bytes
            assert {each.codec for each in reader.rows("train")} == {codec_of(subject) for subject in range(60)}
    assert 4096 < described < 5120
    # Objects that a row group ends in the middle of are in two.
    assert sizes[100] < sizes[10] + 100 * 1000 < 60 * 4096 * 2
    assert in_memory[100] < 60 * 4096 * 1.3 + 6000 * 130


def test_groups_of_rows_are_those_of_all_their_samples(tmp_path: Path) -> None:
    known = msgspec.structs.replace(sample_of(1), num_samples=2, groups=("a", "b"), targets=(), args=())
    info = write(tmp_path / "m", [(known, "train"), (sample_of(150), "train")])
    with ManifestReader(tmp_path / "m") as reader:
        assert reader.take(np.array([0, 1])).all_groups() == {"a", "b", "sub-1"}
    assert (info.splits[0].num_groups, info.num_samples, info.num_extents) == (3, 3, 2)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputUnwritable, match=r"file/m\.parquet"):
        ManifestWriter(tmp_path / "file" / "m.parquet")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputUnwritable, match="folder"):
        write(tmp_path / "folder", CONTENT)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "folder"]


def read_all(path: Path) -> list[Extent]:
    with ManifestReader(path) as reader:
        return [reader.row(number) for number in range(reader.info.num_extents)]


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(RecordError, match=r"cannot read the manifest .*: pass a file that `penstock list` made"):
            ManifestReader(path)


def test_a_manifest_cut_off_anywhere_is_refused(large: Path, tmp_path: Path) -> None:
    data, cut = large.read_bytes(), tmp_path / "cut"
    for size in [*range(16), *range(16, len(data), len(data) // 60), *range(len(data) - 16, len(data))]:
        cut.write_bytes(data[:size])
        with pytest.raises(RecordError, match="cut"):
            read_all(cut)


def test_a_changed_byte_among_the_rows_is_never_taken_for_data(large: Path, tmp_path: Path) -> None:
    data, changed = bytearray(large.read_bytes()), tmp_path / "changed"
    metadata = pq.read_metadata(large)
    before = read_all(large)
    for group in range(0, metadata.num_row_groups, 2):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            place = column.data_page_offset + column.total_compressed_size // 2
            place = min(place, column.data_page_offset + column.total_compressed_size - 1)
            data[place] ^= 0x55
            changed.write_bytes(data)
            try:
                assert read_all(changed) == before
            except RecordError as error:
                assert "damaged" in str(error) or "cannot read" in str(error)  # noqa: PT017
            data[place] ^= 0x55


@settings(max_examples=60)
@given(place=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_a_changed_byte_anywhere_is_no_crash(tmp_path_factory: pytest.TempPathFactory, place: int, flip: int) -> None:
    path = tmp_path_factory.mktemp("small") / "m"
    write(path, CONTENT)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= flip
    path.write_bytes(data)
    try:
        read_all(path)
    except PenstockError as error:
        assert "m" in str(error)  # noqa: PT017


def rewritten(path: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Write a manifest again with another description of itself."""
    with pq.ParquetFile(path) as file:
        body = json.loads(file.metadata.metadata[METADATA_KEY])
        change(body)
        with pq.ParquetWriter(target, file.schema_arrow) as writer:
            writer.write_table(file.read())
            writer.add_key_value_metadata({METADATA_KEY: json.dumps(body)})
    return target


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", CONTENT)
    assert read_all(rewritten(tmp_path / "a", tmp_path / "same", lambda body: body)) == [s for s, _ in CONTENT]
    with pytest.raises(RecordError, match=r"record of version 2, this Penstock reads 4: .*list again: `penstock list`"):
        ManifestReader(rewritten(tmp_path / "a", tmp_path / "b", lambda body: body.update(version=2)))
    with pytest.raises(RecordError, match="colour"):
        ManifestReader(rewritten(tmp_path / "a", tmp_path / "c", lambda body: body.update(colour="red")))
    with pytest.raises(RecordError, match="rows are not those"):
        ManifestReader(rewritten(tmp_path / "a", tmp_path / "d", lambda body: body["splits"][0].update(num_extents=9)))


def test_another_parquet_file_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"key": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(RecordError, match="is not a manifest"):
        ManifestReader(tmp_path / "other.parquet")


def _spoilt(path: Path, to: Path) -> Path:
    """Write a manifest again, with texts that are none in the place of its extents' keys."""
    table = pq.read_table(path)
    metadata = pq.read_metadata(path).metadata
    keys = table.column("key").combine_chunks().cast(pa.string())
    data = keys.buffers()[2].to_pybytes().replace(b"R", b"\xff")
    spoilt = pa.StringArray.from_buffers(len(keys), keys.buffers()[1], pa.py_buffer(data))
    at = table.schema.get_field_index("key")
    table = table.set_column(at, table.schema.field(at), spoilt.cast(table.schema.field(at).type))
    with pq.ParquetWriter(to, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({METADATA_KEY: metadata[METADATA_KEY]})
    return to


def test_texts_that_are_none_are_damage(tmp_path: Path) -> None:
    write(tmp_path / "a", [(sample_of(number), "train") for number in range(50)])
    with ManifestReader(_spoilt(tmp_path / "a", tmp_path / "b")) as reader:
        with pytest.raises(RecordError, match=r"is damaged \("):
            reader.row(0)
        with pytest.raises(RecordError, match=r"is damaged \("):
            reader.take(np.array([0, 7]))
    with pytest.raises(RecordError, match=r"is damaged \("):
        members._table(pq.ParquetFile(tmp_path / "b"), 0, tmp_path / "b")


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """20,000 samples, about 33 MB as objects: a few row groups at a time are what is held, and what the cache may."""
    path, num_samples, bound = tmp_path / "m.parquet", 20_000, 16 * MIB
    arrow_before, arrow_peak = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    try:
        with ManifestWriter(path) as writer:
            for number in range(num_samples):
                writer.add(sample_of(number), split=SPLITS[number % 3])
                if number % 1000 == 0:
                    arrow_peak = max(arrow_peak, pa.total_allocated_bytes() - arrow_before)
            finish(writer)
        wrote_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        held_before, arrow_held_before = tracemalloc.get_traced_memory()[0], pa.total_allocated_bytes()
        with ManifestReader(path, cache_bytes=MIB) as reader:
            for split in SPLITS:
                for number, _ in enumerate(reader.rows(split)):
                    if number % 1000 == 0:
                        arrow_peak = max(arrow_peak, pa.total_allocated_bytes() - arrow_before)
            held_bytes = tracemalloc.get_traced_memory()[0] - held_before
            held_bytes += pa.total_allocated_bytes() - arrow_held_before
        read_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert wrote_bytes < bound
    assert read_bytes < bound
    assert arrow_peak < bound
    assert held_bytes < 1.5 * MIB  # the columns of all samples take 2
