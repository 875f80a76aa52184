"""Formats of text and archives through the library's face and the command line, from folders and from S3."""

from __future__ import annotations

import gzip
import inspect
import io
import json
import lzma
import random
import re
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.dataset.described import WHERE
from penstock.errors import DataError
from penstock.manifest import ManifestReader
from support.cli import Bucket
from support.cli import penstock as cli

pytestmark = pytest.mark.usefixtures("children_are_forked")


def on_s3(bucket: Bucket, files: dict[str, bytes]) -> dict[str, Any]:
    for name, data in files.items():
        bucket.client.put_object(Bucket=bucket.name, Key=f"in/{name}", Body=data)
    return {"source": f"s3://{bucket.name}/in", "endpoint_url": bucket.url, "region": "us-east-2"}


def in_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def read(dataset: penstock.Dataset, **options: Any) -> list[Any]:
    with dataset.loader(8, epochs=1, collate=list, **{"window": "128Mi", **options}) as loader:
        return [value for batch in loader for value in batch]


def lines_of(real_data: Path) -> bytes:
    return lzma.decompress((real_data / "text/sotu.jsonl.xz").read_bytes())


@pytest.mark.parametrize("name", ["jsonl", "objects", "parquet", "tar", "text", "zip"])
def test_functions_of_formats_take_all_that_says_where_a_dataset_lies(name: str, tmp_path: Path) -> None:
    make = getattr(penstock, name)
    assert set(WHERE) <= set(inspect.signature(make).parameters)
    assert make(tmp_path, split=None, config=None).format == name


def test_real_json_lines_from_a_bucket_and_a_folder(bucket: Bucket, real_data: Path, tmp_path: Path) -> None:
    data = b"".join(lines_of(real_data).splitlines(keepends=True)[:80])
    told = [json.loads(line) for line in data.splitlines()]
    files = {
        "a.jsonl": data,
        "b/c.ndjson": data.replace(b"\n", b"\r\n"),
        "d.jsonl.gz": gzip.compress(data),
        "e.jsonl.zst": pa.Codec("zstd").compress(data, asbytes=True),
        "no.txt": b"x",
    }
    for dataset in (penstock.jsonl(**on_s3(bucket, files)), penstock.jsonl(in_folder(tmp_path / "in", files))):
        found = read(dataset.select(["id", "text"]))
        assert [row["id"] for row in found] != [row["id"] for row in told * 4]
        assert sorted(row["id"] for row in found) == sorted(row["id"] for row in told * 4)
        assert sum(len(row["text"]) for row in found) == 4 * sum(len(row["text"]) for row in told)


def test_a_packed_file_goes_on_in_its_middle(bucket: Bucket) -> None:
    chance = random.Random(0)
    rows = b"".join(b'{"n": %d, "text": "%s"}\n' % (n, chance.randbytes(60).hex().encode()) for n in range(120_000))
    data = gzip.compress(rows, 1)
    where = on_s3(bucket, {"a.jsonl.gz": data})
    dataset = penstock.of_format("jsonl", **where, match="*.jsonl.gz", options={"block": "512Ki"})
    options: dict[str, Any] = {"collate": list, "shuffle": "none", "window": "4Mi", "epochs": 1}
    with dataset.loader(1000, **options) as loader:
        for number, _ in enumerate(loader, 1):
            if number == 100:
                break
        state = loader.state_dict()
    with dataset.loader(1000, **options) as loader:
        loader.load_state_dict(state)
        assert [row["n"] for batch in loader for row in batch] == list(range(100_000, 120_000))


def test_lists_of_json_and_splits_by_a_column(tmp_path: Path) -> None:
    rows = [{"n": number, "who": {"id": number % 40}} for number in range(500)]
    in_folder(tmp_path, {"a.json": json.dumps(rows, indent=1).encode()})
    dataset = penstock.of_format("json", tmp_path, match="*.json", options={"block": "1Ki"})
    assert sorted(row["n"] for row in read(dataset)) == list(range(500))
    train, valid = (read(part) for part in dataset.split(valid=0.3, by="who.id"))
    assert not {row["who"]["id"] for row in train} & {row["who"]["id"] for row in valid}
    assert sorted(row["n"] for row in train + valid) == list(range(500))


