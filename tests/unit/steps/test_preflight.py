"""What later steps need is found out before any of them begins: by the probe, `train` and `evaluate`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from penstock.cli import main
from penstock.errors import ConfigError, MissingLabel, PenstockError, WindowTooSmall
from penstock.loader import Decoding, WindowStream
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.manifest.listed import Listed
from penstock.records import Plan, read_record
from penstock.steps._shared.preflight import Intended, Room, check_fit, fitting_batch, misfits
from penstock.units import KIB, MIB
from penstock.window.geometry import plan_geometry
from support.eeg import write_eeg
from support.many import Records, make_many_dataset

Step = Callable[..., int]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with manifest and plan of a dataset of 8 channels, 2 s, 4800 bytes a sample."""
    folder = tmp_path_factory.mktemp("made")
    data = write_eeg(folder / "data", num_trials=12, num_subjects=8)
    words = ["--source", data, "--task", "eeg-c1", "--split", "0.5,0.25,0.25"]
    words += ["--manifest", folder / "m.parquet", "--plan", folder / "p.json"]
    assert main(["list", *map(str, words)]) == 0
    return folder


@pytest.fixture(scope="module")
def info(made: Path) -> ManifestInfo:
    with ManifestReader(made / "m.parquet") as reader:
        return reader.info


@pytest.fixture(scope="module")
def plan(made: Path) -> Plan:
    return read_record(made / "p.json", Plan)


@pytest.fixture
def step(made: Path, tmp_path: Path) -> Step:
    """Do a step on the manifest in this process; give its exit code, and see that it took no time."""

    def do(name: str, *words: object) -> int:
        given = {"prefetch": (), "train": ("--record", tmp_path / "run.json", "--epochs", 1, "--threads", 1)}
        given["evaluate"] = ("--metrics", tmp_path / "e.json", "--checkpoint", tmp_path / "checkpoints")
        told = [name, "--manifest", made / "m.parquet", "--plan", made / "p.json", *given[name], *words]
        try:
            return main([str(word) for word in told])
        except SystemExit as stopped:
            return int(str(stopped.code))

    return do


def wanted(**changes: object) -> Intended:
    fields: dict[str, object] = {"room": Room(window_bytes=16 * MIB), "batch_size": 64, "workers": 2, "model": "small"}
    return Intended(**{**fields, "evaluated": "test", **changes})  # type: ignore[arg-type]


def listed(info: ManifestInfo, plan: Plan, manifest: Path = Path("not-looked-at")) -> Listed:
    return Listed(manifest=manifest, info=info, plan=plan)


def without(info: ManifestInfo, split: str) -> ManifestInfo:
    splits = [msgspec.structs.replace(s, num_samples=0) if s.name == split else s for s in info.splits]
    return msgspec.structs.replace(info, splits=tuple(splits))


def targets(info: ManifestInfo, mean: float | None, std: float | None) -> ManifestInfo:
    splits = (msgspec.structs.replace(split, target_mean=mean, target_std=std) for split in info.splits)
    return msgspec.structs.replace(info, splits=tuple(splits))


def large(info: ManifestInfo) -> ManifestInfo:
    return msgspec.structs.replace(info, max_extent_bytes=300 * KIB)


def same(info: ManifestInfo) -> ManifestInfo:
    return info


