"""Splits as `penstock list` makes them: stable, told, and refused where one is empty or cannot teach anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock.errors import ConfigError, MissingLabel
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.steps import listing
from penstock.steps.options.listing import ListOptions
from support.bids import Bids
from support.eeg import write_eeg
from support.options import config_of

THIRDS = "0.4,0.3,0.3"


def listed(source: Path, out: Path, *words: str, task: str = "eeg-c1") -> tuple[ManifestInfo, dict[str, str]]:
    """List in this process; give what the manifest says, and each group's split."""
    files = ["--manifest", str(out / "m.parquet"), "--plan", str(out / "plan.json")]
    asked = ["--source", str(source), "--task", task, *files, *words]
    assert listing.run(config_of(ListOptions, *asked)) == 0
    with ManifestReader(out / "m.parquet") as reader:
        names = [split.name for split in reader.info.splits if split.num_samples]
        rows = [(sample, name) for name in names for sample in reader.rows(name)]
        found = {sample.key if "sample" in words else sample.group: name for sample, name in rows}
        return reader.info, found


@pytest.fixture
def bids(tmp_path: Path) -> Bids:
    return Bids(folder=tmp_path / "data", rate=20, num_channels=1)


def participants(bids: Bids, root: str, scores: dict[str, float]) -> None:
    rows = [f"{subject}\t{score}" for subject, score in scores.items()]
    bids.put(f"{root}participants.tsv", "\n".join(["participant_id\texternalizing", *rows, ""]))


def test_subjects_and_releases_that_are_added_move_nobody_and_both_challenges_agree(bids: Bids, tmp_path: Path) -> None:
    before: dict[str, str] = {}
    for release, names in (("R1", "ABCDEFG"), ("R2", "HIJ"), ("R3", "KL0123")):
        root = f"{release}_L100_bdf/"
        for name in names:
            bids.with_trials(f"sub-{name}", root=root)
        participants(bids, root, {f"sub-{name}": float(ord(name)) for name in names})
        # A subject without the label, and one without a trial: neither moves anybody.
        bids.with_trials(f"sub-un{release}", root=root)
        bids.events(f"sub-un{release}", [(1.0, "contrastTrial_start")], root=root)
        c1 = listed(bids.folder, tmp_path / "c1", "--split", THIRDS, "--seed", "1")[1]
        c2 = listed(bids.folder, tmp_path / "c2", "--split", THIRDS, "--seed", "1", task="eeg-c2")[1]
        assert c1 == c2
        assert set(c1.values()) == {"train", "valid", "test"}
        assert before.items() <= c1.items()
        before = c1
    assert len(before) == 16


def test_samples_that_are_split_one_by_one_stay_where_they_were(bids: Bids, tmp_path: Path) -> None:
    words = ("--split-by", "sample", "--split", THIRDS)
    bids.with_trials("sub-A", root="R1_L100_bdf/")
    bids.with_trials("sub-B", root="R1_L100_bdf/")
    before = listed(bids.folder, tmp_path / "o", *words)[1]
    bids.with_trials("sub-A", root="R2_L100_bdf/")
    after = listed(bids.folder, tmp_path / "o", *words)[1]
    assert len(after) == 9
    assert before.items() <= after.items()


def test_an_empty_split_is_refused_with_the_seed_that_fills_it(bids: Bids, tmp_path: Path) -> None:
    for name in "ABC":
        bids.with_trials(f"sub-{name}")
    for name in "DEFGH":  # subjects without any sample fill no split
        bids.recording(f"sub-{name}")
        bids.events(f"sub-{name}", [(1.0, "contrastTrial_start")])
    with pytest.raises(ConfigError, match=r"9 samples in 3 groups, each .* whole: .*--seed") as caught:
        listed(bids.folder, tmp_path / "o")
    assert not (tmp_path / "o" / "m.parquet").exists()
    seed = re.search(r"--seed (\d+)", str(caught.value))
    assert seed is not None
    info, _ = listed(bids.folder, tmp_path / "o", "--seed", seed[1])
    assert [split.num_groups for split in info.splits] == [1, 1, 1]


