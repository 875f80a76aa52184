"""Classes of storage from the listing to the forecast: told by the store, kept with the manifest, and priced."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import penstock
from penstock.cli import main
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.records import ClassSize, CostReport, RunRecord, read_record
from penstock.sources import find_scheme
from support.cli import Bucket
from support.images import write_class_folders

pytestmark = pytest.mark.usefixtures("children_are_forked")

GLACIER_IR = "GLACIER_IR"
KIB = 1024


def put(bucket: Bucket, classes: dict[str, str], size_bytes: int = KIB) -> None:
    for key, name in classes.items():
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"x" * size_bytes, StorageClass=name)  # type: ignore[arg-type]


def listed(bucket: Bucket, out: Path, *words: str) -> ManifestInfo:
    told = ["list", "--source", f"s3://{bucket.name}/data", "--task", "objects", "--endpoint-url", bucket.url]
    told += ["--manifest", str(out / "manifest.parquet"), "--plan", str(out / "plan.json"), *words]
    assert main([*told, "--split", "1,0,0"]) == 0
    with ManifestReader(out / "manifest.parquet") as reader:
        return reader.info


def test_a_listing_counts_what_samples_lie_in_by_class(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Objects that are not taken count nothing, and the dataset is the same one when its objects have been moved."""
    put(bucket, {f"data/{n}.bin": GLACIER_IR if n < 2 else "STANDARD" for n in range(5)} | {"data/old.txt": GLACIER_IR})
    info = listed(bucket, tmp_path, "--option", "match=*.bin")
    assert info.storage_classes == {
        "STANDARD": ClassSize(num_objects=3, size_bytes=3 * KIB),
        GLACIER_IR: ClassSize(num_objects=2, size_bytes=2 * KIB),
    }
    told = capsys.readouterr().out
    assert "storage classes: STANDARD 3 objects of 3.0 KiB (60 %); GLACIER_IR 2 objects of 2.0 KiB (40 %)" in told
    put(bucket, {f"data/{n}.bin": "STANDARD" for n in range(5)})
    moved = listed(bucket, tmp_path, "--option", "match=*.bin")
    assert moved.storage_classes == {"STANDARD": ClassSize(num_objects=5, size_bytes=5 * KIB)}
    assert moved.fingerprint == info.fingerprint