MISFITS = [
    ("a batch in a window, for workers", large, {"batch_size": 64}, WindowTooSmall, "64 samples of up to 300.0 KiB"),
    ("a sample in a window", large, {"room": Room(window_bytes=600 * KIB)}, WindowTooSmall, "one|64 samples"),
    ("beside a manifest", same, {"room": Room(window_bytes=4 * MIB, reserved_bytes=4 * MIB)}, WindowTooSmall, "4.0 Mi"),
    ("a sample for evaluation alone", large, {"room": Room(window_bytes=350 * KIB), "batch_size": None, "model": None},
     WindowTooSmall, "one sample of 300.0 KiB"),
    ("a split to train on", lambda i: without(i, "train"), {}, ConfigError, "'train' has no samples to train on"),
    ("a split to evaluate on", lambda i: without(i, "test"), {}, ConfigError, "'test' has no samples to evaluate on"),
    ("a split that there is not", lambda i: msgspec.structs.replace(i, splits=i.splits[:2]), {}, ConfigError, "'test'"),
    ("targets", lambda i: targets(i, None, None), {}, MissingLabel, "no sample of the training split has a target"),
    ("targets that differ", lambda i: targets(i, 1.0, 0.0), {}, MissingLabel, "nothing to learn"),
    ("a shape for the model", lambda i: msgspec.structs.replace(i, shape=(8, 20)), {}, ConfigError, r"shape \(8, 20\)"),
    ("a known model", same, {"model": "resnet"}, ConfigError, "'eeg-c1' has no model 'resnet': choose one of: small"),
    ("a model that was misspelt", same, {"model": "smal"}, ConfigError, r"did you mean small\? choose"),
    ("a model of one's own", same, {"model": "nowhere.to:find"}, ConfigError, "there is no package 'nowhere'"),
    ("a name of one's own", same, {"model": "a b:c"}, ConfigError, "write it like package.module:factory"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "wishes", "kind", "told"), [row[1:] for row in MISFITS], ids=[r[0] for r in MISFITS]
)
def test_each_misfit_is_found(
    info: ManifestInfo,
    plan: Plan,
    change: Callable[[ManifestInfo], ManifestInfo],
    wishes: dict[str, object],
    kind: type[PenstockError],
    told: str,
) -> None:
    with pytest.raises(PenstockError, match=told) as found:
        check_fit(listed(change(info), plan), wanted(**wishes))
    assert type(found.value) is kind
    assert found.value.fix


def test_what_fits_is_let_through(info: ManifestInfo, plan: Plan) -> None:
    assert list(misfits(listed(info, plan), wanted())) == []
    assert list(misfits(listed(large(info), plan), wanted(workers=0))) == []
    assert list(misfits(listed(without(info, "valid"), plan), wanted())) == []


def test_all_misfits_are_told_at_once(info: ManifestInfo, plan: Plan) -> None:
    bad = msgspec.structs.replace(without(large(info), "test"), shape=(8, 20))
    with pytest.raises(ConfigError, match=r"3 things do not fit: \(1\).*\(2\).*\(3\)") as found:
        check_fit(listed(bad, plan), wanted())
    for told in ("300.0 KiB", "'test'", "(8, 20)", "--window-size of at least"):
        assert told in found.value.what


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("window_bytes", [600 * KIB, 1 * MIB, 3 * MIB, 16 * MIB, 256 * MIB])
def test_an_evaluation_takes_the_largest_batch_that_fits(
    info: ManifestInfo, plan: Plan, workers: int, window_bytes: int
) -> None:
    room, big = Room(window_bytes=window_bytes), msgspec.structs.replace(info, max_extent_bytes=100 * KIB)
    size = fitting_batch(listed(big, plan), wanted(room=room, workers=workers), split="test", at_most=128)
    assert 1 <= size <= 128
    assert size == 128 or workers
    assert list(misfits(listed(big, plan), wanted(room=room, batch_size=size, workers=workers))) == []
    if size < 128:
        assert list(misfits(listed(big, plan), wanted(room=room, batch_size=size + 1, workers=workers)))


