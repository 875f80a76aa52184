"""The library's face as its first page shows it, each line as it is written there, on servers of the tests."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.errors import ConfigError, DataError, EmptyListing
from penstock.manifest import ManifestReader
from support.cli import Bucket
from support.eeg import write_eeg
from support.hub_server import Hub, serve_hub
from support.images import write_labelled
from support.moto_s3 import CREDENTIALS, connect

pytestmark = pytest.mark.usefixtures("children_are_forked")

PAIRS = 12


def table(first: int, count: int) -> bytes:
    ids = list(range(first, first + count))
    columns = {"id": ids, "text": [f"row {each}" for each in ids], "label": [each % 3 for each in ids]}
    out = io.BytesIO()
    pq.write_table(pa.table({**columns, "patient": [f"p{each // 2}" for each in ids]}), out, row_group_size=10)
    return out.getvalue()


def shard(first: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(first, first + 4):
            for name, data in (("jpg", b"picture"), ("cls", b"%d" % number)):
                member = tarfile.TarInfo(f"{number:05}.{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture(scope="module")
def served(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A store with what the first page names, found by the environment as AWS's own is, and a Hub."""
    client = connect(s3_url)
    buckets = [Bucket(name=name, url=s3_url, client=client) for name in ("pets", "nmdatasets")]
    labelled = write_labelled(tmp_path_factory.mktemp("pets"), 40)
    rows = [line.split("\t") for line in (labelled / "labels.tsv").read_text().splitlines()]
    head = [{"label": "breed"}.get(name, name) for name in rows[0]]
    with pytest.MonkeyPatch.context() as patched, serve_hub() as hub:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": s3_url, "AWS_REGION": "us-east-2"}.items():
            patched.setenv(name, value)
        patched.setenv("HF_ENDPOINT", hub.url)
        patched.delenv("HF_TOKEN", raising=False)
        for bucket in buckets:
            client.create_bucket(Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
        (labelled / "labels.tsv").unlink()
        buckets[0].upload(labelled, "pets/")
        buckets[0].put("labels.csv", "\n".join(map(",".join, [head, *rows[1:]])).encode())
        for number in range(3):
            buckets[0].put(f"{number:03}.tar", shard(4 * number))
        for number in range(PAIRS):
            for ending in ("jpg", "png"):
                buckets[0].put(f"pairs/{number:02}.{ending}", b"%d" % number)
        recordings = write_eeg(tmp_path_factory.mktemp("eeg"), num_trials=3, num_channels=4, num_subjects=4)
        buckets[1].upload(recordings, "NeurIPS25/R5_L100_bdf/")
        hub.files = {
            "data/train-00000-of-00002.parquet": table(0, 25),
            "data/train-00001-of-00002.parquet": table(25, 25),
            "data/test-00000-of-00001.parquet": table(50, 10),
        }
        hub.large = set(hub.files)
        yield hub
        for bucket in buckets:
            bucket.empty()


def augment(value: Any, rng: np.random.Generator) -> Any:
    picture, label = value
    return picture + rng.random(), label


def names(dataset: penstock.Dataset, path: Path) -> dict[str, set[str]]:
    dataset.manifest(path)
    with ManifestReader(path) as reader:
        return {
            part.name: {row.key for row in reader.rows(part.name)} for part in reader.info.splits if part.num_samples
        }


def test_images_by_a_table_in_a_training_loop(served: Hub) -> None:
    ds = penstock.images("s3://pets/pets", labels="s3://pets/labels.csv", path="path", label="breed")
    train, valid = ds.split(valid=0.2, by="patient", seed=0)
    with train.loader(8, transform=augment, window="2Mi", workers=2, drop_last=True) as loader:
        for _ in range(2):
            batches = [tuple(picture.shape) for picture, _ in loader]
            assert batches == [(8, 3, 64, 64)] * (loader.num_samples // 8)
    found = ds.manifest()
    assert found.num_samples == 40
    assert valid.manifest().split("valid").num_samples + valid.manifest().split("train").num_samples == 40


def test_a_split_of_a_repository_of_the_hub(served: Hub) -> None:
    ds = penstock.parquet("hf://datasets/org/name@v1", split="train", columns=["id", "label"])
    with ds.loader(10, window="2Mi", epochs=1) as loader:
        batches = list(loader)
    assert sorted(number for batch in batches for number in batch["id"].tolist()) == list(range(50))
    assert set(batches[0]) == {"id", "label"}
    assert penstock.parquet("hf://datasets/org/name@v1", split="valid+test").files == ("valid", "test")
    for split in ("test", "eval"):
        assert penstock.parquet("hf://datasets/org/name", split=split).manifest().num_samples == 10
    train, valid = ds.split(valid=0.3, seed=1)
    sizes = [part.manifest().split(part.data.split).num_samples for part in (train, valid)]
    assert sum(sizes) == 50
    assert all(sizes)


def test_a_config_of_what_the_hub_converted_by_itself(served: Hub) -> None:
    uri = "hf://datasets/org/name@refs/convert/parquet"
    with serve_hub() as hub:
        hub.files = {"de/train/0000.parquet": table(0, 5), "en/train/0000.parquet": table(5, 10)}
        hub.files["en/odd/0000.parquet"] = table(15, 20)
        for split, config, num in (("train", "en", 10), ("odd", "en", 20), ("train", "de", 5), (None, "en", 30)):
            ds = penstock.parquet(uri, split=split, config=config, endpoint_url=hub.url)
            assert ds.manifest().num_samples == num
        with pytest.raises(ConfigError, match="several configs, none of which is its default: de, en") as caught:
            penstock.parquet(uri, split="train", endpoint_url=hub.url).manifest()
    assert "--" not in str(caught.value)


def test_a_split_that_is_not_there_is_told_with_those_that_are(served: Hub) -> None:
    with pytest.raises(ConfigError, match=r"no split 'valid' in hf://\S+, but train, test") as caught:
        penstock.parquet("hf://datasets/org/name", split="valid").manifest()
    assert "--" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"'train\[:5\]' is no split's name"):
        penstock.parquet("hf://datasets/org/name", split="train[:5]")
    with pytest.raises(ConfigError, match=r"split \[\]"):
        penstock.parquet("hf://datasets/org/name", split=[])


def test_a_card_says_which_files_a_split_has(served: Hub) -> None:
    text = "---\nconfigs:\n- config_name: a\n  data_files: data/train-00001*\n- config_name: b\n  data_files:\n"
    text += "  - {split: hard, path: 'data/t*-0000?-of-*.parquet'}\n  - {split: other, path: 'x.csv'}\n---\n# Rows\n"
    served.files["README.md"] = text.encode()
    try:
        asked = "hf://datasets/org/name"
        assert penstock.parquet(asked, split="train", config="a").manifest().num_samples == 25
        assert penstock.parquet(asked, config="b", split="hard").manifest().num_samples == 60
        with pytest.raises(ConfigError, match="several configs, none of which is its default: a, b") as caught:
            penstock.parquet(asked, split="train").manifest()
        assert "--" not in str(caught.value)
        with pytest.raises(EmptyListing, match="no file of the split other of the config 'b'"):
            penstock.parquet(asked, config="b", split="other").manifest()
        served.files["README.md"] = b"---\nconfigs: 3\n---\n"
        with pytest.raises(DataError, match=r"configs of README\.md are no list"):
            penstock.parquet(asked, split="train").manifest()
        assert penstock.parquet(asked).manifest().num_samples == 60
    finally:
        del served.files["README.md"]


def test_shards_by_a_row_of_numbers(served: Hub) -> None:
    ds = penstock.tar("s3://pets/{000..999}.tar", sample=("jpg", "cls"))
    with ds.loader(4, window="2Mi", epochs=1) as loader:
        found = [int(each) for batch in loader for each in batch["cls"]]
    assert sorted(found) == list(range(12))
    some = penstock.tar(["s3://pets/000.tar", "s3://pets/002.tar"], sample=("jpg", "cls"))
    assert some.manifest().num_samples == 8
    with pytest.raises(EmptyListing, match=r"nothing under s3://pets/ fits '.*7\.tar.*', nor 1 more pattern"):
        penstock.tar(["s3://pets/000.tar", "s3://pets/7.tar", "s3://pets/nowhere/"]).manifest()


def test_recordings_of_a_release(served: Hub) -> None:
    ds = penstock.eeg("s3://nmdatasets/NeurIPS25", challenge="c1", releases=["R5"])
    assert ds.manifest().num_samples > 0


def test_objects_and_what_is_never_in_two_splits(served: Hub, tmp_path: Path) -> None:
    ds = penstock.objects("s3://pets", match=["*.jpg", "*.png"], group=lambda key: key.rsplit(".", 1)[0])
    ds = ds.where("pairs/*")
    for by in (None, "group"):
        train, _ = ds.split(valid=0.3, by=by, seed=2)
        found = names(train, tmp_path / "manifest")
        stems = {part: {key.rsplit(".", 1)[0] for key in keys} for part, keys in found.items()}
        assert sum(map(len, found.values())) == 2 * PAIRS
        assert all(stems.values())
        assert not stems["train"] & stems["valid"]
        assert {part: len(keys) for part, keys in found.items()} == {part: 2 * len(own) for part, own in stems.items()}
    for other in ("sample", "folder", lambda key: key):
        with pytest.raises(ConfigError, match=r"of a dataset with group=, which says what stays whole"):
            ds.split(valid=0.3, by=other)
    with pytest.raises(ConfigError, match=r"group gave 3 for '00\.jpg'"):
        penstock.objects("s3://pets/pairs", group=lambda key: 3).split(valid=0.3)[0].manifest()  # type: ignore[arg-type,return-value]


def test_a_mix_by_weights(served: Hub) -> None:
    a = penstock.parquet("hf://datasets/org/name@v1", split="train", columns=["text", "label"])
    b = penstock.parquet("hf://datasets/org/name@v1", split="test", columns=["text", "label"])
    mixed = penstock.mix({a: 0.7, b: 0.3}, seed=0)
    with mixed.loader(5, window="4Mi", epochs=1) as loader:
        assert sum(len(batch["text"]) for batch in loader) == 33


def test_what_a_person_prints_is_one_line(served: Hub) -> None:
    ds = penstock.parquet("hf://datasets/org/name@v1", split="train", columns=["text", "label"])
    train, _ = ds.where("data/*").map(dict).filter(bool).split(valid=0.2, by="patient", seed=3)
    assert str(ds) == (
        "<Dataset parquet of hf://datasets/org/name@v1; match *.{parquet,parq}; columns text, label; split train>"
    )
    assert repr(train) == (
        "<Dataset parquet of hf://datasets/org/name@v1; match *.{parquet,parq}; columns text, label; group_by patient; "
        "split train; where data/*; 1 map and 1 filter; part train of train 0.8, valid 0.2 (seed 3)>"
    )
    mixed = penstock.mix({ds: 3, penstock.objects("s3://pets", group=len): 1})  # type: ignore[dict-item]
    assert repr(mixed) == f"<Mixed of 0.75 {ds}, 0.25 <Dataset objects of s3://pets; group len>; seed 0, stop first>"
    found = ds.manifest()
    assert str(found) == f"<ManifestInfo objects: 50 samples of 2 objects in {found.source.uri} (train 50)>"
    with ds.loader(5, window="2Mi", epochs=1) as loader:
        assert repr(loader) == "<Stream of hf://datasets/org/name@v1: batches of 5, window 2.0 MiB>"
    for each in (str(ds), repr(train), repr(mixed), str(found)):
        assert "\n" not in each


def test_the_face_is_seen_before_it_is_imported() -> None:
    assert {"parquet", "tar", "Stream", "mix"} <= set(dir(penstock))


def test_meters_are_told_on_one_line(served: Hub) -> None:
    with penstock.parquet("hf://datasets/org/name", split="test").loader(5, window="2Mi", epochs=1) as loader:
        assert len(list(loader)) == 2
    assert re.fullmatch(
        r"<Meters: downloaded .* by \d+ GET and \d+ LIST; gave samples of .*; window .* of 2\.0 MiB>",
        str(loader.meters()),
    )
