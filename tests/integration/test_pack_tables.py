"""Shards of Parquet and MDS hold what was there, are alike in all parts, and are told of once all are there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as library
from penstock.sharding.digests import digest_of
from support.cli import penstock, succeed
from support.small_s3 import Asked, Reply, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_ROWS = 45
TENSOR = pa.fixed_shape_tensor(pa.float32(), (2, 3))
OF_MDS = ["id", "text", "f32", "vector", "nest", "map", "image.bytes"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parquet with a column of each kind; those that may be missing are, here and there."""
    folder = tmp_path_factory.mktemp("tables")
    rows = range(NUM_ROWS)
    stored = pa.array([[float(row)] * 6 if row % 4 else None for row in rows], pa.list_(pa.float32(), 6))
    columns = {
        "id": list(rows),
        "text": [f"row {row} ü" if row % 5 else None for row in rows],
        "f32": pa.array(np.arange(NUM_ROWS, dtype=np.float32)),
        "vector": [[float(row)] * (row % 4) for row in rows],
        "nest": [{"a": [{"x": row, "y": None if row % 3 else "z"}], "b": None} for row in rows],
        "map": pa.array([[("k", row)] if row % 3 else [] for row in rows], pa.map_(pa.string(), pa.int64())),
        "image": [{"bytes": b"\xff\xd8" + bytes([row]), "path": f"{row}.jpg"} for row in rows],
        "tensor": pa.ExtensionArray.from_storage(TENSOR, stored),
        "at": pa.array([row * 1000 for row in rows], pa.timestamp("us")),
        "day": pa.array(rows, pa.date32()),
    }
    pq.write_table(pa.table(columns), folder / "a.parquet", row_group_size=5)
    return folder


def rows_of(dataset: Any) -> list[Mapping[str, Any]]:
    with dataset.loader(8, collate=list) as loader:
        return sorted((row for batch in loader for row in batch), key=lambda row: int(row["id"]))


