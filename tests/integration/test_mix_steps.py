"""A mix through the steps: the draws of ``penstock.mix``, from listing to report."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils._pytree import tree_leaves

import penstock
from penstock.cli import main
from penstock.errors import CheckpointMismatch
from penstock.manifest import ManifestReader
from penstock.manifest.members import member_manifest
from penstock.records import Evaluation, Plan, RunRecord, StepRecord, read_record
from penstock.steps._shared.feeding import OpenedFeed, open_dataset, open_stream
from penstock.steps._shared.metering import Metering
from penstock.steps.options.data import FeedOptions
from support.cli import penstock as command
from support.forked import Forked
from support.images import write_class_folders
from support.jobs import run_until_saved
from support.tables import people, write_parquet

pytestmark = pytest.mark.usefixtures("children_are_forked")

MIB = 1 << 20


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_class_folders(folder / "a", 60)
    write_class_folders(folder / "b", 24)
    write_class_folders(folder / "c", 9)
    (folder / "c" / "across").rename(folder / "c" / "up")
    write_parquet(folder / "t", people(200), files=2, group_rows=20)
    write_parquet(folder / "u", people(90, seed=1), files=1, group_rows=30)
    return folder


def mixed(data: Path, *, more: str = "", first: str = "weight: 0.7", second: str = "weight: 0.3") -> str:
    kind = "format: images, size: 16, augment: none, split: {valid: 0.2, test: 0.2, by: sample, seed: 2}, part: train"
    return f"""
mix:
  - {{{first}, source: {data}/a, {kind}}}
  - {{{second}, source: {data}/b, {kind}}}
seed: 5
{more}
"""


def tables(data: Path, *, more: str = "") -> str:
    kind = "target: price, columns: [age, city], split: {valid: 0.2, test: 0.2, by: patient}, part: train"
    return f"""
task: table
mix:
  - {{weight: 0.5, source: {data}/t, {kind}}}
  - {{weight: 0.5, source: {data}/u, {kind}}}
seed: 3
{more}
"""


def listed(folder: Path, text: str) -> FeedOptions:
    """List in this process; return what is read of it."""
    (folder / "d.yaml").write_text(text)
    given = ["--dataset", folder / "d.yaml", "--manifest", folder / "m.parquet", "--plan", folder / "p.json"]
    assert main(["list", *map(str, given)]) == 0
    return FeedOptions(manifest=folder / "m.parquet", plan=folder / "p.json", window_size=16 * MIB)


@contextlib.contextmanager
def opened(args: FeedOptions, *, batch_size: int = 7, num_epochs: int = 4) -> Iterator[OpenedFeed]:
    """Open what a training reads."""
    splits = [("train", True), ("valid", False)]
    metering = Metering(folder=None, owner="test", is_remote=False)
    with open_stream(
        open_dataset(args), args, splits=splits, batch_size=batch_size, num_epochs=num_epochs, metering=metering
    ) as feed:
        yield feed


def drawn(feed: OpenedFeed, epoch: int) -> list[Any]:
    return [batch.data for batch in feed.stream.segment(0).epoch(epoch)]


def same(one: Any, other: Any) -> bool:
    return torch.equal(torch.as_tensor(np.asarray(one)), torch.as_tensor(np.asarray(other)))


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ("stop: first", "weight: 0.7"),
        ("stop: all\ntemperature: 2", "weight: {0: 0.7, 1: 0.1}, most_epochs: 2"),
        ("stop: once", "weight: {0: 0, 1: 3}"),
        ("stop: repeat\nsamples: 30", "weight: 0.5, most_samples: 9"),
    ],
    ids=["first", "all", "once", "repeat"],
)
def test_a_step_draws_what_the_library_draws(data: Path, tmp_path: Path, more: str, first: str) -> None:
    """Bit for bit, over epochs with a validation between them, and from a position in the middle of one."""
    args = listed(tmp_path, mixed(data, more=more, first=first))
    dataset = penstock.open(tmp_path / "d.yaml")
    with dataset.loader(7, window=16 * MIB) as loader, opened(args) as feed:
        expected = [list(loader) for _ in range(2)]
        for epoch, batches in enumerate(expected):
            found = drawn(feed, epoch)
            assert [len(each["targets"]) for each in found] == [len(targets) for _, targets in batches]
            for each, (inputs, targets) in zip(found, batches, strict=True):
                assert same(each["inputs"], inputs)
                assert same(each["targets"], targets)
            valid = list(feed.stream.segment(1).epoch(epoch))
            assert sum(map(len, valid)) == open_dataset(args).first.num_samples("valid")
        shares = [(each.planned, each.given) for each in feed.shares()]
        assert shares == [(each.planned, each.given) for each in loader.shares]  # type: ignore[union-attr]
        state = feed.stream.state_dict()
    with opened(args) as again:
        iterator = again.stream.segment(0).epoch(0)
        next(iterator)
        middle = again.stream.state_dict()
        following = next(iterator)
        again.stream.load_state_dict(middle)
        assert same(next(again.stream.segment(0).epoch(0)).data["inputs"], following.data["inputs"])
        again.stream.load_state_dict(state)
        assert again.stream.state_dict() == state
        assert not drawn(again, 0), "that is over"


def test_tables_whose_extents_have_many_rows_are_drawn_alike(data: Path, tmp_path: Path) -> None:
    """All members have the first one's columns and means; targets tell which rows came."""
    args = listed(tmp_path, tables(data, more="stop: all"))
    dataset = penstock.open(tmp_path / "d.yaml")
    with dataset.loader(16, window=16 * MIB) as loader, opened(args, batch_size=16) as feed:
        for epoch in range(2):
            expected = [float(each) for batch in loader for each in batch["targets"]]
            found = drawn(feed, epoch)
            assert [float(each) for batch in found for each in batch["targets"]] == expected
    with ManifestReader(args.manifest) as reader:
        info = reader.info
    assert len({each.values for each in info.members}) == 1
    assert all("like" not in each.task_options or each.task_options["like"] is None for each in info.members)
    assert listed(tmp_path, tables(data, more="stop: all"))
    with ManifestReader(args.manifest) as reader:
        assert reader.info.fingerprint == info.fingerprint, "where members were listed to is no part of it"