def test_a_line_that_is_no_json_is_named_on_the_command_line(tmp_path: Path) -> None:
    in_folder(tmp_path / "in", {"a.jsonl": b'{"a": 1}\n', "b.jsonl": b'{"a": 1}\n{"a": x}\n'})
    with pytest.raises(DataError, match=r"b.jsonl, line 2, column 7: no JSON"):
        read(penstock.jsonl(tmp_path / "in"))
    said = cli(
        "list", "--task", "objects", "--source", tmp_path / "in", "--option", "format=jsonl",
        "--manifest", tmp_path / "m", "--plan", tmp_path / "p",
    )  # fmt: skip
    assert said.returncode == 30
    assert "b.jsonl, line 2, column 7: no JSON: Expecting value" in said.stderr
    assert not (tmp_path / "m").exists()


def test_text_by_lines_documents_and_files(bucket: Bucket, real_data: Path, tmp_path: Path) -> None:
    speeches = [json.loads(line)["text"].strip() for line in lines_of(real_data).splitlines()][:60]
    data = "<|end|>".join(speeches).encode()
    files = {"a.txt": data, "b.txt.gz": gzip.compress(data), "c.txt.zst": pa.Codec("zstd").compress(data, asbytes=True)}
    in_folder(tmp_path / "in", files)
    for where in (on_s3(bucket, files), {"source": tmp_path / "in"}):
        assert sorted(read(penstock.text(**where, by="document", separator="<|end|>"))) == sorted(speeches * 3)
    lines = [line for line in data.decode().split("\n") if line.strip()]
    assert sorted(read(penstock.text(tmp_path / "in"))) == sorted(lines * 3)
    assert read(penstock.text(tmp_path / "in", by="file")) == [data.decode()] * 3


def test_members_of_zip_files_by_range(bucket: Bucket, real_data: Path, tmp_path: Path) -> None:
    """Of real speeches, of which those of some years are wanted."""
    told = [json.loads(line) for line in lines_of(real_data).splitlines()]
    for number in range(2):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for row in told[number::2]:
                archive.writestr(f"{row['year']}/{row['id']}.txt", row["text"])
                archive.writestr(f"{row['year']}/{row['id']}.json", json.dumps({"party": row["party"]}))
    where = on_s3(bucket, {path.name: path.read_bytes() for path in tmp_path.iterdir()})
    dataset = penstock.zip(**where, decoded=True, sample=["txt", "json"])
    found = read(dataset)
    assert sorted(row["txt"] for row in found) == sorted(row["text"] for row in told)
    by_text = {row["text"]: row["party"] for row in told}
    assert all(by_text[row["txt"]] == row["json"]["party"] for row in found)
    some = penstock.zip(**where, by="member").where("*/19[0-4]*/*.txt")
    with some.loader(8, epochs=1, collate=list, window="64Mi") as loader:
        texts = [value.decode() for batch in loader for value in batch]
        moved = loader.meters().bytes_downloaded
    wanted = [row["text"] for row in told if 1900 <= row["year"] < 1950]
    assert sorted(texts) == sorted(wanted)
    members = [info for path in tmp_path.iterdir() for info in zipfile.ZipFile(path).infolist()]
    packed = sum(info.compress_size for info in members if re.fullmatch(r"19[0-4]./.*\.txt", info.filename))
    assert moved <= 1.1 * packed + 2 * 70_000


def test_a_column_of_real_arrow_files(bucket: Bucket, real_data: Path) -> None:
    """Of the labels of a real dataset, written as a file and as a stream."""
    table = pq.read_table(next((real_data / "parquet").glob("*.parquet"))).slice(0, 20_000)
    files = {}
    for name, new in (("a.arrow", pa.ipc.new_file), ("b.arrow", pa.ipc.new_stream)):
        file = io.BytesIO()
        with new(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=4_000)
        files[name] = file.getvalue()
    dataset = penstock.of_format("arrow", **on_s3(bucket, files), match="*.arrow").select("patient_id")
    with dataset.loader(1000, epochs=1, window="64Mi") as loader:
        found = [number for batch in loader for number in batch["patient_id"].tolist()]
        moved = loader.meters().sample_bytes
    assert sorted(found) == sorted(table["patient_id"].to_pylist() * 2)
    assert moved <= 1.2 * 8 * len(found)


