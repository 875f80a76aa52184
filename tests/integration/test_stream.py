"""``penstock.Stream`` in a training loop of one's own."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import penstock
from penstock.errors import BucketNotFound, EmptyListing, SourceChanged, SourceError, WindowTooSmall
from penstock.sources.local.files import look_through
from support.cli import Bucket

NUM_OBJECTS, OBJECT_BYTES = 120, 20_000


def to_tensor(data: memoryview, key: str) -> tuple[torch.Tensor, int]:
    return torch.from_numpy(np.frombuffer(data, dtype=np.uint8).astype(np.float32)), int(Path(key).stem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("objects")
    for number in range(NUM_OBJECTS):
        (root / f"{number:04}.bin").write_bytes(np.random.default_rng(number).bytes(OBJECT_BYTES))
    (root / "README.txt").write_text("not a sample")
    return root


def numbers(stream: penstock.Stream) -> list[int]:
    found = []
    for inputs, labels in stream:
        assert inputs.shape == (len(labels), OBJECT_BYTES)
        for row, number in zip(inputs, labels.tolist(), strict=True):
            wanted = np.frombuffer(np.random.default_rng(number).bytes(OBJECT_BYTES), dtype=np.uint8)
            assert np.array_equal(row.numpy(), wanted)
            found.append(number)
    return found


@pytest.mark.parametrize("workers", [0, 2])
def test_each_loop_is_an_epoch_of_every_object_once(folder: Path, workers: int) -> None:
    options = {"decode": to_tensor, "batch_size": 16, "window": "2Mi", "match": "*.bin", "workers": workers}
    with penstock.Stream(str(folder), **options) as stream:
        assert len(stream) == 8
        epochs = [numbers(stream) for _ in range(3)]
        meters = stream.meters()
    assert all(sorted(epoch) == list(range(NUM_OBJECTS)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert 0 < meters.window_high_water_bytes <= 2 << 20
    assert meters.kept_bytes > 0


def test_saved_place_gives_the_batches_that_would_have_come(folder: Path) -> None:
    options = {"decode": to_tensor, "batch_size": 16, "window": "2Mi", "match": "*.bin", "seed": 3}
    with penstock.Stream(str(folder), **options) as stream:
        whole = [labels.tolist() for _ in range(2) for _, labels in stream]
    with penstock.Stream(str(folder), **options) as stream:
        batches = iter(stream)
        begun = [next(batches)[1].tolist() for _ in range(5)]
        state = stream.state_dict()
    with penstock.Stream(str(folder), **options) as stream:
        stream.load_state_dict(state)
        rest = [labels.tolist() for _ in range(2) for _, labels in stream]
    assert begun + rest == whole


def test_s3_in_key_order(bucket: Bucket, folder: Path) -> None:
    for path in sorted(folder.glob("000?.bin")):
        bucket.put(f"images/{path.name}", path.read_bytes())
    source = f"{bucket.uri}/images"
    options = {"decode": to_tensor, "batch_size": 4, "endpoint_url": bucket.url, "region": "us-east-2"}
    with penstock.Stream(source, shuffle=False, epochs=1, window="4Mi", **options) as stream:
        assert numbers(stream) == list(range(10))


def test_errors_are_those_of_the_steps(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BucketNotFound, match="no folder"):
        penstock.Stream(str(tmp_path / "nowhere"), decode=to_tensor)
    with pytest.raises(EmptyListing, match="jpg"):
        penstock.Stream(str(folder), decode=to_tensor, match="*.jpg")
    with (
        penstock.Stream(str(folder), decode=to_tensor, match="*.bin", window="100Ki", batch_size=64) as stream,
        pytest.raises(WindowTooSmall),
    ):
        next(iter(stream))


def test_changed_object_is_an_error(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("00?0.bin"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with penstock.Stream(str(tmp_path), decode=to_tensor, batch_size=1, shuffle=False, window="400Ki") as stream:
        for path in tmp_path.glob("*.bin"):
            path.write_bytes(b"x" * OBJECT_BYTES)
        with pytest.raises(SourceChanged, match=r"0000\.bin"):
            next(iter(stream))


def test_objects_that_are_not_given_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, size in (("a.bin", 9), ("b.bin", 0), ("c.bin", 9), ("d.txt", 9), ("e.txt", 9)):
        (tmp_path / name).write_bytes(bytes(size))
    os.mkfifo(tmp_path / "f.bin")
    os.mkfifo(tmp_path / "f.txt")
    (tmp_path / "g.bin").symlink_to(tmp_path / "nowhere")
    (tmp_path / "h.bin").symlink_to("/dev/null")
    (tmp_path / "i.bin").symlink_to(tmp_path / "g.bin")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "j.bin"))
    with penstock.Stream(tmp_path, decode=len_of, match="*.bin", collate=list) as stream:
        assert sorted(size for batch in stream for size in batch) == [9, 9]
        found = {each.reason: (each.count, each.keys) for each in stream.left_out}
    assert found == {
        "not like *.bin": (2, ()),
        "empty": (1, ("b.bin",)),
        "a named pipe (FIFO), not a file": (1, ("f.bin",)),
        "a link that leads nowhere": (2, ("g.bin", "i.bin")),
        "a device, not a file": (1, ("h.bin",)),
        "a socket, not a file": (1, ("j.bin",)),
    }
    assert "the listing left out" in caplog.text
    assert "1 (empty), like b.bin" in caplog.text
    (tmp_path / "k.bin").symlink_to(tmp_path / "k.bin")
    with pytest.raises(SourceError, match=r"k\.bin is a link that leads back to itself"):
        penstock.Stream(tmp_path, decode=len_of)


def test_a_file_that_became_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(bytes(9))
    with penstock.Stream(tmp_path, decode=len_of, shuffle=False, timeout_seconds=20) as stream:
        (tmp_path / "a.bin").unlink()
        os.mkfifo(tmp_path / "a.bin")
        with pytest.raises(SourceChanged, match=r"a\.bin"):
            list(stream)


def test_a_file_that_may_not_be_read_is_told_before_it_is_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for key, mode in (("a.bin", 0o644), ("b.bin", 0o000)):
            (folder / key).write_bytes(bytes(9))
            (folder / key).chmod(mode)
        given_up = threading.Event()
        uid = os.geteuid()
        if uid == 0:
            os.seteuid(65534)
        try:
            found = look_through(folder, folder, given_up)
        finally:
            os.seteuid(uid)
    assert found.unreadable == {"b.bin"}


def len_of(data: memoryview, key: str) -> int:
    return len(data)
