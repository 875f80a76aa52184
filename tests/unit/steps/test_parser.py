"""What is typed wrong, or lacks an extra, is told in one line that says what to type."""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.cli import STEPS, build_parser, main, tell_stop
from penstock.errors import ConfigError
from penstock.options.readers import rate_option
from penstock.plan import check_lanes
from penstock.steps.options.parser import subparsers
from penstock.stopping import StopAsked
from penstock.tasks.registry import get_task
from penstock.train.config import TrainConfig


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trian"], "did you mean train?"),
        (["run", "--windw-size", "3"], "did you mean --window-size?"),
        (["run", "--windw-size=3", "--ot=x"], "did you mean --window-size, --out?"),
        (["list", "--relase", "R5"], "unrecognized arguments: --relase; did you mean --release?"),
        (["run", "--task", "eeg_c1"], "did you mean eeg-c1?"),
        (["evaluate", "--window", "w", "--wndow-size", "3"], "did you mean --window-size?"),
        (["run", "--task", "objects"], "invalid choice: 'objects'"),
        (["run", "--task", "clips", "--table", "x"], "--table; did you mean --option table=KEY?"),
        (["list", "--task=xray", "--lables=x"], "--lables; did you mean --option labels=URI|KEY?"),
        (["run", "--task", "text", "--best-metric=x"], "--best-metric; did you mean"),
        (["report", "--zzzzzz"], "penstock report --help names them all"),
        (["train", "--manifest", ""], "the path is empty"),
        (["train", "--epochs", "1" + 22 * "0"], "is more than 2147483647"),
        (["train", "--batch-size=" + 5000 * "9"], "is more than 2147483647"),
        (["train", "--threads", "99999999999"], "is more than 2147483647"),
        (["list", "--lanes", "99999999999999999999"], "is more than 2147483647"),
        (["list", "--seed", "1" + 22 * "0"], "is not a whole number of 0 to 4294967295"),
        (["list", "--seed", "4294967296"], "is not a whole number of 0 to 4294967295"),
        (["demo", "--link", "20"], "'20' is 20 bytes a second, over which nothing would arrive: write bytes a second"),
        (["demo", "--link", "20Mbit/s"], "looks like bits a second: write bytes a second with their unit, like 20MB/s"),
        (["demo", "--link", "20mbps"], "looks like bits a second"),
        (["demo", "--link", "fast"], "'fast' is not a rate: write bytes a second"),
        (["demo", "--link", "0"], "'0' is not a rate"),
        (["list", "--split", "70,15,15"], "'70,15,15' is in percent: write it as 0.7,0.15,0.15"),
        (["demo", "--seed", "-1"], "'-1' is not a whole number of 0 to 4294967295"),
    ],
)
def test_what_was_meant_is_named(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert told in line
    assert "usage:" not in line


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("columns", [72, 80, 200])
def test_help_is_as_wide_as_the_terminal(step: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = subparsers(build_parser([step]))[step].format_help().splitlines()
    choices = re.compile(r"\{\S+\}")  # are not broken
    assert not [line for line in lines if len(line) > columns and not choices.search(line)]
    assert max(map(len, lines)) > min(columns, 100) - 30


@pytest.mark.parametrize("manifest", [["--manifest", "m"], ["--manifest=m"]])
def test_a_stopped_try_out_is_no_success_however_its_manifest_is_written(manifest: list[str]) -> None:
    assert tell_stop(["prefetch", *manifest], StopAsked(signal.SIGTERM)) == 75
    assert tell_stop(["prefetch", "--window=w"], StopAsked(signal.SIGTERM)) == 0


@pytest.mark.parametrize(
    "words", [["--out", "o\udcff"], ["--out=\udcff"], ["--title", "\udcff"], ["--window", "a/\udc80b"]]
)
def test_names_that_no_record_can_hold_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--source", "data", "--task", "eeg-c1", *words]) == 2
    assert re.search(r"error: .*holds bytes that are no UTF-8 text: rename it", capsys.readouterr().err)


@pytest.mark.parametrize("step", ["run", "prefetch", "train", "evaluate"])
def test_workers_are_bounded(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([step, "--workers", "1025"]) == 2
    assert "argument --workers: '1025' is more than 1024, the most" in capsys.readouterr().err


def test_lanes_and_threads_are_bounded() -> None:
    check_lanes(2**31 - 1, 1)
    with pytest.raises(ConfigError, match="2147483648 lanes are too many"):
        check_lanes(2**31, 1)
    with pytest.raises(ConfigError, match=r"--threads 1025 .*give 1 to 1024"):
        TrainConfig(task="eeg-c1", model="small", num_threads=1025)


def test_no_option_is_taken_by_a_part_of_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prefetch", "--window-siz", "1Gi"]) == 2
    assert "did you mean --window-size?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["export", "out"], ["prices", "check", "mine.yaml"], ["run", "data"]])
def test_what_stands_without_its_option_is_refused_by_its_step(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"penstock {words[0]}: error: ")
    assert f"penstock {words[0]} --help names them all" in told or "required" in told


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version_is_told(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([flag])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("penstock ")


def test_a_home_folder_is_one_wherever_a_path_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    args = build_parser(["train"]).parse_args(
        ["train", "--manifest=~/m", "--plan=~/p", "--record=~/r", "--checkpoints=c", "--window=~/w"]
    )
    assert [str(path) for path in (args.manifest, args.plan, args.record, args.window)] == [
        f"/home/someone/{name}" for name in "mprw"
    ]


WITHOUT = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # as where it is not installed
from penstock.entry import entry
sys.argv = ["penstock", *sys.argv[2:]]
entry()
"""


def without(modules: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT, modules, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("step", STEPS)
def test_help_is_there_without_any_extra(step: str) -> None:
    done = without("torch,jinja2,matplotlib,moto,PIL,av,fsspec,h5py,lance,numcodecs,pydicom,tokenizers", step, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: penstock {step}" in done.stdout


@pytest.mark.parametrize(
    ("modules", "words", "extra"),
    [
        ("torch", ["train", "--manifest", "m", "--plan", "p", "--checkpoints", "c", "--record", "r"], "train"),
        ("torch", ["evaluate", "--manifest", "m", "--plan", "p", "--checkpoint", "c", "--metrics", "x"], "train"),
        ("torch", ["run", "--source", "s", "--task", "eeg-c1", "--out", "o"], "train"),
        ("torch", ["demo", "--out", "o"], "train"),
        ("matplotlib", ["run", "--source", "s", "--task", "eeg-c1", "--out", "o"], "report"),
        ("jinja2", ["report", "--run-record", "r", "--html", "h"], "report"),
    ],
)
def test_a_missing_extra_is_one_line_that_installs_it(
    modules: str, words: list[str], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = without(modules, *words)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert f"pip install 'penstock[{extra}]'" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list", "--source", "s3:/bucket/a"], "did you mean s3://bucket/a?"),
        (["list", "--run-root", "s3:/bucket"], "did you mean s3://bucket?"),
        (["train", "--run-root", "s3:/bucket"], "did you mean s3://bucket?"),
        (["train", "--checkpoints", "https:/host"], "did you mean https://host?"),
        (["train", "--checkpoints", ""], "is empty"),
        (["evaluate", "--checkpoint", "s3:/bucket/x.pt"], "did you mean s3://bucket/x.pt?"),
        (["train", "--manifest", "s3://bucket/m.parquet"], "a local file or folder is wanted"),
        (["list", "--record", "s3:/bucket/r"], "a local file or folder is wanted"),
        (["run", "--out", "~nosuchuser/x"], "no home folder is known for '~nosuchuser'"),
        (["list", "--source", "~nosuchuser/x"], "no home folder is known for '~nosuchuser'"),
        *(
            (["train", "--run-id", name], "is no name of a run")
            for name in ("../x", "..", ".", "a/b", "a b", "é", "/x")
        ),
        (["report", "--run-id", "../x"], "is no name of a run"),
        (["report", "--run-root", "r", "--run-id", ".."], "is no name of a run"),
    ],
)
def test_places_that_are_none_are_refused_as_they_are_read(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert told in line


def test_a_home_folder_is_one_in_a_location_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    words = ["train", "--manifest=m", "--plan=p", "--record=r", "--run-root=~/x", "--run-id", "eeg-x7k2p.1_a"]
    args = build_parser(["train"]).parse_args(words)
    assert (args.run_root, args.run_id) == ("/home/someone/x", "eeg-x7k2p.1_a")
    assert build_parser(["train"]).parse_args([*words[:4], "--run-root", "", "--run-id", ""]).run_root == ""


def test_each_default_is_told_once() -> None:
    for step, parser in subparsers(build_parser()).items():
        formatter = parser._get_formatter()
        for action in parser._actions:
            told = formatter._expand_help(action) if action.help else ""
            has_default = not any(action.default is none for none in (None, False, argparse.SUPPRESS))
            has_default = has_default and action.default not in ("", []) and not action.required
            assert told.count("default") == 1 or not has_default, (step, action.option_strings, told)
            assert told.count("default") <= 1, (step, action.option_strings, told)


def test_a_demo_smaller_than_can_be_made_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--size", "1k", "--out", str(tmp_path / "out")]) == ConfigError.exit_code
    told = capsys.readouterr()
    assert "--size of 1000 B: the smallest dataset, 3 subjects, takes 27.0 MiB: pass --size 29M or more" in told.err
    assert told.out == ""
    assert not (tmp_path / "out").exists()


def test_rates_are_bytes_a_second() -> None:
    assert [rate_option(text) for text in ("20MB/s", "20M", "500kB/s", "1Mi/s")] == [
        20_000_000,
        20_000_000,
        500_000,
        1 << 20,
    ]


def test_without_a_step_all_are_listed_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    told = capsys.readouterr().err
    for step in STEPS:
        assert re.search(rf"^    {step}(\n {{17}}| +)\w.{{10,}}$", told, re.MULTILINE), step
    assert told.splitlines()[-1] == "penstock: error: the following arguments are required: STEP"


def test_help_imports_no_task_and_nothing_large() -> None:
    code = """
import sys
from penstock.cli import STEPS, main
for step in STEPS:
    try: main([step, "--help"])
    except SystemExit: pass
tasks = [name for name in sys.modules if name.startswith("penstock.tasks.") and name.count(".") > 2]
large = {"numpy", "pyarrow", "asyncio", "msgspec", *tasks}
extras = "PIL aiohttp av fsspec h5py jinja2 lance matplotlib numcodecs pydicom tokenizers torch".split()
sys.exit(" ".join(sorted({*large, *extras} & set(sys.modules))) or None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["list", "--task", "table", "--help"], ["run", "-h", "--task=table"]])
def test_help_beside_a_task_tells_its_options(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "options of the task table:\n  each as --option NAME=VALUE\n" in told
    for option in get_task("table").options:
        assert f"  {option.name.replace('_', '-')}=" in told
        assert " ".join(option.help.split())[:20] in " ".join(told.split())
    assert "block=SIZE" in told
    assert "(default: 4Mi)" in told


def test_help_beside_a_task_that_there_is_not_names_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--task", "tabel", "--help"]) == 2
    assert "did you mean table?" in capsys.readouterr().err


@pytest.mark.parametrize("step", STEPS)
def test_help_is_of_any_dataset(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([step, "--help"])
    assert "recording" not in capsys.readouterr().out
