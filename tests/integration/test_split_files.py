"""What is cut out of one file is of one part, where nobody says what a split goes by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.formats.registry import own_format_names, usual_split
from support.media import film
from support.recordings import brainvision, microvolts

pytestmark = pytest.mark.usefixtures("children_are_forked")


def films(folder: Path) -> dict[str, Any]:
    for number in range(8):
        (folder / f"{number}.mp4").write_bytes(film("mp4", "mpeg4", count=12))
    return {"match": "*.mp4", "options": {"clips": {"seconds": 0.2}}}


def windows(folder: Path) -> dict[str, Any]:
    for number in range(8):
        for name, data in brainvision(microvolts(num_samples=400), name=f"r{number}").items():
            (folder / name).write_bytes(data)
    return {"match": "*.vhdr", "options": {"seconds": 1, "stride": 0.5}}


def files_of(part: penstock.Dataset) -> set[str]:
    with part.shards() as shards:
        return {name.partition("/")[0] for name in shards.shard_names}


@pytest.mark.parametrize(("name", "make"), [("video", films), ("recordings", windows)])
def test_parts_of_a_file_are_of_one_split(name: str, make: Callable[[Path], dict[str, Any]], tmp_path: Path) -> None:
    dataset = penstock.of_format(name, tmp_path, **make(tmp_path))
    train, valid = (files_of(part) for part in dataset.split(valid=0.4, seed=2))
    assert len(train | valid) == 8
    assert train
    assert valid
    assert not train & valid
    mixed, others = (files_of(part) for part in dataset.split(valid=0.4, by="sample", seed=2))
    assert mixed & others


def test_formats_say_what_their_splits_go_by() -> None:
    usual = {name: usual_split(name) for name in own_format_names()}
    assert {name: by for name, by in usual.items() if by != "sample"} == {
        "audio": "group",
        "video": "group",
        "recordings": "folder",
    }
