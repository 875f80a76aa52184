"""Options in a YAML file: what they mean, what is refused and in which line, and the published schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from penstock.cli import STEPS, build_parser, main
from penstock.errors import ConfigError
from penstock.steps.options.challenge import with_challenge
from penstock.steps.options.config_file import config_schema, with_config
from penstock.steps.options.steps import options_of

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
RUN = """
source: s3://bucket/prefix   # where it lies
task: eeg-c1
epochs: 3
learning-rate: 1e-3
mini: true
release: R1,R2
option:
  normalize: none
  epoch-start: 0.5
window-size: 2Gi
checkpoint-every: ~
region: no
split: 0.7,0.15,0.15
"""


def words(tmp_path: Path, text: str, *others: str, step: str = "run") -> list[str]:
    (tmp_path / "c.yaml").write_text(text)
    return with_config([step, "--config", str(tmp_path / "c.yaml"), *others], options_of(step))


def test_a_file_stands_for_its_options(tmp_path: Path) -> None:
    found = words(tmp_path, RUN, "--out", "x")
    assert found == [
        "run", "--source=s3://bucket/prefix", "--task=eeg-c1", "--epochs=3", "--learning-rate=0.001", "--mini=true",
        "--release=R1,R2", "--option=normalize=none", "--option=epoch-start=0.5", "--window-size=2Gi",
        "--region=no", "--split=0.7,0.15,0.15", "--out", "x",
    ]  # fmt: skip
    args = build_parser(("run",)).parse_args(found)
    assert (args.epochs, args.mini, args.region) == (3, True, "no")


def test_what_the_command_line_gives_wins_whole(tmp_path: Path) -> None:
    given = ["--epochs", "5", "--release=R9", "--option", "normalize=zscore"]
    found = words(tmp_path, RUN, *given)
    assert [word for word in found if "epochs" in word or "release" in word or "option" in word] == [
        *("--epochs", "--release=R9", "--option")
    ]
    args = build_parser(("run",)).parse_args([*found, "--out", "x"])
    assert args.epochs == 5
    assert args.release == "R9"


def test_what_has_commas_on_a_command_line_may_be_a_list(tmp_path: Path) -> None:
    text = "split: [0.8, 0.1, 0.1]\nrelease: [R1, R2]\nmodes: [stream, cache]\nclass-weights: [1, 2.5]\n"
    jsonschema.validate(yaml.safe_load(text), config_schema("compare-modes", options_of("compare-modes")))
    assert words(tmp_path, text, step="compare-modes") == [
        "compare-modes", "--split=0.8,0.1,0.1", "--release=R1,R2", "--modes=stream,cache", "--class-weights=1,2.5",
    ]  # fmt: skip


def test_what_has_commas_among_a_task_s_options_may_be_a_list(tmp_path: Path) -> None:
    text = "option: {train-releases: [R1, R2], channels: [01, 2], mini: true}"
    jsonschema.validate(yaml.safe_load(text), config_schema("run", options_of("run")))
    assert words(tmp_path, text) == [
        *("run", "--option=train-releases=R1,R2", "--option=channels=01,2", "--option=mini=true")
    ]
    for wrong in ("[R1, ~]", '["R1,R2"]'):
        with pytest.raises(ConfigError, match=r":1: option 'train-releases' is .* without commas"):
            words(tmp_path, f"option: {{train-releases: {wrong}}}")
    with pytest.raises(ConfigError, match="nested too deeply"):
        words(tmp_path, "option: {train-releases: [[R1]]}")


@pytest.mark.parametrize("step", ["list", "run", "compare-modes", "demo"])
def test_a_file_names_a_challenge(tmp_path: Path, step: str) -> None:
    assert words(tmp_path, "challenge: c2", step=step) == [step, "--task=eeg-c2"]
    assert words(tmp_path, "challenge: c2", "--task", "eeg-c1", step=step) == [step, "--task", "eeg-c1"]
    given = list(with_challenge([step, "--challenge", "c1"]))
    assert words(tmp_path, "challenge: c2", *given[1:], step=step) == [step, "--task=eeg-c1"]
    assert words(tmp_path, "task: eeg-c2", *given[1:], step=step) == [step, "--task=eeg-c1"]
    assert words(tmp_path, "challenge: ~", step=step) == [step]
    jsonschema.validate({"challenge": "c2"}, config_schema(step, options_of(step)))


@pytest.mark.parametrize("step", ["train", "evaluate", "prefetch", "pack"])
def test_a_step_without_a_task_has_no_challenge(tmp_path: Path, step: str) -> None:
    with pytest.raises(ConfigError, match="there is no option 'challenge'"):
        words(tmp_path, "challenge: c2", step=step)
    assert "challenge" not in config_schema(step, options_of(step))["properties"]


def test_the_last_challenge_of_a_command_counts_and_its_help_tells_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert with_challenge(["list", "--challenge=c1", "--mini", "--challenge", "c2"]) == [
        *("list", "--task=eeg-c2", "--mini")
    ]
    for wrong in (["--challenge"], ["--challenge="], ["--challenge=c1", "--challenge=c3"]):
        with pytest.raises(ConfigError, match="there is no challenge"):
            with_challenge(["list", *wrong])
    with pytest.raises(SystemExit):
        main(["run", "--challenge", "c1", "--help"])
    told = capsys.readouterr().out
    assert "--challenge {c1,c2}" in told
    assert "options of the task eeg-c1" in told


def test_splits_of_eeg_have_flags_that_stand_for_options(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["run", "--challenge", "c1", "--train-releases", "R1,R2", "--test-subjects=./s.txt", "--mini"]
    assert with_challenge(given) == [
        *("run", "--task=eeg-c1", "--option", "train-releases=R1,R2", "--option", "test-subjects=./s.txt", "--mini")
    ]
    assert main(["list", "--source", "x", "--task", "images", "--train-releases", "R1"]) == 2
    assert main(["train", "--train-releases", "R1"]) == 2
    assert "unrecognized arguments: --train-releases" in capsys.readouterr().err
    for words in (["--train-releases"], ["--train-releases", "--mini"]):
        assert main(["list", "--source", "x", "--task", "eeg-c1", *words]) == 2
        assert "error: --train-releases without names: write" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["--config=", "--config "])
def test_both_ways_to_write_the_flag(tmp_path: Path, form: str) -> None:
    (tmp_path / "c.yaml").write_text("epochs: 2")
    assert with_config(["run", *f"{form}{tmp_path}/c.yaml".split(" ")], options_of("run")) == ["run", "--epochs=2"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nepoch: 3", ":1: there is no option 'a'"),
        ("\nepoch: 3", ":2: there is no option 'epoch': did you mean epochs?"),
        ("task: clips\ntable: x.csv", ":2: there is no option 'table': did you mean an option of the task? Write it"),
        ("video-foldr: x\ntask: clips", "Write it below option, like option: {video-folder: ...}"),
        ("batch_size: 3", ":1: there is no option 'batch_size': did you mean batch-size?"),
        ("epochs: three", ":1: option 'epochs' is \"three\", where a whole number is wanted"),
        ("epochs: '3'", ":1: option 'epochs' is \"3\", where a whole number is wanted"),
        ("epochs: 0", ":1: option 'epochs': '0' is not a whole number of at least 1"),
        ("mini: yes", ":1: option 'mini' is \"yes\", where true or false is wanted"),
        ("loss: l7", ":1: option 'loss' is \"l7\": it is one of mse, smooth_l1"),
        ("epochs: 1\nepochs: 2", ":2: epochs is in line 1 already: write it once"),
        ("epochs: [1, 2]", ":1: option 'epochs' is [1, 2], where a whole number is wanted"),
        ("option: [[R1]]", ":1: its value is nested too deeply"),
        ("- epochs", ":1 is not a mapping: write an option a line"),
        ("epochs: 1: 2", ":1 is not YAML: mapping values are not allowed here"),
        ("epochs: 1\n  x: [", ":2 is not YAML"),
        ("? [a]\n: 1", ":1: there is no option"),
        ('release: ["R1,R2", R3]', ':1: option \'release\' is ["R1,R2", "R3"], where each is a text or a number'),
        ("split: [a, 0.5]", ":1: option 'split': 'a,0.5' are not three fractions"),
        ("task: [eeg-c1, eeg-c2]", ':1: option \'task\' is ["eeg-c1", "eeg-c2"], where a text is wanted'),
        ("until-stdin-closes: true", "there is no option 'until-stdin-closes'"),
        ("challenge: c3", ":1: there is no challenge 'c3': give one of c1, c2"),
        ("challenge: 1", ":1: there is no challenge '1': give one of c1, c2"),
        ("challenge: [c1]", ":1: there is no challenge"),
        ("task: eeg-c1\nchallenge: c1", ":2: challenge is beside line 1, which says the task too: write one of them"),
        ("challenge: c1\n\ntask: table", ":3: task is beside line 1, which says the task too: write one of them"),
        ("challenge: c1\nchallenge: c2", ":2: challenge is in line 1 already"),
        ("chalenge: c1", ":1: there is no option 'chalenge': did you mean challenge?"),
        ("config: other.yaml", "there is no option 'config'"),
        ("!!python/object:os.system x: 1", "the tag '!!python/object:os.system'"),
        ("x: !!str 1", "the tag '!!str'"),
        ("[" * 5000, " is "),
        ("\nepochs: " + "9" * 5000, ":2: a number of 5000 digits: write a shorter one"),
        ("\nepochs: 1.5e" + "9" * 5000, ":2: a number of 5004 digits: write a shorter one"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as found:
        words(tmp_path, text)
    assert told in str(found.value)
    assert str(tmp_path / "c.yaml") in str(found.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe: 1")
    (tmp_path / "large").write_bytes(b"#" * (2 << 20))
    for name, told in (("none", "No such file"), ("", "is no file"), ("bytes", "UTF-8"), ("large", "more than")):
        with pytest.raises(ConfigError, match=told):
            with_config(["run", "--config", str(tmp_path / name)], options_of("run"))
    for given in (["--config"], ["--config="], ["--config", "a", "--config", "b"]):
        with pytest.raises(ConfigError, match="without a value"):
            with_config(["run", *given], options_of("run"))


def test_an_empty_file_leaves_everything_as_it_is(tmp_path: Path) -> None:
    assert words(tmp_path, "# nothing\n") == ["run"]


def test_aliases_cannot_blow_it_up(tmp_path: Path) -> None:
    bomb = "option: &a {x: y}\nsource: {a: *a}\n"
    with pytest.raises(ConfigError, match="nested too deeply"):
        words(tmp_path, bomb)


def test_secrets_of_a_file_are_not_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as found:
        words(tmp_path, "source: s3://AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI@bucket/x")
    assert "wJalr" not in str(found.value)


def test_the_command_line_tells_it_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("epoch: 3\n")
    assert main(["train", "--config", str(tmp_path / "c.yaml")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "c.yaml:1: there is no option 'epoch': did you mean epochs?" in told


@pytest.mark.parametrize("step", STEPS)
def test_the_published_schema_is_that_of_the_options(
    step: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([step, "--config-schema"])
    assert not ended.value.code
    printed = capsys.readouterr().out
    path = SCHEMAS / f"{step}.json"
    if request.config.getoption("--regenerate", default=False):
        path.write_text(printed)
    assert path.read_text() == printed, "make it anew: pytest tests/unit/steps/test_config_file.py --regenerate"
    jsonschema.Draft202012Validator.check_schema(json.loads(printed))


def test_a_schema_takes_what_the_reader_takes(tmp_path: Path) -> None:
    schema = config_schema("run", options_of("run"))
    found = yaml.safe_load(RUN.replace("region: no", "region: eu").replace("1e-3", "0.001").replace("~", "0"))
    jsonschema.validate(found, schema)
    for bad in ({"epoch": 1}, {"epochs": "three"}, {"mini": "yes"}, {"loss": "l7"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("option:\n  target: a\n  sizze: 3", "c.yaml:5: table has no option 'sizze'"),
        ("option:\n  target: a\n  max-values: x", "c.yaml:5: 'x' is not an integer for max-values"),
        ("option:\n  target: a\n  max-values: 1", "c.yaml:5: the option max-values is 1"),
        ("option: [target=a,\n  predict=much]", "c.yaml:4: the option predict is 'much'"),
        ("option:\n- match=*\n- target=z", "c.yaml:5: a.csv has no column 'z' of --option target="),
        ("option:\n  target: a\n  columns: a", "c.yaml:5: the column a is both learnt from and predicted"),
        ("option: {target: a}\nendpoint-url: http://host", "c.yaml:4: --endpoint-url means nothing"),
    ],
)
def test_what_is_found_out_late_is_told_with_its_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], option: str, told: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "c.yaml").write_text(f"source: {tmp_path}/data\ntask: table\n{option}\n")
    outputs = [f"--{name}={tmp_path}/{name}" for name in ("manifest", "plan", "record")]
    assert main(["list", "--config", f"{tmp_path}/c.yaml", *outputs]) == 2
    assert told in capfd.readouterr().err.splitlines()[-1]


def test_what_the_command_line_gives_is_told_without_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "c.yaml").write_text(f"source: {tmp_path}\ntask: table\noption: {{target: a, max-values: 5}}\n")
    outputs = [f"--{name}={tmp_path}/{name}" for name in ("manifest", "plan", "record")]
    words = ["list", "--config", f"{tmp_path}/c.yaml", *outputs, "--option", "target=a", "--option", "max-values=1"]
    assert main(words) == 2
    assert "penstock list: error: the option max-values is 1" in capfd.readouterr().err