def test_too_few_subjects_are_told_what_is_left_to_do(bids: Bids, tmp_path: Path) -> None:
    bids.with_trials("sub-A")
    with pytest.raises(ConfigError, match=r"1 cannot fill 3 splits.*--split-by sample.*--split 1,0,0"):
        listed(bids.folder, tmp_path / "o")
    info, _ = listed(bids.folder, tmp_path / "o", "--split", "1,0,0")
    assert [split.num_samples for split in info.splits] == [3, 0, 0]


@pytest.mark.parametrize("num_subjects", [3, 4, 6])
def test_the_generated_dataset_fills_every_split_whatever_its_size(tmp_path: Path, num_subjects: int) -> None:
    data = write_eeg(tmp_path / "data", num_subjects=num_subjects, num_trials=3, num_channels=2)
    info, _ = listed(data, tmp_path / "o")
    assert all(split.num_groups for split in info.splits)


def test_what_came_out_is_told_beside_what_was_asked(
    bids: Bids, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ABCDEFG":
        bids.with_trials(f"sub-{name}")
    info, _ = listed(bids.folder, tmp_path / "o", "--split", THIRDS, "--seed", "1")
    told = capsys.readouterr().out
    for split, asked in zip(info.splits, (40, 30, 30), strict=True):
        share = 100 * split.num_samples / 21
        line = rf"{split.name} +{split.num_samples} samples +{split.num_groups} groups? .*{share:.1f} % where {asked} %"
        assert re.search(line, told), told


# In floats, 0.1 three times has a standard deviation of 1.4e-17, and times taken from each other differ by 1e-16.
@pytest.mark.parametrize("reactions", [(1.0, 1.0, 1.0), (0.1, 0.1, 0.1), (0.3, 0.3, 0.3)])
def test_a_constant_target_is_refused_before_any_training(
    bids: Bids, tmp_path: Path, reactions: tuple[float, ...]
) -> None:
    for name in "ABCDEFG":
        bids.with_trials(f"sub-{name}", reactions)
    with pytest.raises(
        MissingLabel, match=r"all \d+ samples of the training split.*have the target .*nothing to learn"
    ):
        listed(bids.folder, tmp_path / "o", "--split", THIRDS, "--seed", "1")


def test_a_constant_target_of_another_split_is_told(
    bids: Bids, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ABC":
        bids.with_trials(f"sub-{name}")
    participants(bids, "", {"sub-A": 1.0, "sub-B": 2.5, "sub-C": 2.5})
    for seed in range(50):
        words = ("--split", "0.6,0.4,0", "--seed", str(seed))
        try:
            _, splits = listed(bids.folder, tmp_path / "o", *words, task="eeg-c2")
        except (ConfigError, MissingLabel):
            continue
        if splits["sub-A"] == "train" and list(splits.values()).count("valid") == 1:
            break
    assert re.search(r"note: valid: all \d+ targets are 2\.5, so nrmse is undefined there", capsys.readouterr().out)


def test_classes_that_a_split_lacks_are_told(bids: Bids, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ABCDEFG":
        values = ["left", "right"] * 3 if name != "A" else ["left"] * 6
        bids.events(f"sub-{name}", [(1.0 + 2 * i, value) for i, value in enumerate(values)])
        bids.recording(f"sub-{name}")
    for seed in range(50):
        try:
            _, splits = listed(bids.folder, tmp_path / "o", "--split", THIRDS, "--seed", str(seed), task="eeg-events")
        except ConfigError:
            continue
        if list(splits.values()).count(splits["sub-A"]) == 1:
            break
    split = splits["sub-A"]
    assert split == "train" or f"note: {split}: all 6 samples are of the class left" in capsys.readouterr().out


def test_samples_that_are_too_few_are_not_to_be_split_one_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in "ab":
        (folder / name).mkdir(parents=True)
        (folder / name / "x").write_bytes(b"x")
    (tmp_path / "o").mkdir()
    with pytest.raises(ConfigError, match=r"2 samples in 2 groups.*: 2 cannot fill 3 splits: ") as refused:
        listed(folder, tmp_path / "o", task="objects")
    assert refused.value.fix.endswith("take more groups, or ask for fewer splits, like --split 0.7,0.3,0")
