"""A second domain of EEG by releases and subjects, whose labels are not told, and what is trained with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.manifest.reader import ManifestReader
from support.cli import fails, succeed
from support.eeg import subjects_of, write_releases

TARGETS = ("train-releases=R1,R2", "target-releases=R3")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three releases, of four subjects each."""
    return write_releases(tmp_path_factory.mktemp("releases"), num_subjects=4)


def words(source: Path, out: Path, *options: str, task: str = "eeg-c1", split: str = "0.4,0.3,0.3") -> list[object]:
    given = [word for option in options for word in ("--option", option)]
    files = ("--manifest", out / "m.parquet", "--plan", out / "plan.json")
    return ["list", "--task", task, "--source", source, "--split", split, *files, *given]


def parts(manifest: Path) -> dict[str, list[tuple[str, float | None]]]:
    """Return subject and target of each sample, by split."""
    found = {}
    with ManifestReader(manifest) as reader:
        for part in (each for each in reader.info.splits if each.num_samples):
            found[part.name] = [(row.group, row.targets[0]) for row in reader.rows(part.name)]
    return found


@pytest.mark.parametrize("task", ["eeg-c1", "eeg-c2", "eeg-events"])
def test_labels_of_target_releases_are_not_in_what_is_trained_on(releases: Path, tmp_path: Path, task: str) -> None:
    option = ("event-values=left_target,right_target",) if task == "eeg-events" else ()
    said = succeed(*words(releases, tmp_path, *TARGETS, *option, task=task))

    found, target = parts(tmp_path / "m.parquet"), set(subjects_of(releases, "R3"))
    assert {who for who, known in found["train"] if known is None} <= target
    assert {who for who, known in found["train"] if known is not None} <= set(subjects_of(releases, "R1")) | set(
        subjects_of(releases, "R2")
    )
    assert any(known is None for _, known in found["train"])
    assert {who for who, _ in found["test"]} <= target
    assert not {who for who, _ in found["valid"]} & target
    assert all(known is not None for name in ("valid", "test") for _, known in found[name])
    assert {who for split in found.values() for who, _ in split} >= target
    assert "target domain" in said


def test_labels_of_the_target_do_not_matter(releases: Path, tmp_path: Path) -> None:
    """Of subjects too, and where it has no labels at all."""
    target = subjects_of(releases, "R3")
    options = (
        f"train-subjects={','.join(subjects_of(releases, 'R1'))}",
        f"target-subjects={','.join(target)}",
    )
    succeed(*words(releases, tmp_path, *options, task="eeg-c2", split="0.5,0.5,0"))
    before = parts(tmp_path / "m.parquet")
    table = releases / "R3_L100_bdf/participants.tsv"
    text = table.read_text()
    table.write_text("participant_id\n" + "".join(f"{line.split(chr(9))[0]}\n" for line in text.splitlines()[1:]))
    try:
        succeed(*words(releases, tmp_path, *options, task="eeg-c2", split="0.5,0.5,0"))
    finally:
        table.write_text(text)

    assert parts(tmp_path / "m.parquet") == before
    assert {who for who, known in before["train"] if known is None} == set(target)


@pytest.mark.parametrize("method", ["dann", "mmd", "coral"])
def test_each_trains_and_is_evaluated_on_the_target(releases: Path, tmp_path: Path, method: str) -> None:
    files = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json")
    succeed(*words(releases, tmp_path, *TARGETS))
    learning = ("--epochs", 2, "--batch-size", 16, "--adapt", method, "--adapt-weight", 0.5)
    succeed("train", *files, *learning, "--checkpoints", tmp_path / "c", "--record", tmp_path / "run.json")

    record = json.loads((tmp_path / "run.json").read_text())
    assert record["config"]["adapt"] == method
    succeed("evaluate", *files, "--checkpoint", tmp_path / "c", "--split", "test", "--metrics", tmp_path / "e.json")
    assert json.loads((tmp_path / "e.json").read_text())["metrics"]["nrmse"]["value"] > 0


@pytest.mark.parametrize(("options", "split", "code", "told"), [
    (("target-releases=R3",), "1,0,0", 2, "none to train on"),
    (("train-releases=R1", "target-releases=R1"), "1,0,0", 2, "R1 is in two splits, train and target"),
    (("train-releases=R1", "target-subjects=NDARDEMO001"), "1,0,0", 2, "both releases and subjects"),
    (("train-releases=R1", "target-releases=R9"), "1,0,0", 22, "R9_L100_bdf is not there"),
    (TARGETS, "0,0,1", 2, "."),
])  # fmt: skip
def test_domains_that_cannot_be_are_refused(
    releases: Path, tmp_path: Path, options: tuple[str, ...], split: str, code: int, told: str
) -> None:
    fails(code, told, *words(releases, tmp_path, *options, split=split))


def test_few_recordings_and_splits_by_sample_are_refused(releases: Path, tmp_path: Path) -> None:
    fails(2, "first 2 recordings is of the target", *words(releases, tmp_path, *TARGETS), "--max-files", 2)
    fails(2, "--split-by sample", *words(releases, tmp_path, *TARGETS), "--split-by", "sample")


def test_there_is_nothing_to_adapt_to_without_a_target(releases: Path, tmp_path: Path) -> None:
    succeed(*words(releases, tmp_path))
    files = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json")
    out = ("--checkpoints", tmp_path / "c", "--record", tmp_path / "run.json")
    fails(2, "listed without a target domain", "train", *files, "--adapt", "coral", *out)
