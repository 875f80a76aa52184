"""``penstock.images`` and ``penstock.eeg`` in a training loop of one's own."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock.errors import ConfigError, MissingLabel, ObjectNotFound, PenstockError
from penstock.stream.words import python_words
from penstock.tasks.registry import get_task
from support.eeg import write_eeg
from support.images import CLASSES, write_class_folders, write_labelled

pytestmark = pytest.mark.usefixtures("children_are_forked")

COUNT = 60


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_class_folders(tmp_path_factory.mktemp("folders"), COUNT)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_labelled(tmp_path_factory.mktemp("labelled"), COUNT)
    head, *rows = (folder / "labels.tsv").read_text().splitlines()
    parts = ["train", "train", "val", "train", "test"]
    written = [f"{row}\t{parts[number // 12]}" for number, row in enumerate(rows)]
    (folder / "labels.tsv").write_text("\n".join([f"{head}\tpart", *written, ""]))
    return folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eeg(tmp_path_factory.mktemp("eeg"), num_trials=6, num_channels=4, num_subjects=5)


def keys_of(dataset: penstock.Dataset, tmp_path: Path) -> dict[str, list[tuple[str, str]]]:
    from penstock.manifest import ManifestReader

    dataset.manifest(tmp_path / "m")
    with ManifestReader(tmp_path / "m") as reader:
        return {
            part.name: [(row.key, row.group) for row in reader.rows(part.name)]
            for part in reader.info.splits
            if part.num_samples
        }


@pytest.mark.parametrize("workers", [0, 2])
def test_images_of_class_folders(folders: Path, workers: int) -> None:
    dataset = penstock.images(folders, size=16)
    with dataset.loader(16, window="2Mi", workers=workers, epochs=1) as loader:
        batches = list(loader)
        assert loader.classes == tuple(sorted(CLASSES)) == dataset.manifest().classes
    pictures, labels = (torch.cat(each) for each in zip(*batches, strict=True))
    assert pictures.shape == (COUNT, 3, 16, 16)
    assert pictures.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert torch.bincount(labels).tolist() == [len(list((folders / name).iterdir())) for name in sorted(CLASSES)]


def test_chance_is_of_the_part_for_training_alone_and_the_same_for_any_workers(folders: Path) -> None:
    train, valid = penstock.images(folders, size=16, augment="flip,crop").split(valid=0.3)

    def two_epochs(part: penstock.Dataset, workers: int) -> list[torch.Tensor]:
        with part.loader(100, window="8Mi", workers=workers, shuffle=False, epochs=2) as loader:
            return [next(iter(loader))[0].clone() for _ in range(2)]

    (first, second), again = two_epochs(train, 0), two_epochs(train, 1)
    assert not first.equal(second)
    assert first.equal(again[0])
    assert second.equal(again[1])
    first, second = two_epochs(valid, 0)
    assert first.equal(second)


def test_images_by_a_table_and_its_splits(labelled: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"labels": "labels.tsv", "size": 16, "group": "patient"}
    whole = penstock.images(labelled, **asked, split="part")
    with pytest.raises(ConfigError, match=r"parts of its own: take one, like part\(\"train\"\), or split it"):
        whole.loader()
    sizes = []
    for name in ("train", "valid", "test"):
        with whole.part(name).loader(64, window="2Mi") as loader:  # type: ignore[arg-type]
            sizes.append(loader.num_samples)
    assert sizes == [36, 12, 12]
    with pytest.raises(ConfigError, match="is a part of one already"):
        whole.part("train").split(valid=0.1)
    found = keys_of(penstock.images(labelled, **asked).split(valid=0.4, seed=3)[0], tmp_path)
    groups = [{group for _, group in rows} for rows in found.values()]
    assert len(groups) == 2
    assert not groups[0] & groups[1]
    by_label = keys_of(
        penstock.images(labelled, labels="labels.tsv").split(valid=0.4, by="patient", seed=3)[0], tmp_path
    )
    assert by_label == found


@pytest.mark.parametrize("challenge", ["c1", "c2", "events"])
def test_eeg(recordings: Path, tmp_path: Path, challenge: Any) -> None:
    dataset = penstock.eeg(recordings, challenge=challenge)
    train, valid = dataset.split(valid=0.4, seed=1)
    with valid.loader(8, window="2Mi", epochs=1) as loader:
        arrays, targets = next(iter(loader))
        assert bool(loader.classes) == (challenge == "events")
    assert arrays.dtype == torch.float32
    assert arrays.shape[1:] == torch.Size(train.manifest().shape)
    assert targets.dtype == (torch.int64 if challenge == "events" else torch.float32)
    found = keys_of(train, tmp_path)
    subjects = [{group for _, group in rows} for rows in found.values()]
    assert len(subjects) == 2
    assert not subjects[0] & subjects[1]
    assert keys_of(dataset.split(valid=0.4, seed=1, by="subject")[0], tmp_path) == found
    some = dataset.where(lambda key: "sub" in key and not key.endswith("1"))
    assert 0 < some.manifest().num_samples < dataset.manifest().num_samples


def test_values_are_those_that_the_task_decodes(recordings: Path) -> None:
    dataset = penstock.eeg(recordings, challenge="c1", normalize="microvolts", epoch_seconds=1.5)
    with dataset.loader(4, window="2Mi", shuffle=False, collate=list) as loader:
        array, target = next(iter(loader))[0]
    assert array.shape == (4, 150)
    assert isinstance(target, np.float32)
    assert 0 < target < 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: penstock.images(folder, size=3), "size is 3: give a whole number from 16"),
        (lambda folder: penstock.images(folder, channels=2), "channels is 2"),
        (lambda folder: penstock.images(folder, fit="round"), "fit is 'round'"),
        (lambda folder: penstock.images(folder, augment="spin"), "augment is 'spin'"),
        (lambda folder: penstock.images(folder, classes=["a,b"]), "classes "),
        (lambda folder: penstock.images(folder, split_folders=3), "split_folders 3"),
        (lambda folder: penstock.images(folder, path="file").manifest(), "path means nothing here: give labels= as"),
        (lambda folder: penstock.images(folder, class_folder="inner").manifest(), "class_folder is 'inner'"),
        (lambda folder: penstock.images(folder, classes="cat,across").manifest(), "no image is of the class cat"),
        (lambda folder: penstock.images(folder, labels="x.csv").manifest(), "no x.csv in .*, where labels= has"),
        (lambda folder: penstock.images(folder, match=[]), r"match \[\]"),
        (lambda folder: penstock.images(folder).part("train"), "has no parts of its own"),
        (lambda folder: penstock.images(folder).split(valid=0.5, by="patient"), "by 'patient'"),
        (lambda folder: penstock.images(folder).select("x"), "nothing can be selected"),
        (lambda folder: penstock.images(folder, endpoint_url=3), "endpoint_url 3"),
        (lambda folder: penstock.eeg(folder, challenge="c3"), "challenge 'c3'"),
        (lambda folder: penstock.eeg(folder, challenge="c2", epoch_start=1), "epoch_start means nothing to .*'c2'"),
        (lambda folder: penstock.eeg(folder, challenge="c1", releases=[3]), r"releases \[3\]"),
        (lambda folder: penstock.eeg(folder, challenge="c1", max_files=0), "max_files 0"),
        (lambda folder: penstock.eeg(folder, challenge="c1", mini=3), "mini 3"),
        (lambda folder: penstock.eeg(folder, challenge="c1", epoch_seconds=-1).manifest(), "epoch_seconds is -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_told_by_the_name_of_the_argument(folders: Path, make: Any, message: str) -> None:
    with pytest.raises(PenstockError, match=message) as raised:
        make(folders)
    assert "--" not in str(raised.value)


def test_labels_that_do_not_fit_are_told_in_words_of_python(labelled: Path) -> None:
    with pytest.raises(PenstockError, match=r"labels\.tsv") as raised:
        penstock.images(labelled, labels="labels.tsv", path="file").manifest()
    assert "--" not in str(raised.value)
    assert "path=" in str(raised.value)
    rows = (labelled / "labels.tsv").read_text().splitlines()
    (labelled / "few.tsv").write_text("\n".join(rows[:40]))
    with pytest.raises(MissingLabel, match="unmatched_share="):
        penstock.images(labelled, labels=labelled / "few.tsv").manifest()
    with pytest.raises(ObjectNotFound):
        penstock.images(labelled, labels="labels.tsvx").manifest()


@pytest.mark.parametrize("task", ["images", "eeg-c1", "eeg-c2", "eeg-events"])
def test_every_option_of_a_task_is_told_as_an_argument(task: str) -> None:
    face = penstock.images if task == "images" else penstock.eeg
    arguments = inspect.signature(face).parameters
    for option in get_task(task).options:
        flag = option.name.replace("_", "-")
        for text in (f"--option {flag}=", f"the option {flag} is", f"choose it with {flag}" if "-" in flag else ""):
            told = python_words(text)
            assert "--" not in told
            assert "option" not in told
            assert not text or any(name in told for name in arguments)
            assert flag not in told or "-" not in flag


@pytest.mark.parametrize(
    ("asked", "reasons"),
    [
        ({"match": "*.png"}, {"not like *.png"}),
        ({"classes": sorted(CLASSES)[:2]}, {"not of the classes asked for, but of"}),
        ({}, set()),
    ],
)
def test_what_a_person_has_left_out_is_no_warning(
    folders: Path, caplog: pytest.LogCaptureFixture, asked: dict[str, Any], reasons: set[str]
) -> None:
    with penstock.images(folders, **asked).loader(8, window="2Mi", epochs=1) as loader:
        found = {each.reason for each in loader.left_out}
    assert all(each.startswith(tuple(reasons)) for each in found)
    assert len(found) == len(reasons)
    assert not caplog.records


def test_the_table_of_labels_is_nothing_left_out_and_other_files_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_labelled(tmp_path / "labelled", 12)
    dataset = penstock.images(folder, labels="labels.tsv")
    with dataset.loader(8, window="2Mi", epochs=1) as loader:
        assert loader.left_out == ()
    assert not caplog.records
    (folder / "notes.txt").write_text("notes")
    with dataset.loader(8, window="2Mi", epochs=1) as loader:
        assert [each.count for each in loader.left_out] == [1]
    assert "the listing left out 1 (no image by name, notes.txt for one)" in caplog.text
