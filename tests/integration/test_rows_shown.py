"""What is promised of extents of many samples, by the log of the server that they are read from."""

from __future__ import annotations

import io
import os
import re
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.errors import AccessDenied
from penstock.formats.parquet import Parquet
from support.hub_server import serve_hub
from support.small_s3 import Asked, SmallS3, small_s3

NUM_PLACES = int(os.environ.get("PENSTOCK_PLACES", "10"))
"""Rows that a real table is gone on with at."""

pytestmark = pytest.mark.usefixtures("children_are_forked")

ROWS, GROUP_ROWS, PAYLOAD_BYTES = 480, 16, 4000


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Rows of a number and random bytes, with columns that nobody wants; the same as members of a TAR file."""
    rng, found = np.random.default_rng(0), {}
    payloads = [rng.bytes(PAYLOAD_BYTES) for _ in range(ROWS)]
    for first in range(0, ROWS, ROWS // 2):
        numbers = range(first, first + ROWS // 2)
        own = [payloads[number] for number in numbers]
        table = pa.table({"n": numbers, "junk": own[::-1], "data": own, "more": own[::-1]})
        parquet = io.BytesIO()
        pq.write_table(table, parquet, row_group_size=GROUP_ROWS, compression="none", use_dictionary=False)
        found[f"parquet/{first}.parquet"] = parquet.getvalue()
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            for number in numbers:
                for name, data in (("cls", b"%d" % number), ("bin", payloads[number])):
                    member = tarfile.TarInfo(f"{number:05}.{name}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        found[f"tar/{first}.tar"] = tar.getvalue()
    return found


@pytest.fixture
def server(files: dict[str, bytes]) -> Iterator[SmallS3]:
    with small_s3(objects=dict(files), is_open=True) as state:
        yield state


def dataset_of(kind: str, server: SmallS3) -> penstock.Dataset:
    where: dict[str, Any] = {"endpoint_url": server.url, "anonymous": True, "region": "us-east-2"}
    if kind == "tar":
        return penstock.tar("s3://tar", decoded=True, **where)
    return penstock.parquet("s3://parquet", columns=["n", "data"], **where)


def numbers_of(kind: str, loader: penstock.Stream) -> list[int]:
    return [number for batch in loader for number in batch["cls" if kind == "tar" else "n"].tolist()]


def bytes_asked_for(server: SmallS3) -> int:
    return sum(map(_range_bytes, server.requests))


def _range_bytes(asked: Asked) -> int:
    span = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", ""))
    assert span is not None, asked.path
    return int(span[2]) + 1 - int(span[1])


@pytest.mark.parametrize("kind", ["parquet", "tar"])
@pytest.mark.parametrize("share", [0.4, 3])
def test_w7_by_the_servers_log(kind: str, share: float, server: SmallS3, tmp_path: Path) -> None:
    """E epochs of D bytes download E D less what was read from what was kept: D + (E - 1)(D - K), to the byte."""
    epochs, dataset = 4, dataset_of(kind, server)
    with dataset.loader(16, manifest_folder=tmp_path / "manifests", window="16Mi") as loader:
        whole = loader.num_samples
    assert whole == ROWS
    server.requests.clear()  # what the listing read is not read again
    total = epochs * [*range(ROWS)]
    window = int(share * ROWS * PAYLOAD_BYTES)
    with dataset.loader(16, manifest_folder=tmp_path / "manifests", window=window, epochs=epochs) as loader:
        assert sorted(numbers_of(kind, loader) + [n for _ in range(3) for n in numbers_of(kind, loader)]) == sorted(
            total
        )
        moved = loader.meters()
    asked, size = bytes_asked_for(server), moved.sample_bytes // epochs
    data = moved.bytes_downloaded
    unanswered = sum(count.sent - count.answers_2xx for count in moved.requests)
    # Of requests that were made a second time one may be given up before its answer.
    assert 0 <= asked - data <= unanswered * max(map(_range_bytes, server.requests))
    assert data - moved.wasted_bytes == epochs * size - moved.reused_bytes
    # What a link that is not known yet keeps is decided in the first epoch, and all of it read in those that follow.
    kept = moved.kept_bytes
    assert (epochs - 2) * kept <= moved.reused_bytes <= (epochs - 1) * kept
    assert kept == size if share > 1 else kept < window
    assert moved.wasted_bytes <= size / 16


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_a_place_in_what_is_not_shuffled_is_gone_on_with_without_what_lies_before_it(
    kind: str, server: SmallS3, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"manifest_folder": tmp_path, "shuffle": "none", "epochs": 1, "window": "16Mi"}
    dataset, done = dataset_of(kind, server), ROWS // GROUP_ROWS * 3 // 4
    with dataset.loader(GROUP_ROWS, **asked) as loader:
        batches = iter(loader)
        for _ in range(done):
            next(batches)
        state = loader.state_dict()
    server.requests.clear()
    with dataset.loader(GROUP_ROWS, **asked) as loader:
        loader.load_state_dict(state)
        assert numbers_of(kind, loader) == [*range(done * GROUP_ROWS, ROWS)]
        moved = loader.meters()
    least = (ROWS - done * GROUP_ROWS) * PAYLOAD_BYTES
    assert least <= moved.bytes_downloaded - moved.wasted_bytes <= 1.5 * least


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_w7_of_a_folder_where_what_is_kept_is_known_from_the_start(
    kind: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    for path in filter(lambda path: path.startswith(kind), files):
        (tmp_path / Path(path).name).write_bytes(files[path])
    dataset = (
        penstock.tar(tmp_path, decoded=True) if kind == "tar" else penstock.parquet(tmp_path, columns=["n", "data"])
    )
    epochs, window = 3, int(0.75 * sum(path.stat().st_size for path in tmp_path.iterdir()))
    window = window // 3 if kind == "parquet" else window  # a third is what is asked for
    with dataset.loader(16, window=window, epochs=epochs) as loader:
        assert sorted(n for _ in range(epochs) for n in numbers_of(kind, loader)) == sorted(epochs * [*range(ROWS)])
        moved = loader.meters()
    size, kept = moved.sample_bytes // epochs, moved.kept_bytes
    data = moved.bytes_downloaded - moved.wasted_bytes - listed_bytes(dataset)
    assert data == size + (epochs - 1) * (size - kept)
    assert 0.2 * window < kept < size


def listed_bytes(dataset: penstock.Dataset) -> int:
    """Return what the listing alone reads."""
    with dataset.loader(1, window="16Mi") as loader:
        return loader.meters().bytes_downloaded


def on_ranks(dataset: penstock.Dataset, world_size: int, **asked: Any) -> list[list[int]]:
    """Read an epoch as ranks of one node do, each in a thread of this process."""

    def read(rank: int) -> list[int]:
        ranks = {"rank": rank, "world_size": world_size, "local_rank": rank, "local_world_size": world_size}
        with dataset.loader(16, window="16Mi", epochs=1, **ranks, **asked) as loader:
            return numbers_of("parquet", loader)

    with ThreadPoolExecutor(world_size) as pool:
        return list(pool.map(read, range(world_size)))


@pytest.mark.parametrize("workers", [0, 2])
def test_two_ranks_read_and_decode_each_row_group_once(
    workers: int, server: SmallS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, log = Parquet.decode, tmp_path / "decoded"

    def noted(self: Parquet, data: Any, about: Any, codec: str, numbers: Any) -> Any:
        with log.open("a") as file:
            file.write(f"{about.key}\n")
        return decode(self, data, about, codec, numbers)

    monkeypatch.setattr(Parquet, "decode", noted)
    given = on_ranks(dataset_of("parquet", server), 2, workers=workers)
    assert sorted(number for rank in given for number in rank) == list(range(ROWS))
    assert set(Counter(log.read_text().splitlines()).values()) == {1}
    spans = [(asked.path, asked.headers["range"]) for asked in server.requests if "range" in asked.headers]
    assert len(spans) == len(set(spans))


def test_a_real_table_is_gone_on_with_at_any_row(real_data: Path, tmp_path: Path) -> None:
    (path,) = (real_data / "parquet").glob("*.parquet")
    with small_s3(objects={"set/real.parquet": path.read_bytes()}, is_open=True) as server:
        dataset = penstock.parquet("s3://set", columns="image_index", endpoint_url=server.url, anonymous=True)
        with dataset.loader(4096, window="8Mi", manifest_folder=tmp_path, epochs=1, seed=5) as loader:
            whole = [name for batch in loader for name in batch["image_index"]]
        state = loader_state(dataset, tmp_path)
        with dataset.loader(3, window="8Mi", manifest_folder=tmp_path, epochs=1, seed=5) as loader:
            for row in np.random.default_rng(1).choice(len(whole), NUM_PLACES, replace=False).tolist():
                loader.load_state_dict({**state, "next_index": row})
                assert next(iter(loader))["image_index"] == whole[row : row + 3], row
    names = pq.read_table(path, columns=["image_index"])["image_index"].to_pylist()
    assert sorted(whole) == sorted(names)
    assert whole != names


def loader_state(dataset: penstock.Dataset, manifests: Path) -> Any:
    with dataset.loader(3, window="8Mi", manifest_folder=manifests, epochs=1, seed=5) as loader:
        return loader.state_dict()


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_a_token_that_is_revoked_while_files_are_streamed_is_told(
    kind: str, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    with serve_hub() as hub:
        hub.files = {path: data for path, data in files.items() if path.startswith(kind)}
        hub.large, hub.token, hub.link_seconds = set(hub.files), "hf_token", 0.2
        make: Any = penstock.tar if kind == "tar" else penstock.parquet
        dataset = make(f"hf://datasets/org/name/{kind}", endpoint_url=hub.url)
        with dataset.loader(8, window="400Ki", timeout_seconds=20) as loader:
            next(iter(loader))
            hub.token = "hf_another"
            time.sleep(2 * hub.link_seconds)
            with pytest.raises(AccessDenied) as raised:
                list(loader)
    told = str(raised.value)
    assert re.search(rf"\.{kind} was denied: the token is not taken \(HTTP 401.*set HF_TOKEN to a valid token", told)
    assert "hf_token" not in told