def test_the_members_of_a_manifest_are_as_they_were(data: Path, tmp_path: Path) -> None:
    args = listed(tmp_path, mixed(data))
    alone = []
    for name in ("a", "b"):
        kind = "size: 16\naugment: none\nsplit: {valid: 0.2, test: 0.2, by: sample, seed: 2}"
        (tmp_path / name).mkdir()
        alone.append(listed(tmp_path / name, f"format: images\nsource: {data}/{name}\n{kind}\n"))
    with ManifestReader(args.manifest) as whole:
        info = whole.info
    assert info.num_objects == info.num_samples == 84
    for number, each in enumerate(alone):
        member_manifest(args.manifest, number, tmp_path / "member.parquet")
        with ManifestReader(each.manifest) as one, ManifestReader(tmp_path / "member.parquet") as other:
            assert one.info.fingerprint == other.info.fingerprint == info.members[number].fingerprint
            for split in one.info.splits:
                assert list(one.rows(split.name)) == list(other.rows(split.name))


def test_another_mix_refuses_a_position(data: Path, tmp_path: Path) -> None:
    with opened(listed(tmp_path, mixed(data))) as feed:
        state = feed.stream.state_dict()
    with opened(listed(tmp_path, mixed(data, second="weight: 0.4"))) as feed:
        with pytest.raises(CheckpointMismatch, match="another mix"):
            feed.stream.load_state_dict(state)
        with pytest.raises(CheckpointMismatch, match="passed"):
            feed.stream.load_state_dict({**feed.stream.state_dict(), "passed": "[1]"})
        with pytest.raises(CheckpointMismatch, match="passed"):
            feed.stream.load_state_dict({**feed.stream.state_dict(), "passed": "so"})