def test_a_forecast_prices_each_class(bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a manifest and of a URI alike: 10 epochs of 5 KiB, of which 2 KiB are retrieved at 0.03 a GiB each time."""
    put(bucket, {f"data/{n}.bin": GLACIER_IR if n < 2 else "STANDARD" for n in range(5)})
    listed(bucket, tmp_path)
    capsys.readouterr()
    asked = ["--epochs", "10", "--compute-hours", "1", "--rate", "1MB/s", "--node-usd-per-hour", "1", "--json"]
    asked += ["--source-prices", "s3"]
    manifest = ["--manifest", str(tmp_path / "manifest.parquet"), "--plan", str(tmp_path / "plan.json")]
    for words in (manifest, [f"s3://{bucket.name}/data", "--endpoint-url", bucket.url]):
        assert main(["forecast", *words, *asked]) == 0
        (node,) = json.loads(capsys.readouterr().out)["nodes"]
        stream = next(each for each in node["ways"] if each["name"] == "stream")
        lines = {line["what"]: line for line in stream["lines"]}
        assert lines["GET requests"]["quantity"] == pytest.approx(30)
        assert lines["GET requests of GLACIER_IR"]["quantity"] == pytest.approx(20)
        assert lines["GET requests of GLACIER_IR"]["usd"] == pytest.approx(20 / 1000 * 0.01)
        assert lines["retrieval of GLACIER_IR"]["quantity"] == pytest.approx(10 * 2 * KIB / 2**30)


def test_archived_objects_are_told_with_their_number_and_what_to_do(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archived = {"data/1.bin": "GLACIER", "data/2.bin": "DEEP_ARCHIVE"}
    put(bucket, {"data/0.bin": "STANDARD", "data/3.bin": "STANDARD"} | archived)
    told = "of what was listed, 2 objects of 2.0 KiB are archived (DEEP_ARCHIVE, GLACIER) and cannot be read, 1.bin"
    words = ["list", "--source", f"s3://{bucket.name}/data", "--task", "objects", "--endpoint-url", bucket.url]
    words += ["--manifest", str(tmp_path / "m.parquet"), "--plan", str(tmp_path / "p.json"), "--on-bad-object", "fail"]
    assert main(words) == 26
    refused = capsys.readouterr().err
    assert f"1.bin is archived (GLACIER); {told} for one" in refused
    assert "aws s3api restore-object" in refused
    info = listed(bucket, tmp_path, "--on-bad-object", "skip")
    assert info.storage_classes == {"STANDARD": ClassSize(num_objects=2, size_bytes=2 * KIB)}
    (note,) = [note for note in info.notes if "archived" in note]
    assert note.startswith(told)
    assert "aws s3api restore-object" in note
    assert note in capsys.readouterr().out
    assert main(["inspect", f"s3://{bucket.name}/data", "--endpoint-url", bucket.url, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["storage_classes"]["DEEP_ARCHIVE"] == {"num_objects": 1, "size_bytes": KIB}
    assert any(line.startswith("2 objects of 2.0 KiB are archived") for line in found["advice"])


def test_a_forecast_leaves_archived_objects_out_or_has_them_restored(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    put(bucket, {"data/0.bin": "STANDARD", "data/1.bin": "GLACIER", "data/2.bin": "GLACIER"})
    words = ["forecast", f"s3://{bucket.name}/data", "--endpoint-url", bucket.url, "--source-prices", "s3"]
    words += ["--compute-hours", "1", "--rate", "1MB/s", "--node-usd-per-hour", "1", "--epochs", "1"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "it is left out of this (--restore prices it too)" in told
    assert "Restoring what lies in GLACIER costs $0.0001" in told
    assert main([*words, "--restore", "expedited", "--json"]) == 0
    (node,) = json.loads(capsys.readouterr().out)["nodes"]
    stream = next(each for each in node["ways"] if each["name"] == "stream")
    lines = {line["what"]: line for line in stream["lines"]}
    assert lines["GET requests"]["quantity"] == 3
    assert lines["restore requests of GLACIER (expedited)"]["usd"] == pytest.approx(2 / 1000 * 10)
    assert lines["restore of GLACIER (expedited)"]["quantity"] == pytest.approx(2 * KIB / 2**30)
    assert main([*words, "--restore", "high"]) == 2
    assert "its tiers are: standard, bulk, expedited" in capsys.readouterr().err


def test_the_bill_of_a_run_has_what_it_retrieved(bucket: Bucket, tmp_path: Path) -> None:
    """Of samples that are decoded and stored once too, whose manifest is of the store: a third of what was read."""
    data, total, dear = write_class_folders(tmp_path / "data", 24), 0, 0
    for number, path in enumerate(sorted(each for each in data.rglob("*") if each.is_file())):
        is_dear = number % 3 == 0
        total, dear = total + path.stat().st_size, dear + is_dear * path.stat().st_size
        bucket.client.put_object(
            Bucket=bucket.name,
            Key=f"data/{path.relative_to(data)}",
            Body=path.read_bytes(),
            StorageClass="GLACIER_IR" if is_dear else "STANDARD",
        )
    words = ["run", "--source", f"s3://{bucket.name}/data", "--endpoint-url", bucket.url, "--task", "images"]
    words += ["--option", "size=16", "--epochs", "1", "--batch-size", "8", "--threads", "1", "--window-size", "2Mi"]
    words += ["--out", str(tmp_path / "out"), "--source-prices", "s3", "--mode", "preprocess"]
    assert main(words) == 0
    run = read_record(tmp_path / "out" / "run.json", RunRecord)
    assert run.dataset is not None
    assert {name: size.size_bytes for name, size in run.dataset.storage_classes.items()} == {
        "STANDARD": total - dear,
        GLACIER_IR: dear,
    }
    lines = {line.what: line for line in read_record(tmp_path / "out" / "cost.json", CostReport).lines}
    moved = lines["Transfer from the source (same-region)"].quantity
    retrieved = lines["Retrieval from the source of GLACIER_IR"]
    assert float(retrieved.quantity) == pytest.approx(float(moved) * dear / total, rel=1e-4)
    assert float(retrieved.usd or 0) == pytest.approx(float(retrieved.quantity) * 0.03, abs=1e-9)
    gets = lines["GET and HEAD requests (data) of GLACIER_IR"].quantity
    assert float(gets) * 1000 == pytest.approx(8, abs=1)  # of 24, each read once


def test_what_where_takes_has_the_classes_of_the_listing(bucket: Bucket) -> None:
    """Of one class all of it; of several the part that each had, as no object's class is kept."""
    put(bucket, {f"data/{n}.bin": GLACIER_IR for n in range(6)})
    dataset = penstock.objects(f"s3://{bucket.name}/data", endpoint_url=bucket.url)
    taken = {GLACIER_IR: ClassSize(num_objects=2, size_bytes=2 * KIB)}
    assert dataset.where(lambda key: key[0] in "01").manifest().storage_classes == taken
    assert dataset.where("[01].bin").manifest().storage_classes == taken
    put(bucket, {f"data/{n}.bin": "STANDARD" for n in range(3)})
    assert dataset.where(lambda key: key[0] in "01").manifest().storage_classes == {
        "STANDARD": ClassSize(num_objects=1, size_bytes=KIB),
        GLACIER_IR: ClassSize(num_objects=1, size_bytes=KIB),
    }


@pytest.mark.parametrize("is_described", [False, True])
def test_packing_counts_what_it_retrieves(
    bucket: Bucket,
    tmp_path: Path,
    is_described: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test's store is taken for AWS's own: 40 objects of which half are dear, in one shard."""
    put(bucket, {f"data/{n:03}.bin": GLACIER_IR if n % 2 else "STANDARD" for n in range(40)})
    own = replace(find_scheme("s3://"), payee=lambda *_: "own")
    monkeypatch.setattr(
        "penstock.inspection.advice.find_scheme", lambda uri: own if uri.startswith("s3://") else find_scheme(uri)
    )
    words = [f"s3://{bucket.name}/data", "--endpoint-url", bucket.url]
    if is_described:
        described = tmp_path / "d.yaml"
        described.write_text(f"format: objects\nsource: s3://{bucket.name}/data\nendpoint_url: {bucket.url}\n")
        words = ["--dataset", str(described)]
    assert main(["pack", *words, "--into", str(tmp_path / "shards")]) == 0
    told = capsys.readouterr().out
    assert "in requests and retrieval" in told
    assert "at $0.0052 per 1,000 requests on average" in told  # half at 0.0004, half at 0.01
