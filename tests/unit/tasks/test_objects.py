"""Whole objects as samples: what is listed is what comes, in the order of the keys, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.errors import ConfigError, EmptyListing, ObjectUnreadable
from penstock.manifest import Extent, ManifestInfo, ManifestReader, SourceSpec
from penstock.sources import ObjectInfo, open_source
from penstock.steps._shared.manifest_making import make_manifest
from penstock.steps.listing import describe
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task

NAMES = st.text(alphabet="ab-.0", min_size=1, max_size=4).filter(lambda name: name.strip("."))


def listed(
    folder: Path, out: Path, *, match: str = "*", max_files: int | None = None, by_sample: bool = False
) -> tuple[ManifestInfo, list[Extent]]:
    info = asyncio.run(
        make_manifest(
            open_source(SourceSpec(uri=str(folder))),
            get_task("objects"),
            path=out / "manifest.parquet",
            limits=Limits(max_files=max_files),
            options={"match": match},
            fractions=(1.0, 0.0, 0.0) if not by_sample else (0.5, 0.25, 0.25),
            by_sample=by_sample,
            seed=0,
        )
    )
    with ManifestReader(out / "manifest.parquet") as reader:
        return info, [reader.row(row) for row in range(info.num_samples)]


def put(folder: Path, sizes: dict[str, int]) -> None:
    for key, size_bytes in sizes.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size_bytes)


@settings(max_examples=30)
@given(sizes=st.dictionaries(st.tuples(st.sampled_from(["", "d/", "e/f/"]), NAMES).map("".join), st.integers(0, 3)))
def test_every_object_that_is_not_empty_is_a_sample(
    tmp_path_factory: pytest.TempPathFactory, sizes: dict[str, int]
) -> None:
    folder, out = tmp_path_factory.mktemp("objects"), tmp_path_factory.mktemp("out")
    sizes = {key: size for key, size in sizes.items() if key not in ("d", "e")}
    put(folder, sizes)
    full = sorted(key for key, size in sizes.items() if size)
    if not full:
        with pytest.raises(EmptyListing):
            listed(folder, out)
        return
    info, samples = listed(folder, out)
    assert [sample.key for sample in samples] == full
    assert [sample.size_bytes for sample in samples] == [sizes[key] for key in full]
    assert info.num_objects == len(full)
    assert info.split("train").num_groups == len({sample.group for sample in samples})
    empty = sorted(key for key, size in sizes.items() if not size)
    assert [(item.object, item.reason) for item in info.skipped] == [(key, "empty") for key in empty]


@pytest.mark.parametrize(
    ("sizes", "told"),
    [({"a": 3, "b": 4}, "2 samples in 2 objects (7 B), "), ({"a": 3}, "1 sample in 1 object (3 B), ")],
)
def test_what_has_no_shape_is_told_without_one(tmp_path: Path, sizes: dict[str, int], told: str) -> None:
    put(tmp_path / "in", sizes)
    info, _ = listed(tmp_path / "in", tmp_path)
    assert describe(info).startswith(told)


def test_groups_are_first_folders_and_patterns_choose(tmp_path: Path) -> None:
    put(tmp_path / "in", {"b/2.png": 1, "b/1.txt": 1, "a/x/3.png": 2, "top.png": 3})
    _, samples = listed(tmp_path / "in", tmp_path, match="*.png")
    assert [(sample.key, sample.group) for sample in samples] == [
        ("a/x/3.png", "a"), ("b/2.png", "b"), ("top.png", "top.png"),
    ]  # fmt: skip
    _, samples = listed(tmp_path / "in", tmp_path, match="*.png", max_files=2)
    assert [sample.key for sample in samples] == ["a/x/3.png", "b/2.png"]


def test_a_pattern_that_nothing_fits_names_an_object(tmp_path: Path) -> None:
    put(tmp_path / "in", {"a/1.png": 1})
    with pytest.raises(EmptyListing, match=r"none of the 1 object under .* fits '\*\.jpg', a/1\.png for one"):
        listed(tmp_path / "in", tmp_path, match="*.jpg")
    with pytest.raises(EmptyListing, match="close its brace"):
        listed(tmp_path / "in", tmp_path, match="*.{png")


def test_releases_are_refused(tmp_path: Path) -> None:
    source = open_source(SourceSpec(uri=str(tmp_path)))
    with pytest.raises(ConfigError, match="no releases"):
        asyncio.run(get_task("objects").make_samples(source, limits=Limits(mini=True), options={"match": "*"}))


def test_more_than_fits_in_memory_is_the_same_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "in", {f"{number % 7}/{number * 7919 % 1000:03}-{number}": 1 for number in range(700)})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = [listed(tmp_path / "in", tmp_path / "a", by_sample=by_sample)[1] for by_sample in (False, True)]
    monkeypatch.setattr("penstock.sources.sorting.RUN_OBJECTS", 50)
    monkeypatch.setattr("penstock.manifest.distinct.HELD_NAMES", 20)
    info, samples = listed(tmp_path / "in", tmp_path / "b")
    assert samples == before[0]
    assert info.num_objects == 700
    assert info.split("train").num_groups == 7
    assert [item.name for item in (tmp_path / "b").iterdir()] == ["manifest.parquet"]
    info, samples = listed(tmp_path / "in", tmp_path / "b", by_sample=True)
    assert {sample.key for sample in samples} == {sample.key for sample in before[1]}
    assert [part.num_samples for part in info.splits] == pytest.approx([350, 175, 175], abs=60)


def test_what_is_left_out_is_counted_and_the_first_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.manifest.left_out.NAMED_OBJECTS", 2)
    put(tmp_path / "in", {**{f"{n}.bin": 0 for n in range(5)}, "a.bin": 1, "b.bin": 2, "c.txt": 1, "d.txt": 0})

    def told(max_files: int | None = None) -> list[tuple[str, str]]:
        info, _ = listed(tmp_path / "in", tmp_path, match="*.bin", max_files=max_files)
        return [(item.object, item.reason) for item in info.skipped]

    empty = [("0.bin", "empty"), ("1.bin", "empty"), ("3 more objects", "empty")]
    unlike = [("1 object", "not like *.bin")]  # what is empty, and of another name, may be a folder's marker
    assert told() == [*unlike, *empty]
    assert told(1) == [*unlike, ("b.bin and what follows it", "beyond max-files"), *empty]


def test_an_archived_object_is_left_out_where_bad_ones_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "in", {f"{n}": 1 for n in range(9)})
    source = open_source(SourceSpec(uri=str(tmp_path / "in")))
    monkeypatch.setattr("penstock.sources.sorting.RUN_OBJECTS", 3)

    async def make(skip_bad: bool) -> tuple[list[str], list[tuple[str, str]]]:
        pages = source.list_objects

        async def archived() -> AsyncIterator[list[ObjectInfo]]:
            async for page in pages():
                yield [replace(info, trouble="is archived (GLACIER)" if info.key == "4" else "") for info in page]

        monkeypatch.setattr(source, "list_objects", archived)
        made = await get_task("objects").make_samples(source, limits=Limits(skip_bad=skip_bad), options={"match": "*"})
        keys = [sample.key async for sample in made.rows]
        monkeypatch.undo()
        return keys, [(item.object, item.reason) for item in made.skipped]

    assert asyncio.run(make(True)) == (list("01235678"), [("4", "is archived (GLACIER)")])
    with pytest.raises(ObjectUnreadable, match="4 is archived"):
        asyncio.run(make(False))
