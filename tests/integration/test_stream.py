"""``penstock.Stream`` in a training loop of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import penstock
from penstock.errors import BucketNotFound, EmptyListing, SourceChanged, WindowTooSmall
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
    for name, size in (("a.bin", 9), ("b.bin", 0), ("c.bin", 9), ("d.txt", 9)):
        (tmp_path / name).write_bytes(bytes(size))
    with penstock.Stream(tmp_path, decode=len_of, match="*.bin", collate=list) as stream:
        assert sorted(size for batch in stream for size in batch) == [9, 9]
        assert stream.left_out == (("1 objects", "not like *.bin"), ("b.bin", "empty"))
    assert "the listing left out b.bin (empty)" in caplog.text


def len_of(data: memoryview, key: str) -> int:
    return len(data)
