"""Checkpoints as files: which lie there, what damage and other runs' files are answered with."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from penstock.errors import CheckpointCorrupt, CheckpointMismatch, DiskFull, NotOurs, ObjectNotFound, OutputError
from penstock.records import decode_record
from penstock.sources import open_blobs
from penstock.train.checkpoint import CheckpointRecord, Checkpoints, load_weights
from penstock.train.config import TrainConfig
from unit.train import runs

IDENTITY = runs.make_identity()


def content(value: float) -> dict[str, object]:
    return {
        "model": {"w": torch.full((3, 2), float(value))},
        "objective": {"objective": "classification", "num_classes": 2},
    }


def save(folder: Path, step: int, *, keep: int = 2) -> None:
    checkpoints = Checkpoints(open_blobs(str(folder)), keep=keep)
    checkpoints.save(content(step), identity=IDENTITY, step=step, epoch=0)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def load(folder: Path) -> dict[str, object] | None:
    return Checkpoints(open_blobs(str(folder))).load(IDENTITY)


def test_only_the_last_ones_are_kept(tmp_path: Path) -> None:
    for step in range(1, 6):
        save(tmp_path, step)
    assert files(tmp_path) == ["latest.json", "previous.json", "step-00000004.pt", "step-00000005.pt"]
    loaded = load(tmp_path)
    assert loaded is not None
    assert loaded["step"] == 5


def test_one_can_be_enough(tmp_path: Path) -> None:
    for step in range(1, 4):
        save(tmp_path, step, keep=1)
    assert files(tmp_path) == ["latest.json", "step-00000003.pt"]


@pytest.mark.parametrize("name", ["latest.json", "previous.json"])
def test_somebody_elses_file_of_our_name_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(CheckpointCorrupt, match=name):
        save(tmp_path, 1)
    assert files(tmp_path) == [name]
    assert (tmp_path / name).read_text() == '{"mine": 1}'


def test_what_is_pointed_to_is_never_written_over(tmp_path: Path) -> None:
    for _ in range(3):
        save(tmp_path, 7)
        assert load(tmp_path) is not None
    assert len([name for name in files(tmp_path) if name.endswith(".pt")]) == 2


class _Stops(Exception):
    pass


@pytest.mark.parametrize("num_writes", range(4))
def test_a_writer_that_dies_between_writes_leaves_a_whole_checkpoint(tmp_path: Path, num_writes: int) -> None:
    blobs = open_blobs(str(tmp_path))

    class Dying:
        left = num_writes
        read, locate = staticmethod(blobs.read), staticmethod(blobs.locate)

        def write(self, name: str, data: bytes) -> None:
            self._spend()
            blobs.write(name, data)

        def delete(self, name: str) -> None:
            self._spend()
            blobs.delete(name)

        def _spend(self) -> None:
            if not self.left:
                raise _Stops
            self.left -= 1

    save(tmp_path, 1)
    save(tmp_path, 2)
    with pytest.raises(_Stops):
        Checkpoints(Dying()).save(content(3), identity=IDENTITY, step=3, epoch=0)
    loaded = load(tmp_path)
    assert loaded is not None
    assert loaded["step"] == (3 if num_writes == 3 else 2)
    save(tmp_path, 4)
    save(tmp_path, 5)
    kept = [name for name in files(tmp_path) if name.endswith(".pt") and name != "step-00000003.pt"]
    assert kept == ["step-00000004.pt", "step-00000005.pt"]


def test_the_best_weights_replace_the_last_best(tmp_path: Path) -> None:
    checkpoints = Checkpoints(open_blobs(str(tmp_path)))
    for step in (3, 6):
        where = checkpoints.save_best(content(step), identity=IDENTITY, step=step, epoch=step // 3)
    assert files(tmp_path) == ["best-00000006.pt", "best.json"]
    weights = load_weights(str(tmp_path))
    assert (weights.location, weights.step, weights.epoch) == (where, 6, 2)
    assert weights.identity == IDENTITY
    assert torch.equal(weights.model["w"], torch.full((3, 2), 6.0))


def test_of_two_trainings_that_save_to_one_place_the_one_that_finds_the_other_ends(tmp_path: Path) -> None:
    first, second = (Checkpoints(open_blobs(str(tmp_path))) for _ in range(2))
    assert first.load(IDENTITY) is None
    assert second.load(IDENTITY) is None
    first.save(content(1), identity=IDENTITY, step=1, epoch=0)
    first.save_best(content(1), identity=IDENTITY, step=1, epoch=0)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    with pytest.raises(NotOurs, match=r"another training saves .* latest.json names step-00000001.pt of step 1"):
        second.save(content(2), identity=IDENTITY, step=2, epoch=0)
    with pytest.raises(NotOurs, match="another training saves"):
        second.save_best(content(2), identity=IDENTITY, step=2, epoch=0)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before
    first.save(content(3), identity=IDENTITY, step=3, epoch=0)
    found = load(tmp_path)
    assert found is not None
    assert found["step"] == 3


def test_a_save_whose_answer_was_lost_is_this_training_s_own(tmp_path: Path) -> None:
    class Deaf:
        def __init__(self) -> None:
            self.blobs, self.is_deaf = open_blobs(str(tmp_path)), True

        def __getattr__(self, name: str) -> Any:
            return getattr(self.blobs, name)

        def write(self, name: str, data: bytes) -> None:
            self.blobs.write(name, data)
            if self.is_deaf and name == "latest.json":
                raise OutputError("no answer", fix="try again")

    blobs = Deaf()
    checkpoints = Checkpoints(blobs)
    with pytest.raises(OutputError, match="no answer"):
        checkpoints.save(content(1), identity=IDENTITY, step=1, epoch=0)
    blobs.is_deaf = False
    checkpoints.save(content(2), identity=IDENTITY, step=2, epoch=0)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save(tmp_path, 1)
    save(tmp_path, 2)
    return tmp_path


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_damage_names_the_file_and_the_way_out(saved: Path, damage: str) -> None:
    file = saved / "step-00000002.pt"
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        file.write_bytes({"cut": data[:-100], "flip": flipped, "empty": b""}[damage])
    with pytest.raises(CheckpointCorrupt) as caught:
        load(saved)
    message = str(caught.value)
    assert str(file) in message
    assert "copy previous.json over it to go on from step 1" in message
    assert "\n" not in message
    (saved / "latest.json").write_bytes((saved / "previous.json").read_bytes())
    loaded = load(saved)
    assert loaded is not None
    assert loaded["step"] == 1


@pytest.mark.parametrize("data", [b"", b"{", b'{"record": "run", "version": 1}'])
def test_a_damaged_pointer_is_corrupt_not_a_fresh_start(saved: Path, data: bytes) -> None:
    (saved / "latest.json").write_bytes(data)
    with pytest.raises(CheckpointCorrupt, match=r"latest\.json .*copy previous\.json"):
        load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 32}, "with --batch-size 16, and now 32"),
        ({"task": "other"}, "with task 'numbers', this one has 'other'"),
        ({"model": "eegnex"}, "with model 'small', this one has 'eegnex'"),
    ],
)
def test_another_runs_checkpoint_is_refused(saved: Path, change: dict[str, object], message: str) -> None:
    config = TrainConfig(**{**runs.CONFIG.as_dict(), **change})  # type: ignore[arg-type]
    with pytest.raises(CheckpointMismatch, match=message):
        Checkpoints(open_blobs(str(saved))).load(runs.make_identity(config))


def test_options_that_change_nothing_learnt_may_differ(saved: Path) -> None:
    config = TrainConfig(**{**runs.CONFIG.as_dict(), "keep_checkpoints": 5, "num_threads": 2})  # type: ignore[arg-type]
    assert Checkpoints(open_blobs(str(saved))).load(runs.make_identity(config)) is not None


def test_weights_of_one_file(saved: Path, tmp_path: Path) -> None:
    file = saved / "step-00000002.pt"
    weights = load_weights(str(file))
    record = decode_record((saved / "latest.json").read_bytes(), CheckpointRecord)
    assert weights.file_sha256 == record.sha256
    assert torch.equal(weights.model["w"], torch.full((3, 2), 2.0))


def test_a_flipped_bit_in_the_weights_is_found_in_a_lone_file(saved: Path) -> None:
    file = saved / "step-00000002.pt"
    data = bytearray(file.read_bytes())
    place = data.index(torch.full((6,), 2.0).numpy().tobytes())
    data[place + 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(CheckpointCorrupt, match="damaged"):
        load_weights(str(file))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4:UserWarning")  # torch's, of the last one
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not really", b"\x80\x04K\x01."])
def test_what_is_no_checkpoint_is_corrupt(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(CheckpointCorrupt, match=r"x\.pt"):
        load_weights(str(tmp_path / "x.pt"))


def test_a_foreign_torch_file_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "x.pt")
    with pytest.raises(CheckpointCorrupt, match="not a Penstock checkpoint"):
        load_weights(str(tmp_path / "x.pt"))


@pytest.mark.parametrize("name", ["version", "weights_sha256", "model", "objective", "identity", "epoch", "step"])
@pytest.mark.parametrize("value", ["missing", None, "x", [1]])
def test_a_file_that_lacks_what_it_must_tell_is_damaged(saved: Path, tmp_path: Path, name: str, value: Any) -> None:
    told = torch.load(saved / "step-00000002.pt", weights_only=True)
    del told[name]
    if value != "missing":
        told[name] = value
    torch.save(told, tmp_path / "x.pt")
    if name == "objective" and value != "missing":
        assert load_weights(str(tmp_path / "x.pt")).objective == value
        return
    with pytest.raises(CheckpointMismatch if name == "version" else CheckpointCorrupt, match=r"x\.pt is "):
        load_weights(str(tmp_path / "x.pt"))


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_loading_runs_no_code_of_the_file(tmp_path: Path) -> None:
    torch.save({"format": "penstock.checkpoint", "model": _Evil(tmp_path / "ran")}, tmp_path / "x.pt")
    with pytest.raises(CheckpointCorrupt):
        load_weights(str(tmp_path / "x.pt"))
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickle.dumps(_Evil(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_nothing_there(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    with pytest.raises(ObjectNotFound, match=r"best\.json"):
        load_weights(str(tmp_path))
    with pytest.raises(ObjectNotFound, match=r"none\.pt"):
        load_weights(str(tmp_path / "none.pt"))


def test_a_full_disk_leaves_the_last_checkpoint(saved: Path) -> None:
    blobs = open_blobs(str(saved))

    class Full:
        read, locate, delete = staticmethod(blobs.read), staticmethod(blobs.locate), staticmethod(blobs.delete)

        def write(self, name: str, data: bytes) -> None:
            raise DiskFull(f"no space is left for {name}", fix="free some space")

    before = files(saved)
    with pytest.raises(DiskFull):
        Checkpoints(Full()).save(content(3), identity=IDENTITY, step=3, epoch=0)
    assert files(saved) == before
    assert load(saved) is not None
