"""Which recordings of a challenge's dataset are taken, and which releases and subjects are which split."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import penstock as library
from penstock.manifest.reader import ManifestReader
from penstock.train.checkpoint import load_weights
from support.cli import fails, penstock, succeed
from support.eeg import subjects_of, write_releases


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three releases, of three subjects each."""
    return write_releases(tmp_path_factory.mktemp("releases"), num_subjects=3)


def words(source: Path, out: Path, *options: str, split: str = "0.6,0.2,0.2", challenge: str = "c1") -> list[object]:
    given = [word for option in options for word in ("--option", option)]
    files = ("--manifest", out / "m.parquet", "--plan", out / "plan.json")
    return ["list", "--challenge", challenge, "--source", source, "--split", split, *files, *given]


def listed(
    source: Path, out: Path, *options: str, split: str = "0.6,0.2,0.2", challenge: str = "c1"
) -> dict[str, set[str]]:
    """Return the subjects of each split."""
    succeed(*words(source, out, *options, split=split, challenge=challenge))
    found = {}
    with ManifestReader(out / "m.parquet") as reader:
        assert reader.info.task == f"eeg-{challenge}"
        for part in reader.info.splits:
            rows = list(range(part.first_row, part.first_row + part.num_extents))
            found[part.name] = set(reader.take(rows).all_groups()) if rows else set()
    return found


@pytest.mark.parametrize("challenge", ["c1", "c2"])
def test_releases_are_splits(releases: Path, tmp_path: Path, challenge: str) -> None:
    options = ("train-releases=R1,R2", "test-releases=r3")

    found = listed(releases, tmp_path, *options, split="1,0,0", challenge=challenge)

    assert found["test"] == set(subjects_of(releases, "R3"))
    assert found["train"] == {*subjects_of(releases, "R1"), *subjects_of(releases, "R2")}


def test_what_releases_leave_open_is_cut_of_the_training_split(releases: Path, tmp_path: Path) -> None:
    found = listed(releases, tmp_path, "train-releases=R1,R2", "test-releases=R3", split="0.5,0.5,0")

    assert found["test"] == set(subjects_of(releases, "R3"))
    assert found["valid"]
    assert found["train"] | found["valid"] == {*subjects_of(releases, "R1"), *subjects_of(releases, "R2")}
    assert not found["train"] & found["valid"]


def test_subjects_are_splits_by_name_and_by_file(releases: Path, tmp_path: Path) -> None:
    first, second, third = subjects_of(releases, "R1")
    (tmp_path / "test.tsv").write_text(f"participant_id\tage\n{third}\t9\n# nobody\n\n")

    found = listed(
        releases,
        tmp_path,
        f"train-subjects={first.removeprefix('sub-')}",
        f"valid-subjects={second}",
        f"test-subjects={tmp_path / 'test.tsv'}",
        split="1,0,0",
    )

    assert found == {"train": {first}, "valid": {second}, "test": {third}}


def test_subjects_that_are_named_are_left_out_and_told(releases: Path, tmp_path: Path) -> None:
    gone = subjects_of(releases, "R2")[0]

    found = listed(releases, tmp_path, f"exclude-subjects=hbn,{gone}")

    assert gone not in set().union(*found.values())
    with ManifestReader(tmp_path / "m.parquet") as reader:
        assert any("exclude-subjects names this subject" in item.reason for item in reader.info.skipped)


def test_subjects_that_may_not_be_used_commercially_are_left_out(releases: Path, tmp_path: Path) -> None:
    rows = [line.split("\t") for path in releases.rglob("participants.tsv") for line in path.read_text().splitlines()]
    place = rows[0].index("commercial_use")
    allowed = {row[0] for row in rows if row[place].lower() == "yes"}

    found = listed(releases, tmp_path, "commercial-use=true")

    assert set().union(*found.values()) == allowed


