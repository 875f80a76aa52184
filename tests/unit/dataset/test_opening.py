"""Files that describe datasets: what is told of those that cannot be read, and their schema."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import penstock
from penstock.dataset.opening import FUNCTIONS
from penstock.dataset.schema import dataset_schema
from penstock.errors import ConfigError

PUBLISHED = Path(__file__).parents[3] / "docs" / "schemas" / "dataset.json"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "d.yaml is empty"),
        ("- a", "d.yaml:1 is not a mapping"),
        ("a: [", "d.yaml:1 is not YAML"),
        ("source: s3://b/x", "d.yaml:1: format is missing: write it, like `format: parquet`"),
        ("format: parquet", "d.yaml:1: source is missing"),
        ("format: parquett\nsource: /", "d.yaml:1: there is no format 'parquett'"),
        ("format: parquet\nsource: /\ncolums: a", "d.yaml:3: there is no 'colums' here: did you mean columns"),
        ("format: jsonl\nsource: /\ncolums: a", "d.yaml:3: there is no 'colums' here: did you mean columns"),
        ("format: text\nsource: /\nby: page", "d.yaml:3: by 'page'"),
        ("format: zip\nsource: /\nsampel: png", "d.yaml:3: there is no 'sampel' here: did you mean sample"),
        ("format: parquet\nsource: /\n\nmemory: lots", "d.yaml:4: memory 'lots' is not a size"),
        ("format: parquet\nsource: /\ncolumns: 3", "d.yaml:3: columns 3"),
        ("format: parquet\nsource: /\nsource: /", "d.yaml:3: source is in line 2 already"),
        ("format: parquet\nsource: s3a://x/y", "d.yaml:2: .*there is no scheme 's3a'|d.yaml:1: .*no scheme 's3a'"),
        ("format: parquet\nsource: /\nsplit: 0.2", "d.yaml:3: split is no mapping"),
        ("format: parquet\nsource: /\nsplit: {by: x}", "d.yaml:3: valid is missing"),
        ("format: parquet\nsource: /\nsplit:\n  valid: 2", "d.yaml:4: valid 2: give a fraction"),
        ("format: parquet\nsource: /\nsplit:\n  valid: 0.2\n  sed: 3", "d.yaml:5: there is no 'sed' here"),
        ("format: parquet\nsource: /\nsplit: {valid: 0.2}", "d.yaml:3: it is split into train, valid, and none"),
        ("format: parquet\nsource: /\nsplit: {valid: 0.2}\npart: test", "d.yaml:4: part 'test'"),
        ("format: parquet\nsource: /\npart: train", "d.yaml:3: this dataset has no parts of its own"),
        ("format: objects\nsource: /\nselect: x", "d.yaml:3: nothing can be selected"),
        ("format: objects\nsource: /\nwhere:", "d.yaml:3: where is empty"),
        ("format: parquet\nsource: /\nselect:", "d.yaml:3: select is empty"),
        ("format: parquet\nsource: /\nselect: []", "d.yaml:3: select is empty"),
        ("format: parquet\nsource: /\nsplit:", "d.yaml:3: split is empty"),
        ("format: objects\nsource: /\nwhere: {a: b}", "d.yaml:3: where {'a': 'b'}: write a pattern"),
        ("format: objects\nsource: /\nwhere: [a, {b: c}]", "d.yaml:3: where "),
        ("format: objects\nsource: /\n\nwhere: 5", "d.yaml:4: where 5: write a pattern"),
        ("format: parquet\nsource: /\nselect: {a: b}", "d.yaml:3: select {'a': 'b'}: write a name"),
        ("format: objects\nsource: /\nmatch: {a: b}", "d.yaml:3: match {'a': 'b'}: write a value or a list"),
        ("format: parquet\nsource: /\ncolumns: {a: b}", "d.yaml:3: columns {'a': 'b'}: write a value"),
        ("format: parquet\nsource: /\nsplit: {valid: }", "d.yaml:3: valid is missing"),
        ("format: [objects]\nsource: /", r"d.yaml:1: format \['objects'\]: write one name"),
        ("format: {a: b}\nsource: /", "d.yaml:1: format {'a': 'b'}: write one name"),
        ("format: parquet\nsource: /\nsplit: {valid: 0.2}\npart: [train]", r"d.yaml:4: part \['train'\]"),
        ("format: objects\nsource: /\nmatch: " + "9" * 5000, "d.yaml:3: a number of 5000 digits: write a shorter"),
        ("format: images\nsource: /\nsize: 3", "d.yaml:3: size is 3"),
        ("format: eeg\nsource: /\nchallenge: c9", "d.yaml:3: challenge 'c9'"),
        ("format: eeg\nsource: /", "d.yaml:1: challenge is missing"),
        ("mix: 3", "d.yaml:1: mix is no list"),
        ("mix:\n - a", "d.yaml:2: a member of mix is no mapping"),
        (
            "mix:\n - format: parquet\n   source: /\n - {weight: 1, format: tar, source: /}",
            "d.yaml:2: a member of mix has no weight",
        ),
        ("mix:\n - {format: tar, source: /}", r"d.yaml:1: 1 member\(s\)"),
        ("mix:\n - {weight: {a: 1}, format: tar, source: /}", r"d.yaml:2: weight {'a': 1}: write weights by epoch"),
        (
            "mix:\n - {weight: {1: 1}, format: tar, source: /}\n - {weight: 1, format: tar, source: /}",
            "d.yaml:2: the weight {1: 1} of a member: give weights by the epoch, from 0",
        ),
        (
            "mix:\n - {most_samples: 0, format: tar, source: /}\n - {format: tar, source: /}",
            "d.yaml:2: most_samples 0: give a whole number of at least 1",
        ),
        ("mix:\n - {mix: 3, weight: 1}", "d.yaml:2: mix is no list"),
        ("mix:\n - {format: tar, source: /}\n - {format: tar, source: /}\nstop: repeat", "samples None with stop='rep"),
        ("mix:\n - {weight: 1, format: parquet, source: /}", r"d.yaml:1: 1 member\(s\)"),
        ("mix: []\nseed: 1\nwindoww: 3", "d.yaml:3: there is no 'windoww' here"),
        (
            "mix:\n - {format: tar, source: /}\n - {format: tar, source: /, window: 3}",
            "d.yaml:3: there is no 'window' in",
        ),
        (
            "mix:\n - {task: table, target: x, source: /}",
            "d.yaml:2: there is no 'task' in a member of mix: it",
        ),
        ("task: table\ntarget: x\nmix: []", "d.yaml:2: there is no 'target' here: write it in each member of the mix"),
        ("mix: []\nsplit: {valid: 1}", "d.yaml:2: there is no 'split' here: write it in each member of the mix"),
        ("mix: []\nbatsh: 1", "d.yaml:2: there is no 'batsh' here: did you mean batch"),
        ("format: tar\nsource: /\nbacth: 1", "d.yaml:3: there is no 'bacth' here: did you mean batch"),
        ("mix:\n - {wieght: 1, format: tar, source: /}", "d.yaml:2: there is no 'wieght' here: did you mean weight"),
        ("mix:\n - {weight: x, format: tar, source: /}", "d.yaml:2: the weight 'x' of a member"),
        ("mix:\n - {format: tar, source: /}\n - {most_epochs: x, format: tar, source: /}", "d.yaml:3: most_epochs 'x'"),
        (
            "mix:\n - {format: tar, source: /}\n - {format: tar, source: /a}\nstop: repeat",
            "d.yaml:4: samples None with",
        ),
        (
            "format: parquett\nsource: /\ncolumns: [x]",
            "d.yaml:1: there is no format 'parquett'",
        ),
        (
            "format: csv\nsource: /\nnumbers: [x]",
            "d.yaml:3: there is no 'numbers' here: it is an option of csv",
        ),
        ("format: csv\nsource: /\noptions:\n  block: 1Mi\n  numbres: x", "d.yaml:5: the format 'csv' has no option"),
        ("format: csv\nsource: /\noptions:\n  block: 1Mi\n  numbers: 3", "d.yaml:5: numbers 3"),
        ("format: tar\nsource: /\ndecoded:\n  video:\n    framse: 3", "d.yaml:5: decoded: 'video with framse'"),
        ("format: zip\nsource: /\ndecoded: {vidoe: {frames: 3}}", "d.yaml:3: decoded: 'vidoe with frames'"),
        ("format: tar\nsource: /\nwindow:", "d.yaml:3: window is empty"),
        ("format: tar\nsource: /\nwindow: lots", "d.yaml:3: window 'lots' is not a size"),
        ("format: tar\nsource: /\nbatch: 0", "d.yaml:3: batch 0: give a whole number"),
        ("format: tar\nsource: /\nbatch: [1]", r"d.yaml:3: batch \[1\]: give a whole number"),
        ("format: tar\nsource: /\ntransform: os", "d.yaml:3: transform 'os' is 'os': write it like package.module"),
        ("format: tar\nsource: /\ntransform: os:nothing", "d.yaml:3: transform 'os:nothing': os has no 'nothing'"),
        ("format: tar\nsource: /\ntransform: os:sep", "d.yaml:3: transform '/'"),
        ("format: tar\nsource: /\ntransform: {a: b}", "d.yaml:3: transform {'a': 'b'}: write it like package.module"),
        ("format: tar\nsource: /\ntask: tabel", "d.yaml:3: task 'tabel': did you mean 'table'"),
        ("format: tar\nsource: /\ntask: [table]", r"d.yaml:3: task \['table'\]: choose one of"),
        ("format: tar\nsource: /\ntask: objects", "d.yaml:3: task 'objects'"),
        ("format: images\nsource: /\ntask: table", "format images makes samples of the task images, not of table"),
        ("task: table\nsource: /\ntraget: a", "d.yaml:3: there is no 'traget' here: did you mean target"),
        ("task: table\nsource: /\nmax_values: many", "d.yaml:3: max_values 'many'"),
        ("task: table\nsource: [/a, /b]\n", "d.yaml:2: source .*is a pattern or a list"),
        ("task: table\n", "d.yaml:1: source is missing"),
        ("format: tar\nsource: /\nmatch: AKIAABCDEFGHIJKLMNOP", "d.yaml:3: what stands there looks like a credential"),
        (
            "format: tar\nsource: /\nstorage_options: {key: a}",
            "d.yaml:3: there is no 'storage_options' here: leave it out",
        ),
        ("format: tar\nsource: /\n1: 2", "d.yaml:3: there is no '1' here"),
        ("formt: tar\nsource: /", "d.yaml:1: format is missing: write it, in the place of 'formt', like `format"),
        ("format: tar\nsource: !x /", "d.yaml:2: the tag '!x': leave it out"),
        ("format: !!python/name:os.system tar\nsource: /", "d.yaml:1: the tag '!!python/name:os.system'"),
        ("format: tar\nsource: /\n\nmatch: !!str 5", "d.yaml:4: the tag '!!str'"),
        ("!!omap\nformat: tar\nsource: /", "d.yaml:1: the tag '!!omap'"),
        ("format: tar\nsource: /\n!x match: a", "d.yaml:3: the tag '!x'"),
        ("format: tar\nsource: /\nrename: !<tag:x> {a: b}", "d.yaml:3: the tag 'tag:x'"),
        ("format: tar\nsource: ! /", "d.yaml:2: the tag '!'"),
        ("mix:\n - !m {weight: 1, format: tar, source: /}", "d.yaml:2: the tag '!m'"),
        ("~: 2", "d.yaml:1: None is no name"),
        ("a: &a [1]\nb: [[[[[[[[[[[1]]]]]]]]]]]", "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "d.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        penstock.open(tmp_path / "d.yaml")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_what_members_mean_may_be_a_mapping(tmp_path: Path, kind: str) -> None:
    (tmp_path / "d.yaml").write_text(f"format: {kind}\nsource: /\ndecoded: {{video: {{frames: 3}}}}\n")
    assert "{'video': {'frames': 3}}" in repr(penstock.open(tmp_path / "d.yaml"))


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*no\.yaml"):
        penstock.open(tmp_path / "no.yaml")
    with pytest.raises(ConfigError, match="path 3"):
        penstock.open(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"is no file"):
        penstock.open(tmp_path)
    with pytest.raises(ConfigError, match="part 'x'"):
        penstock.open(tmp_path, part="x")


def test_many_aliases_of_little_take_no_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x]"] + [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]" for at in range(1, 7)]
    (tmp_path / "d.yaml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="there is too much"):
        penstock.open(tmp_path / "d.yaml")


def test_every_function_that_makes_a_dataset_has_its_format_in_a_file(tmp_path: Path) -> None:
    made = {name: getattr(penstock, name) for name in penstock.__all__}
    makers = {
        name
        for name, each in made.items()
        if inspect.isfunction(each) and inspect.signature(each).return_annotation == "Dataset"
    }
    assert {"jsonl", "parquet", "zip"} <= makers
    assert {name.replace("_", "-") for name in makers - {"of_format"}} == FUNCTIONS.keys()
    (tmp_path / "d.yaml").write_text(f"format: jsonl\nsource: {tmp_path}\ncolumns: [text]\n")
    opened = penstock.open(tmp_path / "d.yaml")
    assert repr(opened) == repr(penstock.jsonl(str(tmp_path), columns=["text"]))


def test_the_published_schema_is_that_of_the_functions(request: pytest.FixtureRequest) -> None:
    printed: Any = json.dumps(dataset_schema(), indent=2) + "\n"
    if request.config.getoption("--regenerate", default=False):
        PUBLISHED.write_text(printed)
    assert PUBLISHED.read_text() == printed, "make it anew: pytest tests/unit/dataset --regenerate"
    jsonschema.Draft202012Validator.check_schema(dataset_schema())
    for wrong in ({"format": "parquet"}, {"format": "parquet", "source": "/", "columms": []}, {"mix": []}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, dataset_schema())


WITH_MORE = [
    "task: table\nsource: /x\ntarget: y\nformat: csv\nwhere: '*'",
    "format: images\nsource: /x\nbatch: 3\nwindow: 3Mi\ntransform: a.b:c",
    "task: images\nsource: /x\nsize: 16",
    "task: images\nformat: images\nsource: /x",
    "format: eeg\nchallenge: c1\ntask: eeg-c1\nsource: /x",
    "task: eeg-c1\nsource: /x",
    "task: own-task\nsource: /x\nanything: 3",
    "task: table\nmix:\n - {weight: 1, source: /x, target: y}\n - {weight: 2, source: /y, target: y}\nbatch: 2",
]


@pytest.mark.parametrize("text", WITH_MORE)
def test_the_schema_knows_tasks_and_loading(text: str) -> None:
    jsonschema.validate(yaml.safe_load(text), dataset_schema())


@pytest.mark.parametrize(
    "text",
    [
        "task: table\nsource: /x\ntraget: y",
        "format: images\nsource: /x\nbatch: 0",
        "format: images\nsource: /x\ntransform: a.b",
        "task: images\nsource: /x\nsiz: 3",
        "mix:\n - {weight: 1, format: tar, source: /x, batch: 2}\n - {weight: 2, format: tar, source: /y}",
    ],
)
def test_the_schema_refuses_what_opening_does(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), dataset_schema())
