"""What may change when a job goes on: declared once for every option, and followed everywhere."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock
from penstock.cli import build_parser
from penstock.errors import CheckpointMismatch
from penstock.steps._shared.job_identity import job_options
from penstock.train.checkpoint_file import Identity, check_identity
from penstock.train.config import TrainConfig, option_of
from penstock.train.resuming import DATASET, OPTIONS, Change, changed_options, rule_of

ROOT = Path(penstock.__file__).parents[2]
STEPS = ("run", "train", "evaluate")


def parser(step: str) -> argparse.ArgumentParser:
    commands = next(a for a in build_parser([step])._actions if isinstance(a, argparse._SubParsersAction))
    found: argparse.ArgumentParser = commands.choices[step]
    return found


@pytest.mark.parametrize("step", STEPS)
def test_every_option_is_declared(step: str) -> None:
    names = {action.dest for action in parser(step)._actions} - {argparse.SUPPRESS}
    assert names <= set(OPTIONS), "declare how it may change in penstock/train/resuming.py"


def test_nothing_else_is_declared() -> None:
    assert set(OPTIONS) - {"options", "other_data"} <= {a.dest for step in STEPS for a in parser(step)._actions}


def test_what_is_listed_is_bound_to_its_options() -> None:
    assert {action.dest for action in parser("list")._actions} & set(OPTIONS) - set(DATASET) <= {
        *("help", "verbose", "record", "run_root", "run_id", "run_endpoint_url", "fail_fast", "options", "meters")
    }


def test_a_checkpoint_is_of_what_the_job_is_bound_to() -> None:
    config = TrainConfig(task="t", model="small")
    bound = {option_of(name) for name in config.identity()}
    assert bound <= set(OPTIONS)
    learning = {name for name, rule in OPTIONS.items() if rule in (Change.FIXED, Change.LARGER)} - set(DATASET)
    assert learning - bound == {"loss"}  # which the train step adds


@pytest.mark.parametrize("step", ["run", "train"])
def test_the_help_names_what_is_bound(step: str) -> None:
    told = parser(step).epilog or ""
    named = set(re.findall(r"--([a-z-]+)", told))
    names = {action.dest for action in parser(step)._actions} - {argparse.SUPPRESS}
    assert named == {n.replace("_", "-") for n in names if rule_of(n, step) in (Change.FIXED, Change.LARGER)}


def table() -> Iterator[str]:
    yield "| may change | options of `run` and `train` |"
    yield "|---|---|"
    for rule in (Change.FIXED, Change.LARGER, Change.FREE, Change.NAMES):
        names = {a.dest for step in ("run", "train") for a in parser(step)._actions}
        flags = [f"`--{name.replace('_', '-')}`" for name in OPTIONS if name in names and OPTIONS[name] is rule]
        yield f"| {rule} | {', '.join(flags)} |"


def test_the_table_of_the_docs_is_true(request: pytest.FixtureRequest) -> None:
    path, wanted = ROOT / "docs" / "training.md", "\n".join(table())
    before, _, rest = path.read_text().partition("<!-- options -->\n")
    found, _, after = rest.partition("\n<!-- end -->")
    if request.config.getoption("--regenerate", default=False):
        path.write_text(f"{before}<!-- options -->\n{wanted}\n<!-- end -->{after}")
        found = wanted
    assert found == wanted, "make it anew: pytest tests/unit/steps/test_resuming.py --regenerate"


BASE = ("run", "--source", "/data/eeg", "--task", "eeg-c1", "--out", "out")


def options(*words: str) -> dict[str, str]:
    return job_options(build_parser(["run"]).parse_args([*BASE, *words]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("--window-size 1Gi", "--window-size 1024Mi"),
        ("--source s3://b/p", "--source s3://b/p/"),
        ("--source s3://b", "--source S3://b//"),
        ("--source /data/eeg", "--source /data/eeg/"),
        ("--source /data/eeg", "--source /data/./x/../eeg"),
        ("--source /data/eeg", "--source file:///data/eeg"),
        ("--source /data/e%20g", "--source file:///data/e%2520g"),
        ("--source here", f"--source {Path('here').absolute()}"),
        ("--source ~/eeg", f"--source {Path.home()}/eeg"),
        ("--endpoint-url http://h:9000", "--endpoint-url HTTP://H:9000/"),
        ("--endpoint-url https://h", "--endpoint-url https://h:443"),
        ("--region=", ""),
        ("--learning-rate 1e-3", "--learning-rate 0.0010"),
        ("--weight-decay 0", "--weight-decay 0.0"),
        ("--split 0.7,0.15,0.15", "--split 0.70,.15,15e-2"),
        ("--release R1,R2", "--release R2,R1"),
        ("--mini", "--mini true"),
        ("--mini false", ""),
        ("--max-files 0", ""),
        ("--option crop-seconds=2", "--task-options {}"),
        ("--amp off", "--amp auto"),
        ("--workers 2 --on-bad-sample skip --title x --device cpu", "--verbose"),
        ("--checkpoint-minutes 0 --checkpoint-every 3 --keep-checkpoints 5", ""),
    ],
)
def test_another_spelling_is_no_change(one: str, other: str) -> None:
    task = ("--task", "eeg-c2") if "crop" in one else ()
    assert options(*task, *one.split()) == options(*task, *other.split())


@pytest.mark.parametrize(
    "words",
    [
        "--source /data/other",
        "--source s3://data/eeg",
        "--endpoint-url https://h:9000",
        "--anonymous",
        "--seed 1",
        "--batch-size 32",
        "--learning-rate 0.002",
        "--model eegnex",
        "--epochs 9",
        "--patience 3",
        "--lanes 8",
        "--shuffle none",
        "--stream-listing",
        "--on-bad-object skip",
        "--option seconds=1",
    ],
)
def test_another_value_is_a_change(words: str) -> None:
    if "--option" in words:
        first = next(iter(__import__("penstock.tasks.registry", fromlist=["x"]).get_task("eeg-c1").options))
        words = f"--option {first.name.replace('_', '-')}={'x' if first.kind is str else 3}"
    changed = list(changed_options(options(), options(*words.split())))
    assert len(changed) == 1, changed


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({"epochs": "10"}, {"epochs": "20"}, None),
        ({"epochs": "20"}, {"epochs": "10"}, "--epochs 20, and now 10, which is less"),
        ({"epochs": "9"}, {"epochs": "10"}, None),
        ({"patience": "3"}, {"patience": "0"}, None),
        ({"patience": "0"}, {"patience": "3"}, "--patience 0, and now 3, which is less"),
        ({"patience": "3"}, {"patience": "5"}, None),
        ({"region": "a"}, {}, "--region a, and now none"),
        ({}, {"region": "a"}, "no --region, and now a"),
        ({"amp": "auto"}, {"amp": "off"}, None),
        ({"batch_size": "8"}, {"batch_size": "16"}, "--batch-size 8, and now 16"),
        ({"task_options": '{"a-b":1,"c":"x"}'}, {"task_options": '{"a-b":2,"c":"x"}'}, "--option a-b=1, and now 2"),
        ({"task_options": '{"c":null}'}, {"task_options": '{"c":["x","y"]}'}, "no --option c, and now x,y"),
        ({"task_options": "odd"}, {"task_options": "{}"}, "--task-options odd, and now {}"),
    ],
)
def test_a_change_is_told_with_both_values(before: dict[str, str], now: dict[str, str], told: str | None) -> None:
    assert [str(change) for change in changed_options(before, now)] == ([] if told is None else [told])


def identity(**changes: object) -> Identity:
    config = TrainConfig(task="t", model="small").identity() | changes
    return Identity(
        task="t", model="small", shape=(2, 3), num_outputs=1, manifest_fingerprint="m", plan_fingerprint="p",
        config=config,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"amp": "off"},
        {"amp": "auto"},
        {"num_epochs": 20},
        {"learning_rate": 1e-3},
        {"clip_norm": 1},
        {"device": "cuda"},
    ],
)
def test_a_checkpoint_takes_what_the_job_takes(changes: dict[str, object]) -> None:
    check_identity(identity(), identity(**changes), origin="x")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_epochs": 9}, "--epochs 10, and now 9, which is less"),
        ({"warmup_fraction": 0.1}, "--warmup 0.05, and now 0.1"),
        ({"batch_size": 8, "clip_norm": None}, "--batch-size 64, and now 8; --clip-norm 1, and now none"),
        ({"patience": 2}, "no --patience, and now 2, which is less"),
        ({"loss": "mse"}, "no --loss, and now mse"),
    ],
)
def test_a_checkpoint_refuses_by_the_options_names(changes: dict[str, object], told: str) -> None:
    with pytest.raises(CheckpointMismatch, match=f"x is of a run with {told}"):
        check_identity(identity(), identity(**changes), origin="x")
