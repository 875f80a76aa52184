"""Every task trains to the same weights, and scores the same, on what was stored of it as on what is streamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.formats.codec import STORED
from penstock.manifest import ManifestReader
from penstock.tasks.registry import own_task_names
from support.captioned import SETTINGS as OF_VIDEOS
from support.captioned import archives_of
from support.cli import succeed
from support.clips import SETTINGS, write_pairs
from support.eeg import write_eeg
from support.images import write_class_folders
from support.tables import people, write_parquet
from support.texts import conversations, jsonl, planted
from support.xrays import make_studies, write_folder

Made = tuple[Callable[[Path], Path], tuple[str, ...]]


def _texts(folder: Path) -> Path:
    folder.mkdir()
    (folder / "texts.jsonl").write_bytes(jsonl(planted(30)))
    return folder


def _chats(folder: Path) -> Path:
    folder.mkdir()
    (folder / "chats.jsonl").write_bytes(jsonl(conversations(24)))
    return folder


def _tables(folder: Path) -> Path:
    return write_parquet(folder, people(200), files=2, group_rows=20)


def _xrays(folder: Path) -> Path:
    return write_folder(folder, make_studies(30, side=32, each=2))


def _videos(folder: Path) -> Path:
    for name, data in archives_of(10, 3).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


EEG = ("--model", "small", "--split", "0.5,0.25,0.25")
TASKS: dict[str, Made] = {
    "chat": (_chats, ("--model", "tiny", "--option", "length=64")),
    "clips": (lambda folder: write_pairs(folder, 16), tuple(w for each in SETTINGS for w in ("--option", each))),
    "eeg-c1": (lambda folder: write_eeg(folder, num_trials=6), EEG),
    "eeg-c2": (lambda folder: write_eeg(folder, num_trials=3), EEG),
    "eeg-events": (
        lambda folder: write_eeg(folder, num_trials=6),
        (*EEG, "--option", "event-values=left_target,right_target"),
    ),
    "filtered": (
        lambda folder: write_eeg(folder, num_trials=3),
        (*EEG, "--option", "band-pass=1-40", "--option", "reference=average"),
    ),
    "images": (
        lambda folder: write_class_folders(folder, 48),
        (
            "--option",
            "size=16",
        ),
    ),
    "table": (
        _tables,
        (
            "--option",
            "target=label",
        ),
    ),
    "text": (_texts, ("--model", "tiny", "--option", "length=32")),
    "video-text": (_videos, ("--split", "0.5,0.25,0.25", *(w for each in OF_VIDEOS for w in ("--option", each)))),
    "xray": (_xrays, ("--option", "size=32")),
}


AUGMENTED = {"clips": "opened", "filtered": "opened", "eeg-c2": "as it was", "images": "as it was", "xray": "as it was"}
"""What is stored of samples that chance takes part in, of tasks that have such: images are files still."""


def test_each_task_is_here() -> None:
    assert set(TASKS) - {"filtered"} == set(own_task_names())


@pytest.mark.parametrize("task", TASKS)
def test_what_is_stored_trains_to_the_same_weights(tmp_path: Path, task: str) -> None:
    make, more = TASKS[task]
    source = make(tmp_path / "data")
    learning = ("--epochs", 2, "--batch-size", 8, "--threads", 1, "--window-size", "8Mi")
    name = "eeg-c2" if task == "filtered" else task
    words = ["run", "--source", source, "--task", name, *more, *learning]
    found: list[Any] = []
    for mode in ("stream", "preprocess"):
        out = tmp_path / mode
        succeed(*words, "--out", out, "--mode", mode)
        run, scored = (json.loads((out / f"{name}.json").read_text()) for name in ("run", "evaluation"))
        found.append((run["weights_sha256"], scored["metrics"], [each["key"] for each in scored["predictions"]]))
    assert found[0] == found[1]
    with ManifestReader(tmp_path / "preprocess/store/manifest.parquet") as stored:
        codecs = [stored.row(row).codec for row in range(stored.info.num_extents)]
    kinds = {
        codec.removeprefix(STORED).partition(":")[0] if codec.startswith(STORED) else "as it was" for codec in codecs
    }
    assert kinds == {"finished", AUGMENTED.get(task, "finished")}
