"""The window that a task names where nobody gives one, as each step asks the disk for it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

import penstock
from penstock.cli import main
from penstock.errors import DiskFull
from penstock.plan import usual_part_bytes
from penstock.records import Plan, read_record
from penstock.tasks.registry import own_task_names, task_names, window_bytes_of
from penstock.units import GIB, MIB
from support.captioned import archives_of
from support.images import write_class_folders
from support.small_s3 import small_s3

NO_SPACE = 51
VIDEO_TEXT, OTHERS = "10.0 GiB are wanted", "256.0 MiB are wanted"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, data in archives_of(6, 2).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    told = SimpleNamespace(f_frsize=1, f_bavail=MIB, f_bfree=MIB, f_blocks=1)
    monkeypatch.setattr(os, "statvfs", lambda path: told)


def listed(source: Path, task: str, out: Path, *more: object) -> Plan:
    """List into a folder, and return the plan."""
    files = ("--manifest", out / "m.parquet", "--plan", out / "p.json", "--split", "0.5,0.25,0.25")
    words = ("list", "--source", source, "--task", task, *files, *more)
    assert main([str(word) for word in words]) == 0
    return read_record(out / "p.json", Plan)


def test_one_task_names_a_window_and_the_others_have_the_usual() -> None:
    found = {name: window_bytes_of(name, None) for name in (*own_task_names(), "objects")}
    assert found == {**dict.fromkeys(found, 256 * MIB), "video-text": 10 * GIB}
    assert set(found) <= set(task_names())
    assert window_bytes_of("video-text", 5 * MIB) == 5 * MIB


@pytest.mark.parametrize(
    ("task", "more", "wanted"),
    [
        ("video-text", (), VIDEO_TEXT),
        ("video-text", ("--window-size", "9Mi"), "9.0 MiB are wanted"),
        ("images", (), OTHERS),
    ],
)
def test_a_job_asks_for_it_before_it_asks_the_source_for_anything(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    task: str,
    more: tuple[str, ...],
    wanted: str,
) -> None:
    small_disk(monkeypatch)
    with small_s3(is_open=True) as server:
        words = ["run", "--source", "s3://bucket", "--endpoint-url", server.url, "--task", task, *more]
        assert main([*words, "--out", str(tmp_path / "out")]) == NO_SPACE
        assert server.requests == []
    told = capsys.readouterr().err
    assert wanted in told
    assert "choose a smaller --window-size" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["prefetch", "train", "evaluate"])
def test_steps_of_a_manifest_ask_for_that_of_its_task(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    images = write_class_folders(tmp_path / "images", 24)
    given = {
        "train": ("--record", "r.json", "--checkpoints", "saved"),
        "evaluate": ("--checkpoint", "c", "--metrics", "e.json"),
    }.get(step, ())
    for source, task, wanted in ((videos, "video-text", VIDEO_TEXT), (images, "images", OTHERS)):
        out = tmp_path / task
        listed(source, task, out)
        monkeypatch.chdir(out)
        with monkeypatch.context() as patched:
            small_disk(patched)
            words = (step, "--manifest", "m.parquet", "--plan", "p.json", "--prefetch", "process", *given)
            assert main(list(words)) == NO_SPACE
        assert wanted in capsys.readouterr().err


def test_parts_that_repeat_are_of_the_window_that_they_are_read_through(videos: Path, tmp_path: Path) -> None:
    def part_extents(folder: str, *more: object) -> int:
        repeat = listed(videos, "video-text", tmp_path / folder, "--repeat", 2, *more).repeat
        assert repeat is not None
        return repeat.part_extents

    usual, small, told = (
        part_extents("usual"),
        part_extents("small", "--window-size", "10Mi"),
        part_extents("told", "--repeat-part", usual_part_bytes(10 * GIB)),
    )
    assert usual == told
    assert usual == pytest.approx(1024 * small, rel=0.01)


def test_a_loader_asks_for_it_unless_it_is_given_another(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captioned = penstock.video_text(videos)
    images = penstock.images(write_class_folders(tmp_path / "images", 24))
    small_disk(monkeypatch)
    with pytest.raises(DiskFull, match=r"10\.0 GiB are wanted.*choose a smaller window"):
        captioned.loader(1)
    with pytest.raises(DiskFull, match=r"9\.0 MiB are wanted"):
        captioned.loader(1, window="9Mi")
    with pytest.raises(DiskFull, match=r"1\.0 GiB are wanted"):
        images.loader(1)