def test_a_job_on_a_mix_that_is_killed_ends_as_one_that_is_not(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(mixed(data, more="stop: all\nbatch: 6\nwindow: 8Mi"))
    words = ["run", "--dataset", path, "--epochs", 2, "--device", "cpu", "--threads", 1, "--checkpoint-every", 1]
    done = command(*words, "--out", tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    process = run_until_saved([*words, "--out", tmp_path / "killed"], tmp_path / "killed", 4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = command(*words, "--out", tmp_path / "killed")
    assert again.returncode == 0, again.stderr
    whole, killed = (read_record(tmp_path / name / "run.json", RunRecord) for name in ("whole", "killed"))
    assert (whole.weights_sha256, whole.mix) == (killed.weights_sha256, killed.mix)
    assert (whole.num_resumes, killed.num_resumes) == (0, 1)
    assert sum(each.given for each in whole.mix) == whole.num_trained_samples
    assert whole.meters.window_bytes <= 8 * MIB
    assert whole.meters.window_high_water_bytes <= 8 * MIB
    for each in whole.mix:
        line = f"of {each.source}: {each.given} samples"
        assert line in done.stdout
        for page in ("report.html", "report.md"):
            assert f"{each.given:,}" in (tmp_path / "whole" / page).read_text()
    assert "What was drawn of the mix" in (tmp_path / "whole" / "report.html").read_text()
    with ManifestReader(tmp_path / "whole" / "manifest.parquet") as reader:
        scored = read_record(tmp_path / "whole" / "evaluation.json", Evaluation)
        assert scored.num_samples == reader.info.split("test").num_samples
    assert not (tmp_path / "whole" / "window").exists()


def test_steps_one_by_one_beside_a_sidecar(data: Path, tmp_path: Path) -> None:
    """The sidecar serves the probe and the evaluation; members of the training are read by children of its own."""
    args = listed(tmp_path, mixed(data))
    window, common = tmp_path / "w", ["--manifest", args.manifest, "--plan", args.plan]
    sidecar = Forked(["prefetch", "--window", window, "--window-size", "8Mi"])
    try:
        deadline = time.monotonic() + 60
        while not (window / "control").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        here = [*common, "--window", window, "--window-size", "8Mi"]
        assert main(["prefetch", *map(str, [*here, "--record", tmp_path / "probe.json", "--samples", 20])]) == 0
        training = [
            "--epochs",
            1,
            "--batch-size",
            8,
            "--device",
            "cpu",
            "--threads",
            1,
            "--record",
            tmp_path / "r.json",
        ]
        assert main(["train", *map(str, [*here, *training, "--checkpoints", tmp_path / "c"])]) == 0
        scoring = ["--checkpoint", tmp_path / "c", "--device", "cpu", "--metrics", tmp_path / "e.json"]
        assert main(["evaluate", *map(str, [*here, *scoring])]) == 0
        assert sidecar.poll() is None
    finally:
        sidecar.send_signal(signal.SIGTERM)
        sidecar.wait()
    assert read_record(tmp_path / "probe.json", StepRecord).details["samples"] >= 20
    assert read_record(tmp_path / "e.json", Evaluation).num_samples == open_dataset(args).first.num_samples("test")
    assert not list(window.glob("member-*"))
    assert main(["train", *map(str, [*here, *training, "--checkpoints", tmp_path / "d", "--prefetch", "sidecar"])]) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("source: {data}/b", "source: {data}/c"), "member 1 (from 0) of the mix has the classes down, plain, up, the"),
        (
            ("size: 16, augment", "size: 17, augment"),
            "samples of member 1 (from 0) of the mix are of shape (3, 17, 17)",
        ),
        (("source: {data}/b", "source: {data}/no"), "member 1 (from 0) of the mix, "),
        (("weight: 0.3", "weight: -1"), "the weight -1 of a member: give numbers above 0"),
        (("format: images, size", "format: jsonl, size"), "d.yaml:4: there is no 'size' here"),
    ],
)
def test_what_cannot_be_mixed_is_one_line(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], change: tuple[str, str], told: str
) -> None:
    old, new = (each.format(data=data) for each in change)
    text = mixed(data)
    at = text.rindex(old)
    (tmp_path / "d.yaml").write_text(text[:at] + new + text[at + len(old) :])
    places = ["--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json"]
    assert main(["list", "--dataset", *map(str, [tmp_path / "d.yaml", *places])]) not in (0, 1)
    [line] = [line for line in capfd.readouterr().err.splitlines() if "error:" in line]
    assert told in line
    assert not (tmp_path / "m.parquet").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["d.yaml"]


def test_a_plan_of_a_mix_is_read_as_it_was_written(data: Path, tmp_path: Path) -> None:
    own = f"{{format: images, source: {data}/b, size: 16}}"
    inner = f"weight: 0.3, mix: [{own}, {own}]"
    text = f"mix:\n - {{weight: 0.7, format: images, source: {data}/a, size: 16}}\n - {{{inner}}}\n"
    plan = read_record(listed(tmp_path, text).plan, Plan)
    assert plan.mixing is not None
    assert [each is None for each in plan.mixing.tree.members] == [True, False]
    assert len(plan.mixing.plans) == 3


def test_a_window_that_a_member_does_not_fit_is_told_before_training(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With how large the whole must be: what it says is then enough."""
    folder = tmp_path / "large"
    (folder / "x").mkdir(parents=True)
    (folder / "y").mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 255, (700, 700, 3), np.uint8)
        Image.fromarray(pixels).save(folder / ("x" if number % 2 else "y") / f"{number}.png")
    one = f"{{weight: 0.99, format: images, source: {folder}, size: 16}}"
    other = f"{{weight: 0.01, format: images, source: {folder}, size: 16}}"
    args = listed(tmp_path, f"mix: [{one}, {other}]\n")
    given = ["--manifest", args.manifest, "--plan", args.plan, "--record", tmp_path / "r.json"]
    small = ["--window-size", "4Mi", "--evaluate-split", "none"]
    assert main(["prefetch", *map(str, [*given, *small])]) != 0
    line = capfd.readouterr().err.splitlines()[-1]
    assert "has " in line
    assert "of the window: a window of" in line
    wanted = line.rpartition("at least ")[2].split("Mi")[0]
    assert main(["prefetch", *map(str, [*given, "--window-size", f"{wanted}Mi", "--evaluate-split", "none"])]) == 0


def test_many_members_are_filled_by_one_process(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step draws of them is what it draws of as many windows with a process each."""
    args = listed(tmp_path, mixed(data))
    found = []
    for alone in (1, 4):
        monkeypatch.setattr("penstock.steps._shared.mix_opening.ALONE", alone)
        with opened(args) as feed:
            assert len(feed.prefetchers) == (1 if alone == 1 else 2)
            found.append([drawn(feed, epoch) for epoch in range(2)])
            feed.end()
    for one, other in zip(*found, strict=True):
        assert len(one) == len(other)
        for leaves, others in zip(map(tree_leaves, one), map(tree_leaves, other), strict=True):
            assert all(same(a, b) for a, b in zip(leaves, others, strict=True))
