"""Classes of storage from the listing to the forecast: told by the store, kept with the manifest, and priced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.records import ClassSize
from support.cli import Bucket

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