def digests(rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
    return [digest_of(row) for row in rows]


def shards(folder: Path, extension: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(f"*.{extension}")}


def test_parquet_gives_back_the_rows_in_row_groups_of_a_size(dataset: Path, tmp_path: Path) -> None:
    words = ("--format", "parquet", "--to", "parquet", "--shard-size", "5k", "--group-size", "1k")
    succeed("pack", dataset, "--into", tmp_path / "out", *words)
    paths = sorted((tmp_path / "out").glob("*.parquet"))
    assert len(paths) > 2
    files = [pq.ParquetFile(path) for path in paths]
    assert all(file.num_row_groups > 1 for file in files)
    assert {file.metadata.row_group(0).column(0).compression for file in files} == {"ZSTD"}
    before, after = pq.read_table(dataset / "a.parquet"), pa.concat_tables(pq.read_table(path) for path in paths)
    assert after.schema.equals(before.schema, check_metadata=False)
    assert after.to_pylist() == before.to_pylist()
    assert digests(rows_of(library.parquet(tmp_path / "out"))) == digests(rows_of(library.parquet(dataset)))


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_mds_gives_back_the_rows_and_its_index_tells_of_them(dataset: Path, tmp_path: Path, compression: str) -> None:
    out = tmp_path / "out"
    chosen = ("--format", "parquet", "--format-options", json.dumps({"columns": OF_MDS}))
    succeed("pack", dataset, "--into", out, "--to", "mds", "--shard-size", "2k", "--compression", compression, *chosen)
    index = json.loads((out / "index.json").read_text())
    assert index["version"] == 2
    assert sum(shard["samples"] for shard in index["shards"]) == NUM_ROWS
    for shard in index["shards"]:
        told = shard["zip_data"] if compression == "zstd" else shard["raw_data"]
        assert (out / told["basename"]).stat().st_size == told["bytes"]
        assert shard["column_names"] == sorted(shard["column_names"])
        assert shard["compression"] == (None if compression == "none" else compression)
        data = (out / told["basename"]).read_bytes()
        raw = pa.decompress(data, shard["raw_data"]["bytes"], "zstd").to_pybytes() if compression == "zstd" else data
        assert len(raw) == shard["raw_data"]["bytes"]
        assert int.from_bytes(raw[:4], "little") == shard["samples"]
    found = rows_of(library.of_format("mds", out, match="shard-*"))
    flat = [
        {name: value for name, value in row.items() if name != "image"} | {"image.bytes": row["image"]["bytes"]}
        for row in rows_of(library.parquet(dataset, columns=OF_MDS))
    ]
    assert digests(found) == digests(flat)


@pytest.mark.parametrize("to", ["parquet", "mds"])
def test_parts_in_any_order_make_what_one_makes(dataset: Path, tmp_path: Path, to: str) -> None:
    words = ("--format", "parquet", "--format-options", json.dumps({"columns": OF_MDS}), "--to", to)
    words = (*words, "--shard-size", "2k")
    succeed("pack", dataset, "--into", tmp_path / "one", *words)
    for part in (3, 2, 1):
        assert not (tmp_path / "three" / "index.json").exists()
        told = succeed("pack", dataset, "--into", tmp_path / "three", *words, "--part", f"{part}/3")
        assert ("index.json is written once the other parts are there" in told) == (to == "mds" and part > 1)
    assert shards(tmp_path / "one", to) == shards(tmp_path / "three", to)
    if to == "mds":
        assert (tmp_path / "one/index.json").read_bytes() == (tmp_path / "three/index.json").read_bytes()
        (tmp_path / "three/index.json").unlink()
        succeed("pack", dataset, "--into", tmp_path / "three", *words, "--part", "2/3")
        assert (tmp_path / "one/index.json").read_bytes() == (tmp_path / "three/index.json").read_bytes()


@pytest.mark.parametrize("to", ["parquet", "mds"])
@pytest.mark.parametrize("line", ['{"id": "x"}', '{"id": 7, "more": 1}', '{"id": null, "b": [1]}', '{"id": [1]}'])
def test_a_schema_that_changes_in_the_third_shard_is_told_and_what_is_there_stays(
    tmp_path: Path, to: str, line: str
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(3):
        text = "".join(f'{{"id": {row}}}\n' for row in range(20)) if number < 2 else f"{line}\n" * 20
        (source / f"{number}.jsonl").write_text(text)
    done = penstock("pack", source, "--into", out, "--format", "jsonl", "--to", to, "--shard-size", "200")
    assert done.returncode == 2
    assert "first shard" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(out.glob("shard-*"))) == 2
    assert not (out / "index.json").exists()


def test_names_of_files_are_kept_as_keys(tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "d").mkdir(parents=True)
    for number in range(4):
        (source / f"d/{number} ü.bin").write_bytes(bytes([number]))
        (source / f"d/{number} ü.cls").write_bytes(b"%d" % number)
    (source / "noext").write_bytes(b"alone")
    for to in ("parquet", "mds"):
        words = ("--to", to, "--match", "d/*") if to == "mds" else ("--to", to)
        succeed("pack", source, "--into", tmp_path / to, *words)
    rows = pq.read_table(tmp_path / "parquet/shard-000000.parquet").to_pylist()
    assert [row["__key__"] for row in rows] == [*(f"d/{number} ü" for number in range(4)), "noext"]
    assert rows[2] == {"__key__": "d/2 ü", "bin": b"\x02", "cls": b"2"}
    with library.of_format("mds", tmp_path / "mds", match="*.mds").loader(9, collate=list) as loader:
        assert sorted(row["__key__"] for batch in loader for row in batch) == [f"d/{number} ü" for number in range(4)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--to", "parquet", "--compression", "zip"), "'zip' is no compression"),
        (("--to", "tar", "--compression", "zstd"), "shards of tar do not have"),
        (("--to", "mds", "--compression", "snappy"), "shards of mds do not have"),
        (("--to", "parquet", "--group-size", "0"), "--group-size"),
    ],
)
def test_what_a_kind_of_shards_does_not_have_is_refused_at_once(
    dataset: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = penstock("pack", dataset, "--into", tmp_path / "out", "--format", "parquet", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert not list(tmp_path.glob("out/*"))


def test_an_index_that_could_not_be_written_is_no_success_and_the_same_command_writes_it(dataset: Path) -> None:
    with small_s3(is_open=True) as server:

        def refuse(asked: Asked) -> Reply | None:
            return Reply.error(403, "AccessDenied") if asked.method == "PUT" and "index.json" in asked.path else None

        server.takeover = refuse
        server.objects["out/x"] = b""
        words = ["pack", str(dataset), "--into", "s3://out/shards", "--into-endpoint-url", server.url, "--to", "mds"]
        words += ["--format", "parquet", "--format-options", '{"columns": ["id", "f32"]}']
        keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
        done = penstock(*words, environment=keys)
        assert done.returncode != 0
        assert "index.json" in done.stderr
        assert "Traceback" not in done.stderr
        server.takeover = lambda asked: None
        done = penstock(*words, environment=keys)
        assert done.returncode == 0, done.stderr
        assert json.loads(server.objects["out/shards/index.json"])["shards"][0]["samples"] == NUM_ROWS


def test_parts_of_a_dataset_that_changed_between_them_are_no_whole(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(2):
        (source / f"{number}.jsonl").write_text(f'{{"id": {number}}}\n' * 20)
    words = ("--format", "jsonl", "--to", "mds", "--shard-size", "200")
    succeed("pack", source, "--into", out, *words, "--part", "1/2")
    (source / "0.jsonl").write_text('{"id": 5}\n' * 20)
    done = penstock("pack", source, "--into", out, *words, "--part", "2/2")
    assert done.returncode == 2
    assert "shard-000000.mds is of other samples" in done.stderr
    assert not (out / "index.json").exists()