def test_samples_of_packed_tar_files(bucket: Bucket, real_data: Path) -> None:
    """Each epoch gives every sample once; keys choose samples within an extent, and splits go by them."""
    told = [json.loads(line) for line in lines_of(real_data).splitlines()]
    files = {}
    for name, mode in (("a.tar.gz", "w:gz"), ("b.tar.zst", "w")):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
            for row in told:
                for what, data in (("txt", row["text"].encode()), ("cls", b"%d" % row["year"])):
                    member = tarfile.TarInfo(f"{row['year']}/{row['id']}.{what}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        files[name] = file.getvalue()
    frames = [files["b.tar.zst"][at : at + (1 << 20)] for at in range(0, len(files["b.tar.zst"]), 1 << 20)]
    files["b.tar.zst"] = b"".join(pa.Codec("zstd").compress(frame, asbytes=True) for frame in frames)
    dataset = penstock.tar(**on_s3(bucket, files), decoded=True)
    with dataset.loader(8, window="128Mi", collate=list, workers=1) as loader:
        for _ in range(2):
            found = [sample for batch in loader for sample in batch]
            assert sorted(sample["txt"] for sample in found) == sorted([row["text"] for row in told] * 2)
    wanted = sorted([row["year"] for row in told if 1900 <= row["year"] < 1950] * 2)
    assert sorted(sample["cls"] for sample in read(dataset.where("*/19[0-4]?/*"))) == wanted
    assert (
        sorted(sample["cls"] for sample in read(dataset.where(lambda key: "1900" <= key.split("/")[-2] < "1950")))
        == wanted
    )
    train, valid = (read(part) for part in dataset.split(valid=0.3, by=lambda key: key.split("/")[-2]))
    assert not {sample["cls"] for sample in train} & {sample["cls"] for sample in valid}
    assert len(train) + len(valid) == 2 * len(told)


def test_rows_of_arrays_from_a_bucket(bucket: Bucket) -> None:
    file, packed = io.BytesIO(), io.BytesIO()
    np.save(file, np.arange(30_000, dtype=np.float32).reshape(3_000, 10))
    np.savez_compressed(packed, x=np.eye(4), y=np.arange(3))
    where = on_s3(bucket, {"a.npy": file.getvalue(), "b.npz": packed.getvalue()})
    rows = penstock.of_format("npy", **where, match="*.npy", options={"by": "row", "block": "16Ki"})
    with rows.loader(64, epochs=1, window="64Mi") as loader:
        found = [int(row[0]) for batch in loader for row in batch]
    assert sorted(found) == list(range(0, 30_000, 10))
    (sample,) = read(penstock.of_format("npz", **where, match="*.npz").select("x"))
    assert list(sample) == ["x"]
    assert sample["x"].tolist() == np.eye(4).tolist()


def test_shards_of_mds_from_a_bucket_by_the_library_and_by_the_command_line(bucket: Bucket, tmp_path: Path) -> None:
    """Their index lies beside them; one of them is packed."""
    told = json.dumps(
        {
            "column_names": ["n", "text"],
            "column_encodings": ["int", "str"],
            "column_sizes": [8, None],
            "format": "mds",
            "version": 2,
        }
    ).encode()
    samples = [struct.pack("<Iq", n % 50, n) + b"x" * (n % 50) for n in range(2000)]
    begin = 4 + 4 * (len(samples) + 1) + len(told)
    offsets = np.cumsum([begin, *map(len, samples)]).astype("<u4").tobytes()
    shard = struct.pack("<I", len(samples)) + offsets + told + b"".join(samples)
    files = {"train/shard.00000.mds": shard, "train/index.json": b"{}"}
    files["train/shard.00001.mds.zstd"] = pa.Codec("zstd").compress(shard, asbytes=True)
    where = on_s3(bucket, files)
    found = read(penstock.of_format("mds", **where, split="train", options={"block": "16Ki"}))
    assert sorted(row["n"] for row in found) == sorted([*range(2000)] * 2)
    assert all(row["text"] == "x" * (row["n"] % 50) for row in found)
    words = ["list", "--task", "objects", "--option", "format=mds", "--split", "1,0,0"]
    made = ["--manifest", tmp_path / "m", "--plan", tmp_path / "p"]
    done = cli(*words, "--source", in_folder(tmp_path / "in", files), *made)
    assert done.returncode == 0, done.stderr
    with ManifestReader(tmp_path / "m") as reader:
        assert reader.info.num_samples == 4000
    bad = in_folder(tmp_path / "bad", {"a.mds": shard[:-1]})
    done = cli(*words, "--source", bad, *made)
    assert done.returncode == 31
    assert f"a.mds has {len(shard) - 1} bytes and ends before its last sample, at byte {len(shard)}" in done.stderr
