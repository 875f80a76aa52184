"""Stages of a job: what each trains on, in which order, and that a failure ends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import ConfigError, SourceUnavailable
from penstock.steps._shared import stages
from penstock.steps._shared.stages import run_stages, stages_of
from penstock.steps.options.run import JobOptions


def job(out: Path, **changes: object) -> JobOptions:
    return JobOptions(source="s3://b/p", task="xray", out=out).but(**changes)


def test_each_stage_takes_one_more_archive() -> None:
    found = stages_of("images_001, images_002,images_*", task="xray")
    assert [stage.option for stage in found] == [
        "train-archives=images_001",
        "train-archives=images_001,images_002",
        "train-archives=images_001,images_002,images_*",
    ]


def test_shares_grow() -> None:
    assert [stage.option for stage in stages_of("0.1,0.5,1", task="xray")] == [
        "train-share=0.1",
        "train-share=0.5",
        "train-share=1",
    ]


@pytest.mark.parametrize(
    "text", ["images_001", "a,,b", "a,a", "0.5,0.1", "0,1", "0.5,1.5", "0.5,images_002", "nan,1", ",", "0.1,inf"]
)
def test_what_is_no_list_of_stages_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--stages"):
        stages_of(text, task="xray")


def test_a_task_without_archives_has_no_stages() -> None:
    with pytest.raises(ConfigError, match="'images' cannot be trained in stages"):
        stages_of("a,b", task="images")


@pytest.mark.parametrize(
    "changes", [{"option": ("train-share=0.5",)}, {"option": ("train_archives=x",)}, {"dataset": "x.yaml"}]
)
def test_what_stages_say_is_not_said_twice(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="--stages beside"):
        run_stages(job(tmp_path, stages="a,b", **changes), lambda args: 0)


def test_stages_begin_with_the_weights_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[JobOptions] = []
    monkeypatch.setattr(stages, "_told", lambda *_: "")

    def run(args: JobOptions) -> int:
        seen.append(args)
        return 0

    run_stages(job(tmp_path, stages="a,b,c", option=("size=32",), init_from="s3://b/c.pt"), run)
    assert [args.out.name for args in seen] == ["stage-01", "stage-02", "stage-03"]
    assert [args.stages for args in seen] == ["", "", ""]
    assert seen[2].option == ("size=32", "train-archives=a,b,c")
    assert [args.init_from for args in seen] == [
        "s3://b/c.pt",
        str(tmp_path / "stage-01" / "checkpoints"),
        str(tmp_path / "stage-02" / "checkpoints"),
    ]


def test_a_stage_that_fails_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    def run(args: JobOptions) -> int:
        seen.append(args.out.name)
        if len(seen) == 2:
            raise SourceUnavailable("the store is away", fix="try again")
        return 0

    with pytest.raises(SourceUnavailable):
        run_stages(job(tmp_path, stages="a,b,c"), run)
    assert seen == ["stage-01", "stage-02"]
    assert "stage 2 of 3, b did not end well; later ones are not begun" in capsys.readouterr().err
