"""Files that lie among those of a dataset and are none of it are left out, counted and told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.errors import EmptyListing
from penstock.extras import is_there
from penstock.manifest import SourceSpec
from penstock.sources import open_source
from penstock.tasks.hidden import Hidden, is_set_aside
from penstock.tasks.objects import WholeObjects
from penstock.tasks.protocols import Limits
from support.cli import succeed
from support.every_format import DATASETS, files_of

OF_FOLDERS = ("zarr", "lance")
"""Formats of which a dataset is a folder, that has hidden names of its own."""
ASIDE = {
    "_SUCCESS": b"",
    "_metadata": b"PAR1",
    "_pack/00000.json": b"{}",
    ".DS_Store": b"\0\0\0\1Bud1",
    "sub/._0.bin": b"\0\5\x16\7",
}


def put(folder: Path, files: Mapping[str, bytes]) -> str:
    for key, data in files.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(folder)


def listed(uri: str, **options: Any) -> tuple[list[tuple[str, int]], dict[str, int | None]]:
    """Return the extents' keys and numbers of samples, and what was left out, by why."""

    async def look() -> tuple[list[tuple[str, int]], dict[str, int | None]]:
        with closing(open_source(SourceSpec(uri=uri))) as source:
            given = {name: each if isinstance(each, str) else json.dumps(each) for name, each in options.items()}
            found = await WholeObjects().make_samples(source, limits=Limits(), options=given)
            rows = [(row.key, row.num_samples) async for row in found.rows]
            return rows, {item.reason: item.count for item in found.skipped}

    return asyncio.run(look())


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_no_format_takes_them_for_its_own(name: str, tmp_path: Path) -> None:
    kind = DATASETS[name]
    if kind.needs and not is_there(kind.needs):
        pytest.skip(f"{kind.needs} is not installed")
    try:
        files = files_of(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    first = next(iter(files))
    aside = dict(ASIDE)
    if name not in OF_FOLDERS:
        aside |= {f"_temporary/0/{first}": files[first], f".cache/huggingface/{first}": files[first]}
    options = {"format": name, "format_options": kind.options, "match": kind.match}
    alone = listed(put(tmp_path / "alone", files), **options)[0]
    found, left_out = listed(put(tmp_path / "all", files | aside), **options)
    if name == "objects":
        assert len(found) == len(alone) + len(aside) - 1
        return
    assert found == alone
    assert name in OF_FOLDERS or left_out["hidden"]


def test_what_pack_leaves_beside_its_shards_is_no_sample(tmp_path: Path) -> None:
    source = put(tmp_path / "rows", {f"{number}.jsonl": b'{"n": 1}\n' * 20 for number in range(2)})
    out = tmp_path / "out"
    succeed("pack", source, "--into", out, "--format", "jsonl", "--to", "parquet")
    assert list((out / "_pack").iterdir())
    found, left_out = listed(str(out), format="parquet")
    assert sum(count for _, count in found) == 40
    assert left_out == {"hidden": 1}


def test_they_are_taken_where_they_are_named(tmp_path: Path) -> None:
    rows = b'{"n": 1}\n'
    place = put(tmp_path, {"a.jsonl": rows, "_b.jsonl": rows, ".c/d.jsonl": rows})
    assert listed(place, format="jsonl")[0] == [("a.jsonl/1", 1)]
    assert listed(place, format="jsonl", match="*.jsonl")[0] == [("a.jsonl/1", 1)]
    assert listed(place, format="jsonl", match="_*.jsonl")[0] == [("_b.jsonl/1", 1)]
    assert listed(f"{place}/_b.jsonl", format="jsonl")[0] == [("_b.jsonl/1", 1)]
    assert listed(f"{place}/.c", format="jsonl")[0] == [("d.jsonl/1", 1)]
    with penstock.jsonl([f"{place}/_b.jsonl", f"{place}/a.jsonl"]).shards() as shards:
        assert list(shards.shard_names) == ["_b.jsonl", "a.jsonl"]


def test_what_a_card_names_is_taken_and_nothing_else_that_is_hidden(tmp_path: Path) -> None:
    rows = b'{"n": 1}\n'
    card = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: _raw/*.jsonl}\n---\n"
    aside = {"_temporary/train.jsonl": rows, "_raw/_temporary/a.jsonl": rows, "_raw/.b.jsonl": rows}
    place = put(tmp_path / "card", {"README.md": card, "_raw/a.jsonl": rows, "b.jsonl": rows} | aside)
    found, left_out = listed(place, format="jsonl", match="*.jsonl", split="train")
    assert found == [("_raw/a.jsonl/1", 1)]
    assert left_out["hidden"] == 3
    names = put(tmp_path / "names", {"train.jsonl": rows, "valid.jsonl": rows} | aside)
    assert listed(names, format="jsonl", match="*.jsonl", split="train")[0] == [("train.jsonl/1", 1)]


def test_where_all_is_hidden_it_is_told(tmp_path: Path) -> None:
    place = put(tmp_path, {"_a/x.jsonl": b"{}\n", ".b.jsonl": b"{}\n"})
    with pytest.raises(EmptyListing, match=r"is hidden, .* \(2 objects, \.b\.jsonl for one\): name it in the pattern"):
        listed(place, format="jsonl")


@pytest.mark.parametrize(
    ("key", "is_aside"),
    [
        ("_SUCCESS", True),
        ("a/_metadata", True),
        ("a/_common_metadata", True),
        ("_delta_log/0.json", True),
        ("_temporary/0/a.parquet", True),
        ("a/.part-0.parquet.crc", True),
        (".cache/huggingface/x.json", True),
        ("__MACOSX/a.csv", True),
        ("_pack/00000.json", True),
        ("_year=2024/a.parquet", False),
        ("year=_/a_.parquet", False),
        ("a_b/c._d", False),
        ("a/..x/b", True),
        ("./a/../b", False),
    ],
)
def test_what_is_set_aside(key: str, is_aside: bool) -> None:
    assert is_set_aside(key) is is_aside


@pytest.mark.parametrize(
    ("pattern", "uri", "key", "leaves_out"),
    [
        ("*", "s3://b/d", "_a.json", True),
        ("*.{json,jsonl}{,.gz}", "s3://b/d", "_a.json", True),
        ("**/*.json", "s3://b/d", "x/_a.json", True),
        ("_*.json", "s3://b/d", "_a.json", False),
        ("{x,_pack}/*.json", "s3://b/d", "_pack/a.json", False),
        ("x/.y/*", "s3://b/d", "x/.y/a", False),
        ("[_]a.json", "s3://b/d", "_a.json", False),
        ("*", "s3://b/_d", "a.json", False),
        ("{_raw,plain}/*", "s3://b", "plain/_SUCCESS", True),
        ("_raw/*", "s3://b", "_raw/_SUCCESS", True),
        ("_raw/*", "s3://b", "_raw/_temporary/0/a.json", True),
        ("_raw/_*", "s3://b", "_raw/_a.json", False),
    ],
)
def test_what_is_named_is_not_hidden(pattern: str, uri: str, key: str, leaves_out: bool) -> None:
    assert Hidden(pattern, uri).leaves_out(key) is leaves_out