@pytest.mark.parametrize("window_bytes", [256 * KIB, 320 * KIB, 512 * KIB])
def test_an_evaluation_of_extents_of_many_samples_takes_what_its_window_holds(
    tmp_path: Path, window_bytes: int
) -> None:
    """Of unequal extents of 8 to 12 KiB a batch needs those that it lies in, not one a sample."""
    data = make_many_dataset(tmp_path, counts=[5], valid=[8 + number % 5 for number in range(40)], sample_bytes=1024)
    asked = wanted(room=Room(window_bytes=window_bytes))
    size = fitting_batch(listed(data.info, data.plan, data.manifest), asked, split="valid", at_most=128)
    assert size > 1

    def extents_at_once(batch_size: int) -> int:
        options = {"decoding": Decoding(decode=Records(tmp_path / "log"), collate=list), "num_workers": 2}
        stream = WindowStream(
            folder=tmp_path / "window",
            manifest=data.manifest,
            info=data.info,
            plan=data.plan,
            splits=[("valid", False)],
            batch_size=batch_size,
            num_epochs=1,
            **options,  # type: ignore[arg-type]
        )
        return stream._settings.spec.batch_extents

    def fits(batch_size: int) -> bool:
        try:
            plan_geometry(
                window_bytes=window_bytes,
                max_extent_bytes=data.info.max_extent_bytes,
                max_description_bytes=data.info.max_description_bytes,
                batch_extents=extents_at_once(batch_size),
            )
        except WindowTooSmall:
            return False
        return True

    assert fits(size)
    assert size == 128 or not fits(size + 1)


def test_not_even_one_sample(info: ManifestInfo, plan: Plan) -> None:
    asked = wanted(room=Room(window_bytes=350 * KIB))
    with pytest.raises(WindowTooSmall, match=r"one sample of 300.0 KiB"):
        fitting_batch(listed(large(info), plan), asked, split="test", at_most=128)


PROBED = [
    (["--window-size", "300Ki", "--workers", 2, "--batch-size", 64], 4, "64 samples of up to"),
    (["--batch-size", 16, "--run-root", "FILE/x", "--run-id", "r"], 52, "FILE"),
    (
        ["--window-size", "300Ki", "--workers", 2, "--batch-size", 64, "--run-root", "FILE/x", "--run-id", "r"],
        2,
        "2 things",
    ),
    (["--workers", -1], 2, "'-1'"),
    (["--model", "resnet"], 2, "resnet"),
    (["--evaluate-split", "dev"], 2, "dev"),
]


@pytest.mark.parametrize(("words", "code", "told"), PROBED)
def test_the_probe_finds_it(
    step: Step, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[object], code: int, told: str
) -> None:
    file = tmp_path / "FILE"
    file.write_text("not a folder")
    begun = time.process_time()
    assert step("prefetch", *(str(word).replace("FILE", str(file)) for word in words)) == code
    assert time.process_time() - begun < 3
    assert told in capsys.readouterr().err


def test_the_probe_warns_of_a_node_without_a_price(step: Step, capsys: pytest.CaptureFixture[str]) -> None:
    assert step("prefetch", "--instance-type", "g5.3xlarge", "--samples", 1, "--evaluate-split", "test") == 0
    assert "did you mean g5." in capsys.readouterr().err


PLACES = ["--checkpoints=FILE/c", "--record=FILE/r.json", "--checkpoint-out=FILE/o.pt", "--run-root=FILE --run-id=r"]


@pytest.mark.parametrize("words", PLACES)
def test_a_trainer_looks_where_it_is_to_write(
    step: Step, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    file = tmp_path / "FILE"
    file.write_text("not a folder")
    more = [] if "run-root" in words or "--checkpoints" in words else ["--checkpoints", tmp_path / "c"]
    assert step("train", *words.replace("FILE", str(file)).split(), *more) == 52
    said = capsys.readouterr().err
    assert str(file) in said
    assert "started" not in said


def test_an_evaluation_fits_its_batch_into_the_window_of_its_training(step: Step, tmp_path: Path) -> None:
    """A window that holds a batch of 4 for workers, and none of 128."""
    window = ("--window-size", "600Ki", "--workers", 1)
    assert step("train", "--checkpoints", tmp_path / "checkpoints", "--batch-size", 4, *window) == 0
    assert step("evaluate", *window, "--prefetch", "process") == 0
    assert (tmp_path / "e.json").exists()


def test_an_evaluation_looks_where_it_is_to_write(
    step: Step, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "FILE").write_text("not a folder")
    assert step("evaluate", "--plot", tmp_path / "FILE" / "x.svg") == 52
    assert "started" not in capsys.readouterr().err