def test_only_left_and_right_answer_where_that_is_asked_for(releases: Path, tmp_path: Path) -> None:
    for path in releases.rglob("*_events.tsv"):
        assert "_buttonPress" in path.read_text()
    every = sum(1 for _ in _keys(releases, tmp_path))
    table = next(iter(sorted(releases.rglob("*_events.tsv"))))
    before = table.read_text()
    table.write_text(before.replace("left_buttonPress", "up_buttonPress").replace("right_buttonPress", "x_buttonPress"))
    try:
        assert sum(1 for _ in _keys(releases, tmp_path)) == every
        left = sum(1 for _ in _keys(releases, tmp_path, "responses=left-right"))
    finally:
        table.write_text(before)
    assert 0 < left < every


def _keys(source: Path, out: Path, *options: str) -> list[str]:
    succeed(*words(source, out, *options, split="1,0,0"))
    with ManifestReader(out / "m.parquet") as reader:
        return list(reader.take(list(range(reader.info.num_extents))).keys)


def test_recordings_of_another_number_of_channels_are_left_out(releases: Path, tmp_path: Path) -> None:
    fails(32, "none of .* recordings has 129 channels: .* has 8", *words(releases, tmp_path, "num-channels=129"))
    assert set().union(*listed(releases, tmp_path, "num-channels=8").values())


@pytest.mark.parametrize(("options", "code", "told"), [
    (("test-releases=R1",), 2, "test split, but none to train on"),
    (("train-releases=R1", "test-releases=R1"), 2, "R1 is in two splits, train and test"),
    (("train-releases=R1", "train-subjects=NDARDEMO001"), 2, "both releases and subjects"),
    (("train-releases=R1,R9",), 22, "R9_L100_bdf is not there"),
    (("train-subjects=NDARNOBODY",), 30, "no recording of sub-NDARNOBODY"),
    (("train-subjects=./nowhere.txt",), 24, "nowhere.txt"),
    (("responses=middle",), 2, "responses is 'middle'"),
])  # fmt: skip
def test_what_cannot_be_is_refused(
    releases: Path, tmp_path: Path, options: tuple[str, ...], code: int, told: str
) -> None:
    fails(code, told, *words(releases, tmp_path, *options, split="1,0,0"))
    assert not (tmp_path / "m.parquet").exists()


def test_challenges_that_are_none_are_refused(releases: Path, tmp_path: Path) -> None:
    fails(2, "no challenge 'c3'", *words(releases, tmp_path, challenge="c3"))
    fails(2, "--challenge c1 beside --task", *words(releases, tmp_path), "--task", "eeg-c2")


def test_the_library_gives_releases_as_parts(releases: Path) -> None:
    dataset = library.eeg(releases, challenge="c1", train_releases=["R1"], test_releases="R2")

    train, test = dataset.part("train"), dataset.part("test")

    with test.loader(4, shuffle=False, window="1Mi") as loader:
        assert sum(len(targets) for _, targets in loader) > 0
    with train.loader(4, window="1Mi") as loader:
        assert next(iter(loader))[0].shape[1:] == (8, 200)


def test_small_releases_and_the_first_recordings_by_flags_files_and_the_library(releases: Path, tmp_path: Path) -> None:
    for name in ("R1", "R2"):
        shutil.copytree(releases / f"{name}_L100_bdf", tmp_path / "in" / f"{name}_L100_bdf")
        for subject in subjects_of(releases, name)[:2]:
            shutil.copytree(
                releases / f"{name}_L100_bdf" / subject, tmp_path / "in" / f"{name}_mini_L100_bdf" / subject
            )
    source, all_train = tmp_path / "in", "1,0,0"
    asked = words(source, tmp_path, split=all_train)
    for more, number in ((("--mini",), 4), (("--mini", "--max-files", 3), 3), (("--release", "R2", "--mini"), 2)):
        succeed(*asked, *more)
        with ManifestReader(tmp_path / "m.parquet") as reader:
            assert len({row.group for row in reader.rows("train")}) == number
    (tmp_path / "c.yaml").write_text("challenge: c1\nmini: true\nmax-files: 3\n")
    given = [word for word in asked if word not in ("--challenge", "c1")]
    succeed(*given, "--config", tmp_path / "c.yaml")
    with ManifestReader(tmp_path / "m.parquet") as reader:
        assert len({row.group for row in reader.rows("train")}) == 3
    few = library.eeg(source, challenge="c1", mini=True, max_files=1)
    with few.loader(4, shuffle=False, window="1Mi") as loader:
        assert 0 < sum(len(targets) for _, targets in loader) <= 8
    parts = words(source, tmp_path, "train-releases=R1", "test-releases=R2", split=all_train)
    succeed(*parts, "--mini")
    fails(2, "none of the first 2 recordings is of the test split: leave --max-files out", *parts, "--max-files", 2)
    fails(22, "R3_mini_L100_bdf is not there", *asked, "--mini", "--release", "R3")


