"""What may change when a job goes on: declared once for every option, and followed everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import penstock
from penstock.cli import build_parser
from penstock.errors import CheckpointMismatch, ConfigError
from penstock.options import Change, Options
from penstock.records import JobRecord, read_record, write_record
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.job_identity import begin_job, job_options
from penstock.steps.options.listing import ListOptions
from penstock.steps.options.parser import subparsers
from penstock.steps.options.run import JobOptions, ListedJobOptions
from penstock.steps.options.train import TrainOptions
from penstock.train.checkpoint_file import Identity, check_identity
from penstock.train.config import TrainConfig, option_of
from penstock.train.options import TrainingOptions
from penstock.train.resuming import binds, changed_options
from support.options import config_of

ROOT = Path(penstock.__file__).parents[2]
STEPS: dict[str, type[Options]] = {"run": JobOptions, "train": TrainOptions}
"""Steps that go on where they were stopped."""


@pytest.mark.parametrize("step", STEPS)
def test_of_every_option_it_is_said_how_it_may_change(step: str) -> None:
    assert [name for name, one in STEPS[step].declared().items() if one.change is None] == []
    assert STEPS[step].goes_on


def test_an_option_may_change_alike_in_each_step_that_goes_on() -> None:
    ours, theirs = JobOptions.rules(), TrainOptions.rules()
    assert {name: rule for name, rule in ours.items() if theirs.get(name, rule) is not rule} == {}


def test_what_is_listed_is_bound_to_its_options() -> None:
    listed = set(ListOptions.declared()) & set(JobOptions.declared())
    free = {"verbose", "meters", "max_requests", "window_size"}  # parts of --repeat stay as the first window had them
    assert {name for name in listed if not binds(JobOptions.rules()[name])} == free
    assert {name for name, rule in JobOptions.rules().items() if binds(rule)} == {
        *ListedJobOptions.declared(),
        "mode",
        *(name for name, rule in TrainingOptions.rules().items() if binds(rule)),
    }


def test_a_checkpoint_is_of_what_the_job_is_bound_to() -> None:
    config = TrainConfig(task="t", model="small")
    bound = {option_of(name) for name in config.identity()}
    assert bound <= set(JobOptions.declared())
    learning = {name for name, rule in TrainingOptions.rules().items() if binds(rule)}
    assert learning - bound == {"loss"}  # which the train step adds


def test_of_a_job_that_is_begun_anew_no_option_is_told_that_nobody_gave(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = JobFiles(tmp_path)
    asked = ["--source", "/data", "--out", tmp_path]
    table = [*asked, "--task", "table", "--option", "target=a"]
    begin_job(files, config_of(JobOptions, *asked, "--task", "images"))
    begin_job(files, config_of(JobOptions, *table))
    assert "begun anew (--task images, and now table; no --option target, and now a)" in capfd.readouterr().err
    job = read_record(files.job, JobRecord)
    without = json.loads(job.options["task_options"])
    del without["split-unit"]  # as of a release that had no such option
    older = msgspec.structs.replace(job, options={**job.options, "task_options": json.dumps(without)})
    write_record(files.job, older)
    begin_job(files, config_of(JobOptions, *table, "--option", "max-values=64"))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("step", STEPS)
def test_the_help_names_what_is_bound(step: str) -> None:
    named = set(re.findall(r"--([a-z-]+)", subparsers(build_parser([step]))[step].epilog or ""))
    assert named == {name.replace("_", "-") for name, rule in STEPS[step].rules().items() if binds(rule)} - {
        "lanes"
    }  # of no use to a person, as all that help does not show


def table() -> Iterator[str]:
    yield "| may change | options of `run` and `train` |"
    yield "|---|---|"
    declared = {**JobOptions.declared(), **TrainOptions.declared()}.values()
    for rule in (Change.FIXED, Change.LARGER, Change.FREE, Change.NAMES):
        flags = [f"`{one.flag}`" for one in declared if one.change is rule and not one.hidden]
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
    return job_options(config_of(JobOptions, *BASE[1:], *words))


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
    changed = list(changed_options(options(), options(*words.split()), rules=JobOptions.rules(), defaults={}))
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
    found = changed_options(before, now, rules=JobOptions.rules(), defaults={})
    assert list(map(str, found)) == ([] if told is None else [told])


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


BOUND = sorted(set(options()) - {"source", "task", "task_options"})


@pytest.mark.parametrize("name", BOUND)
def test_a_job_of_a_release_that_had_no_such_option_goes_on(tmp_path: Path, name: str) -> None:
    """Whichever option a release adds, at its default it is what the release before did."""
    args = config_of(JobOptions, *BASE[1:], "--out", tmp_path)
    files = JobFiles(tmp_path)
    files.checkpoints.mkdir()
    (files.checkpoints / "latest.json").write_text('{"step": 3}')
    write_record(files.job, JobRecord(run_id="r", options={k: v for k, v in options().items() if k != name}))
    assert begin_job(files, args).run_id == "r"
    assert read_record(files.job, JobRecord).options == options()


def test_an_option_that_a_release_added_is_told_where_it_is_given_a_value_of_its_own(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    files.checkpoints.mkdir()
    (files.checkpoints / "latest.json").write_text('{"step": 3}')
    older = {k: v for k, v in options().items() if k != "clip_norm"}
    write_record(files.job, JobRecord(run_id="r", options=older))
    with pytest.raises(ConfigError, match=r"no --clip-norm, and now 2"):
        begin_job(files, config_of(JobOptions, *BASE[1:], "--out", tmp_path, "--clip-norm", "2"))


def test_nothing_that_was_not_given_is_kept() -> None:
    assert [name for name, value in options().items() if not value] == []


@pytest.mark.parametrize("name", sorted(set(TrainConfig(task="t", model="small").identity()) - {"task", "model"}))
def test_a_checkpoint_of_a_release_that_had_no_such_option_is_gone_on_from(name: str) -> None:
    now = identity()
    older = msgspec.structs.replace(now, config={k: v for k, v in now.config.items() if k != name})
    check_identity(older, now, origin="x")


def test_a_checkpoint_of_a_release_that_had_no_such_option_is_refused_where_it_is_given() -> None:
    now = identity(clip_norm=2.0)
    older = msgspec.structs.replace(now, config={k: v for k, v in now.config.items() if k != "clip_norm"})
    with pytest.raises(CheckpointMismatch, match="no --clip-norm, and now 2"):
        check_identity(older, now, origin="x")
