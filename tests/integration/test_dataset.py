"""``penstock.parquet``, ``tar`` and ``objects`` in a training loop of one's own."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import penstock
from penstock.errors import ConfigError, DataError, EmptyListing, WindowTooSmall
from penstock.formats.parquet import Parquet
from penstock.manifest import ManifestReader
from support.cli import Bucket
from support.hub_server import serve_hub

pytestmark = pytest.mark.usefixtures("children_are_forked")

FILES, FILE_ROWS, GROUP_ROWS = 4, 600, 150


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of eleven columns, of which no two rows have the same id."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    for number in range(FILES):
        ids = np.arange(number * FILE_ROWS, (number + 1) * FILE_ROWS)
        columns: dict[str, Any] = {f"c{each}": rng.random(FILE_ROWS) for each in range(9)}
        table = pa.table({"id": ids, **columns, "text": [f"row {each}" for each in ids]})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=GROUP_ROWS)
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(3):
        with tarfile.open(folder / f"{shard}.tar", "w") as archive:
            for number in range(shard * 40, shard * 40 + 40):
                array = io.BytesIO()
                np.save(array, np.full((2, 3), number, np.float32))
                for name, data in (("npy", array.getvalue()), ("cls", b"%d" % number), ("big", bytes(5000))):
                    member = tarfile.TarInfo(f"{number:05}.{name}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    return folder


def ids(loader: penstock.Stream) -> list[int]:
    return [number for batch in loader for number in batch["id"].tolist()]


def uploaded(bucket: Bucket, folder: Path) -> dict[str, Any]:
    for path in folder.iterdir():
        bucket.client.put_object(Bucket=bucket.name, Key=f"in/{path.name}", Body=path.read_bytes())
    return {"source": f"s3://{bucket.name}/in", "endpoint_url": bucket.url, "region": "us-east-2"}


def test_one_of_eleven_columns_reads_little_more_than_its_bytes(bucket: Bucket, tables: Path) -> None:
    """Footers and listing included; every row comes once, in an order of each epoch's own."""
    chunks = [
        pq.read_metadata(path).row_group(number).column(4).total_compressed_size
        for path in tables.iterdir()
        for number in range(FILE_ROWS // GROUP_ROWS)
    ]
    with penstock.parquet(**uploaded(bucket, tables), columns="c3").loader(100, epochs=1, window="16Mi") as loader:
        batches = list(loader)
        assert len(batches) == len(loader) == FILES * FILE_ROWS / 100
    moved = loader.meters()
    assert moved.sample_bytes == sum(chunks)
    data = sum(count.sent for count in moved.requests if count.purpose == "data")
    assert data <= len(chunks)
    footers = [int.from_bytes(path.read_bytes()[-8:-4], "little") + 8 for path in tables.iterdir()]
    listing_bytes = 3_000
    assert moved.bytes_downloaded <= sum(chunks) + sum(max(size, 4096) for size in footers) + listing_bytes
    found = torch.cat([batch["c3"] for batch in batches])
    expected = np.concatenate([pq.read_table(path)["c3"].to_numpy() for path in tables.iterdir()])
    assert sorted(found.tolist()) == sorted(expected.tolist())


def test_every_row_of_real_tables_once_an_epoch(bucket: Bucket, real_data: Path) -> None:
    where = uploaded(bucket, real_data / "parquet")
    (file,) = (real_data / "parquet").glob("*.parquet")
    meta = pq.read_metadata(file)
    column = sum(meta.row_group(number).column(0).total_compressed_size for number in range(meta.num_row_groups))
    with penstock.parquet(**where, columns="image_index").loader(4096, epochs=1, window="16Mi") as loader:
        names = [name for batch in loader for name in batch["image_index"]]
    expected = pq.read_table(file, columns=["image_index"])["image_index"].to_pylist()
    assert names != expected
    assert sorted(names) == sorted(expected)
    assert loader.meters().bytes_downloaded <= 1.1 * column


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_are_whole_and_shuffled_whatever_the_workers(tables: Path, workers: int) -> None:
    with penstock.parquet(tables, columns=["id"]).loader(128, workers=workers, window="16Mi", epochs=2) as loader:
        first, second = ids(loader), ids(loader)
    assert sorted(first) == sorted(second) == list(range(FILES * FILE_ROWS))
    assert first != second
    assert first != sorted(first)
    with penstock.parquet(tables, columns=["id"]).loader(100, window="16Mi", epochs=1) as loader:
        assert ids(loader) == first


@pytest.mark.parametrize("workers", [0, 2])
def test_each_row_group_is_decoded_once_an_epoch(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    decode, log = Parquet.decode, tmp_path / "decoded"

    def noted(self: Parquet, data: Any, about: Any, codec: str, numbers: Any) -> Any:
        with log.open("a") as file:
            file.write(f"{about.key}\n")
        return decode(self, data, about, codec, numbers)

    monkeypatch.setattr(Parquet, "decode", noted)
    with penstock.parquet(tables, columns="id").loader(32, workers=workers, window="16Mi", epochs=1) as loader:
        assert len(ids(loader)) == FILES * FILE_ROWS
    decoded = log.read_text().splitlines()
    assert len(decoded) == len(set(decoded)) == FILES * FILE_ROWS // GROUP_ROWS


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_a_saved_place_is_gone_on_from_exactly(tables: Path, shards: Path, kind: str) -> None:
    dataset = penstock.parquet(tables, columns=["id"]) if kind == "parquet" else penstock.tar(shards, decoded=True)
    key = "id" if kind == "parquet" else "cls"

    def numbers(loader: penstock.Stream) -> Iterator[list[int]]:
        return (batch[key].tolist() for batch in loader)

    states, batches = [], []
    with dataset.loader(17, seed=3, window="16Mi", epochs=1) as loader:
        for batch in numbers(loader):
            batches.append(batch)
            states.append(loader.state_dict())
    for place in np.random.default_rng(0).choice(len(batches) - 1, 3, replace=False).tolist():
        with dataset.loader(17, seed=3, window="16Mi", epochs=1) as loader:
            loader.load_state_dict(states[place])
            assert next(numbers(loader)) == batches[place + 1]


def test_samples_of_tar_files_through_s3(bucket: Bucket, shards: Path) -> None:
    dataset = penstock.tar(**uploaded(bucket, shards), sample=("npy", "cls"), decoded=True)
    with dataset.loader(16, epochs=1, window="16Mi") as loader:
        batches = list(loader)
    found = [number for batch in batches for number in batch["cls"].tolist()]
    assert sorted(found) == list(range(120))
    assert found != sorted(found)
    assert all(batch["npy"].shape[1:] == (2, 3) for batch in batches)
    assert [row[0, 0].item() for batch in batches for row in batch["npy"]] == found
    assert [int(key) for batch in batches for key in batch["__key__"]] == found


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_a_private_repository_of_the_hub_is_streamed_to_its_end(
    tables: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Its signed links expire under way, and it asks to be asked less."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    folder = tables if kind == "parquet" else shards
    with serve_hub() as hub:
        hub.files = {f"data/{path.name}": path.read_bytes() for path in folder.iterdir()}
        hub.large = set(hub.files)
        hub.token, hub.link_seconds, hub.limited = "hf_token", 0.5, 2
        make: Any = penstock.parquet if kind == "parquet" else penstock.tar
        with make("hf://datasets/org/name/data", endpoint_url=hub.url).loader(50, epochs=1, window="2Mi") as loader:
            found = []
            for batch in loader:
                found += batch["id"].tolist() if kind == "parquet" else [int(each) for each in batch["cls"]]
                time.sleep(0.02)
    assert sorted(found) == list(range(FILES * FILE_ROWS if kind == "parquet" else 120))


def test_parts_are_whole_together_and_share_nothing(tables: Path) -> None:
    whole = penstock.parquet(tables, columns=["id"])
    train, valid, test = whole.split(valid=0.3, test=0.2, seed=4)
    found = []
    for part in (train, valid, test):
        with part.loader(64, window="16Mi", epochs=1, seed=9) as loader:
            found.append(ids(loader))
    assert all(found)
    assert sorted(number for part in found for number in part) == list(range(FILES * FILE_ROWS))
    by_file, _ = whole.split(valid=0.5, by="group", seed=1)
    with by_file.loader(64, window="16Mi", epochs=1) as loader:
        files = {number // FILE_ROWS for number in ids(loader)}
    assert 0 < len(files) < FILES
    with train.loader(64, window="16Mi", epochs=1, seed=10) as loader:
        again = ids(loader)
    assert again != found[0]
    assert sorted(again) == sorted(found[0])


def test_what_is_taken_has_keys_that_fit(tables: Path, shards: Path) -> None:
    second = penstock.parquet(tables, columns="id").where("1.parquet/*")
    with second.loader(64, window="16Mi", epochs=1) as loader:
        assert sorted(ids(loader)) == list(range(FILE_ROWS, 2 * FILE_ROWS))
    assert second.where(["*/0", "*/2"]).manifest().num_samples == 2 * GROUP_ROWS
    some = penstock.tar(shards).where("*/0001*").manifest()
    assert [(split.name, split.num_samples) for split in some.splits if split.num_samples] == [("train", 10)]
    assert [(item.count, item.reason) for item in some.skipped if "where" in item.reason] == [
        (110, "not as where asks")
    ]
    assert penstock.objects(tables).where("[01]*").where("?.parquet").manifest().num_samples == 2
    with pytest.raises(
        EmptyListing, match=r"none of 4 keys fits .*, 0\.parquet for one: choose other patterns with where"
    ):
        penstock.objects(tables).where("x").manifest()
    with pytest.raises(ConfigError, match="match 3"):
        penstock.objects(tables).where(3)  # type: ignore[arg-type]


def test_values_go_through_functions_and_then_the_transform(tables: Path) -> None:
    def noisy(value: int, rng: np.random.Generator) -> tuple[int, float]:
        return value, rng.random()

    dataset = penstock.parquet(tables).select("id").map(lambda row: row["id"]).map(lambda number: number + 1)
    made = []
    for workers in (0, 2):
        with dataset.loader(200, transform=noisy, workers=workers, window="16Mi", epochs=1) as loader:
            made.append([pair for batch in loader for pair in zip(*(each.tolist() for each in batch), strict=True)])
    assert made[0] == made[1]
    assert sorted(number for number, _ in made[0]) == list(range(1, FILES * FILE_ROWS + 1))
    assert len({noise for _, noise in made[0]}) == FILES * FILE_ROWS


def test_objects_are_their_bytes(tables: Path) -> None:
    with penstock.objects(tables, match="*.parquet").loader(2, window="16Mi", epochs=1, shuffle=False) as loader:
        assert [data for batch in loader for data in batch] == [path.read_bytes() for path in sorted(tables.iterdir())]


def test_a_manifest_tells_what_is_there(tables: Path, tmp_path: Path) -> None:
    train, valid = penstock.parquet(tables, columns="id").split(valid=0.4, seed=1)
    info = train.manifest(tmp_path / "m.parquet")
    assert info.num_samples == FILES * FILE_ROWS
    assert info.fingerprint == valid.manifest().fingerprint
    with ManifestReader(tmp_path / "m.parquet") as reader:
        assert reader.info == info
    assert not {path.name for path in tmp_path.iterdir()} - {"m.parquet"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: penstock.parquet(folder, columns=[]), "columns"),
        (lambda folder: penstock.parquet(folder, memory="lots"), "memory 'lots' is not a size"),
        (lambda folder: penstock.parquet("s3a://bucket/x"), r"there is no scheme 's3a': did you mean s3://"),
        (lambda folder: penstock.parquet(3), "source 3"),
        (lambda folder: penstock.of_format("avro", folder), "there is no format 'avro'"),
        (lambda folder: penstock.objects(folder, match=[]), r"match \[\]"),
        (lambda folder: penstock.parquet(folder).split(valid=0.01)[1].manifest(), r"shares with split\(valid=\.\.\.\)"),
        (lambda folder: penstock.tar(folder, decoded=1), "decoded 1: give true, false, or"),
        (lambda folder: penstock.objects(folder).select("x"), "nothing can be selected of the format 'objects'"),
        (lambda folder: penstock.objects(folder).split(valid=1.5), r"valid 1\.5: give a fraction"),
        (lambda folder: penstock.objects(folder).split(valid=0), "valid 0 and test 0.0: give fractions above 0"),
        (lambda folder: penstock.objects(folder).split(valid=0.1, by="patient"), "by 'patient'"),
        (lambda folder: penstock.objects(folder).split(valid=0.5)[0].split(valid=0.5), "is a part of one already"),
        (lambda folder: penstock.objects(folder).map(3), "function 3"),
        (lambda folder: penstock.parquet(folder, columns=3), "columns 3: give a list of names"),
        (lambda folder: penstock.parquet(folder).select(3), "columns 3: give a list of names"),
        (lambda folder: penstock.parquet(folder, columns="\udce9"), "are not of what JSON has"),
        (lambda folder: penstock.tar(folder, sample=3), "sample 3: give a list of names"),
        (lambda folder: penstock.of_format(3, folder), "name 3: choose one of"),
        (lambda folder: penstock.of_format("parquet", folder, options=3), "options 3: give them by their names"),
        (lambda folder: penstock.of_format("parquet", folder, options={1: 2}), "options {1: 2}: give them by"),
        (lambda folder: penstock.of_format("parquet", folder).manifest(3), "path 3: give a file's name"),
        (lambda folder: penstock.parquet(folder, columns="idd").loader(), "has no column 'idd': did you mean 'id'"),
        (lambda folder: penstock.objects(folder).loader(0), "batch_size 0: give a whole number"),
        (lambda folder: penstock.parquet(folder).split(valid=0.5)[1].loader(stream_listing=True), "stream_listing"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_told_by_the_name_of_the_argument(tables: Path, make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        make(tables)
    assert "--" not in str(raised.value)


def test_an_argument_that_there_is_none_of_is_told_with_the_nearest(tables: Path) -> None:
    with pytest.raises(TypeError, match=r"loader has no argument 'worker'.*workers"):
        penstock.objects(tables).loader(4, worker=2)  # type: ignore[call-arg]


def test_a_window_that_is_too_small_tells_what_it_needs(tables: Path) -> None:
    with pytest.raises(WindowTooSmall, match=r"window of at least \d+Mi"):
        next(iter(penstock.objects(tables).loader(batch_size=4, window="100Ki")))


def test_errors_of_data_come_where_they_belong(tables: Path, tmp_path: Path) -> None:
    with pytest.raises(EmptyListing):
        penstock.tar(tables).loader()
    (tmp_path / "a.parquet").write_bytes(b"no table, whatever its name says")
    with pytest.raises(DataError, match=r"a\.parquet: it is no Parquet file"):
        penstock.parquet(tmp_path).loader()


def test_the_listing_may_go_on_while_batches_come(tables: Path) -> None:
    dataset = penstock.parquet(tables, columns="id")
    with dataset.loader(50, window="16Mi", epochs=2, stream_listing=True) as loader:
        assert sorted(ids(loader)) == list(range(FILES * FILE_ROWS))
        assert sorted(ids(loader)) == list(range(FILES * FILE_ROWS))


@pytest.mark.parametrize("columns", [np.array(["id"]), (name for name in ["id"]), {"id"}, [np.str_("id")]])
def test_names_may_come_as_anything_that_gives_them(tables: Path, columns: Any) -> None:
    with penstock.of_format("parquet", tables, options={"columns": columns, "memory": np.int64(2**30)}).loader(8) as it:
        assert set(next(iter(it))) == {"id"}


@pytest.mark.parametrize(
    ("kind", "reason"), [("parquet", "a.parquet: has no rows"), ("tar", "1 in a.tar: has no extension"), ("end", "")]
)
def test_a_dataset_of_nothing_says_so(tmp_path: Path, kind: str, reason: str) -> None:
    if kind == "parquet":
        pq.write_table(pa.table({"id": pa.array([], pa.int64())}), tmp_path / "a.parquet")
    else:
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            for name in ["readme"] if kind == "tar" else []:
                archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    make = penstock.parquet if kind == "parquet" else penstock.tar
    with pytest.raises(EmptyListing, match=f"there is no sample in 1 object: {reason}"):
        make(tmp_path).manifest()


def test_a_warning_of_what_is_left_out_has_all_reasons_but_those_that_were_asked_for(
    tmp_path: Path, tables: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("1.txt", "nothing"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    penstock.tar(tmp_path).loader().close()
    penstock.parquet(tables).where("0.*").loader().close()
    assert [record.getMessage() for record in caplog.records if "left out" in record.getMessage()] == [
        "the listing left out 1 (has no extension); Stream.left_out tells all"
    ]


@pytest.mark.parametrize("columns", [["a.b"], ["a.b", "a"], ["a", "a.b"]])
def test_a_column_whose_name_has_dots_beside_a_group_of_that_path(tmp_path: Path, columns: list[str]) -> None:
    pq.write_table(pa.table({"a.b": [2], "c": [0], "a": [{"b": 3}]}), tmp_path / "x.parquet")
    with penstock.parquet(tmp_path, columns=columns).loader(collate=list) as loader:
        assert next(iter(loader)) == [{"a.b": 2, "a": {"b": 3}}]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.filterwarnings("error::UserWarning")
def test_arrays_are_collated_alike_whatever_the_workers(tmp_path: Path, workers: int) -> None:
    for number in range(2):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number, number + 1, number + 2]))

    def values(value: bytes, rng: np.random.Generator) -> dict[str, Any]:
        array = np.frombuffer(value, np.uint8)
        return {"as it is": array, "mirrored": array[::-1], "deep": [{"both": array.reshape(1, 3)[::-1, ::-1]}]}

    with penstock.objects(tmp_path).loader(2, shuffle=False, workers=workers, transform=values) as loader:
        batch = next(iter(loader))
    assert batch["as it is"].tolist() == [[0, 1, 2], [1, 2, 3]]
    assert batch["mirrored"].tolist() == [[2, 1, 0], [3, 2, 1]]
    assert batch["deep"][0]["both"].tolist() == [[[2, 1, 0]], [[3, 2, 1]]]


def test_no_member_takes_the_place_of_a_samples_name(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("1.txt", "1.__key__", "1.__KEY__"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with penstock.tar(tmp_path).loader(collate=list) as loader:
        assert list(loader) == [[{"__key__": "1", "txt": b""}]]
        assert [each.count for each in loader.left_out] == [2]