def test_a_network_of_one_challenge_begins_that_of_the_other(releases: Path, tmp_path: Path) -> None:
    def learnt(task: str, out: Path, *more: object) -> str:
        files = ("--manifest", out / "m.parquet", "--plan", out / "p.json")
        option = ("--option", "event-values=left_target,right_target") if task == "eeg-events" else ()
        length = ("--option", "epoch-seconds=2") if task == "eeg-events" else ()
        succeed("list", "--source", releases, "--task", task, "--split", "0.5,0.2,0.3", *option, *length, *files)
        words = ("--epochs", 1, "--batch-size", 8, "--checkpoints", out / "c", "--record", out / "run.json")
        done = penstock("train", *files, *words, *more)
        assert done.returncode == 0, done.stderr
        return done.stderr

    still = ("--learning-rate", 1e-12, "--init-from", tmp_path / "c1" / "c")
    learnt("eeg-c1", tmp_path / "c1")
    for task, head in (("eeg-c2", ""), ("eeg-events", "head.weight")):
        told = learnt(task, tmp_path / task, *still)
        assert "tensors begin with the weights of" in told
        assert ("fresh, of another shape there: head.weight" in told) == bool(head)
        before, after = (load_weights(str(tmp_path / name / "c")).model for name in ("c1", task))
        kept = [name for name in before if name.endswith("weight") and not (head and name.startswith("head"))]
        assert len(kept) >= 4
        assert all(((before[name] - after[name]).abs() < 1e-5).all() for name in kept)


def test_signals_are_worked_on_alike_by_the_library_and_the_steps(releases: Path, tmp_path: Path) -> None:
    options = ("channels=E3,E1", "reference=average", "band-pass=2-20", "notch=30", "resample=50", "normalize=none")
    listed(releases, tmp_path, *options)
    dataset = library.eeg(
        *(releases,),
        challenge="c1",
        channels=["E3", "E1"],
        reference="average",
        band_pass="2-20",
        notch="30",
        resample=50,
        normalize="none",
    )

    with dataset.loader(8, shuffle=False, window="4Mi") as loader:
        inputs = np.concatenate([batch for batch, _ in loader])
    with ManifestReader(tmp_path / "m.parquet") as reader:
        num_listed = reader.info.num_samples

    assert inputs.shape == (num_listed, 2, 100)
    power = np.abs(np.fft.rfft(inputs * np.hanning(100))) ** 2
    assert power[..., 48:].mean() < 1e-2 * power[..., 6:36].mean()  # 24 Hz and more, of what is 3 to 18 Hz


def test_the_kits_training_of_challenge_2_runs_from_its_file(releases: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/eeg.md").read_text()
    block = page.partition("`penstock run --config c2.yaml`:\n\n")[2].partition("\n## ")[0]
    lines = [line.strip() for line in block.splitlines() if line.strip() and "region" not in line]
    text = "\n".join(line for line in lines if "anonymous" not in line)
    text = text.replace("s3://nmdatasets/NeurIPS25", str(releases)).replace("runs/c2", str(tmp_path / "out"))
    (tmp_path / "c2.yaml").write_text(text.replace("2Gi", "1Mi").replace("0.8,0.1,0.1", "0.4,0.3,0.3"))

    said = succeed("run", "--config", tmp_path / "c2.yaml", "--epochs", 1)

    assert "nrmse" in said
