"""``--dataset``: a file that describes a dataset drives the steps as it does ``penstock.open``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock.cli import main
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.records import Evaluation, Plan, RunRecord, read_record
from support.cli import penstock as command
from support.images import write_class_folders
from support.tables import people, write_parquet

pytestmark = pytest.mark.usefixtures("children_are_forked")

MODULE = """
import numpy as np

def brighter(value, rng):
    inputs, target = value
    return inputs + (0 if rng is None else rng.random(dtype=np.float32)), target

def failing(value, rng):
    return value[0] + rng.random(), value[1]

def smaller(value, rng):
    return value[0][:, 1:], value[1]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_class_folders(folder / "pets", 48)
    write_parquet(folder / "people", people(240), files=3, group_rows=20)
    (folder / "mine.py").write_text(MODULE)
    return folder


@pytest.fixture(autouse=True)
def own_functions(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(data)
    monkeypatch.setenv("PYTHONPATH", str(data))
    monkeypatch.delitem(sys.modules, "mine", raising=False)


def listed(tmp_path: Path, *words: object) -> tuple[ManifestInfo, Plan]:
    """List in this process, and give what was made."""
    manifest, plan = tmp_path / "m.parquet", tmp_path / "p.json"
    assert main(["list", *map(str, words), "--manifest", str(manifest), "--plan", str(plan)]) == 0
    with ManifestReader(manifest) as reader:
        return reader.info, read_record(plan, Plan)


def refused(capfd: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([*map(str, words)]) == 2
    [line] = capfd.readouterr().err.splitlines()
    return line


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_says_what_options_say(data: Path, tmp_path: Path) -> None:
    text = f"format: images\nsource: {data}/pets\nsize: 16\naugment: none\n"
    by_file, plan = listed(tmp_path, "--dataset", write(tmp_path / "d.yaml", text))
    pairs = ["--option", "size=16", "--option", "augment=none"]
    by_options, _ = listed(tmp_path, "--source", data / "pets", "--task", "images", *pairs)
    assert by_file.task_options == {**by_options.task_options, "unmatched-share": 0.05}
    assert (by_file.fingerprint, plan.batch_size) == (by_options.fingerprint, None)
    of_text, _ = listed(tmp_path, "--dataset", text)
    assert of_text.fingerprint == by_file.fingerprint
    on_one_line = f"{{format: images, source: {data}/pets, size: 16, augment: none}}"
    assert listed(tmp_path, "--dataset", on_one_line)[0].fingerprint == by_file.fingerprint


def test_the_parts_are_those_that_open_gives(data: Path, tmp_path: Path) -> None:
    path = write(
        tmp_path / "d.yaml",
        f"""
        task: table
        source: {data}/people
        target: label
        columns: [age, city]
        where: ["0.*", "1.*"]
        split: {{valid: 0.3, test: 0.2, by: patient, seed: 5}}
        part: valid
        batch: 7
        """,
    )
    info, plan = listed(tmp_path, "--dataset", path)
    assert (info.task, info.fractions, info.seed, plan.batch_size) == ("table", (0.5, 0.3, 0.2), 5, 7)
    for name in ("train", "valid", "test"):
        part = penstock.open(path, part=name)
        assert isinstance(part, penstock.Dataset)
        with part.loader(window="16Mi", shuffle=False) as loader:
            assert loader.num_samples == info.split(name).num_samples
            batch = next(iter(loader))
        assert set(batch) == {"inputs", "targets"}
        assert batch["inputs"].shape == (7, *info.shape)


def test_the_command_line_wins(data: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "d.yaml", f"format: parquet\nsource: {data}/people\ncolumns: age,city\n")
    words = ["--dataset", path, "--task", "table", "--option", "target=price"]
    info, _ = listed(tmp_path, *words, "--split", "0.5,0.5,0", "--task-options", '{"columns": "age"}')
    assert (info.task_options["target"], info.task_options["columns"], info.fractions) == (
        "price",
        "age",
        (0.5, 0.5, 0),
    )


def test_windows_batches_and_transforms_of_a_file_are_its_loaders(data: Path, tmp_path: Path) -> None:
    text = f"format: images\nsource: {data}/pets\nsize: 16\nbatch: 5\nwindow: 8Mi\n"
    plain = penstock.open(write(tmp_path / "d.yaml", text))
    assert isinstance(plain, penstock.Dataset)
    brighter = penstock.open(write(tmp_path / "e.yaml", f"{text}transform: mine:brighter\n"))
    assert isinstance(brighter, penstock.Dataset)
    with plain.loader(shuffle=False) as first, brighter.loader(shuffle=False) as second, plain.loader(2) as third:
        assert (first.meters().window_bytes or 8 << 20) == 8 << 20
        one, other, small = (next(iter(each)) for each in (first, second, third))
    assert (len(one[0]), len(small[0])) == (5, 2)
    added = (other[0] - one[0]).flatten(1)
    assert np.allclose(added.std(1), 0, atol=1e-6)
    assert len(set(added.mean(1).tolist())) == 5


def test_a_job_of_a_file(data: Path, tmp_path: Path) -> None:
    """With a transform, and without a test of its own: it ends with a score of the validation."""
    out = tmp_path / "out"
    path = write(
        tmp_path / "d.yaml",
        f"""
        format: images
        source: {data}/pets
        size: 16
        augment: none
        split: {{valid: 0.3, by: sample, seed: 1}}
        transform: mine:brighter
        window: 4Mi
        batch: 6
        """,
    )
    words = ["run", "--dataset", path, "--epochs", "1", "--device", "cpu", "--threads", "1", "--out", out]
    done = command(*words)
    assert done.returncode == 0, done.stderr
    record = read_record(out / "run.json", RunRecord)
    assert (record.config["batch_size"], record.meters.window_bytes) == (6, 4 << 20)
    assert read_record(out / "evaluation.json", Evaluation).split == "valid"
    with ManifestReader(out / "manifest.parquet") as reader:
        info = reader.info
    assert (info.transform, info.split("train").num_samples) == ("mine:brighter", record.num_trained_samples)
    assert "dataset" in json.loads((out / "job.json").read_text())["options"]
    # Moved, it is the same job, which is done; with another word in it, it is another.
    again = command(*[tmp_path / "e.yaml" if word is path else word for word in words])
    assert again.returncode == 2
    path.rename(tmp_path / "e.yaml")
    assert command(*[tmp_path / "e.yaml" if word is path else word for word in words]).returncode == 0
    write(path, (tmp_path / "e.yaml").read_text().replace("size: 16", "size: 17"))
    other = command(*words)
    assert other.returncode == 2
    assert "--dataset sha256:" in other.stderr


def trained(tmp_path: Path, *words: object) -> int:
    given = ["--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json", "--record", tmp_path / "r.json"]
    return main(
        [
            "train",
            *map(
                str, [*given, "--checkpoints", tmp_path / "c", "--epochs", 1, "--device", "cpu", "--threads", 1, *words]
            ),
        ]
    )


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("failing", "the transform mine:failing failed on a sample that is not trained on: AttributeError"),
        ("smaller", "the transform mine:smaller gives inputs of shape (3, 15, 16), of (3, 16, 16)"),
    ],
)
def test_what_a_transform_does_wrong_is_told(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], function: str, told: str
) -> None:
    text = f"format: images\nsource: {data}/pets\nsize: 16\ntransform: mine:{function}\n"
    listed(tmp_path, "--dataset", text)
    assert trained(tmp_path, "--transform", f"mine:{function}") != 0
    assert told in capfd.readouterr().err


def test_a_transform_runs_where_somebody_agreed_alone(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = f"format: images\nsource: {data}/pets\nsize: 16\ntransform: mine:brighter\n"
    listed(tmp_path, "--dataset", text)
    capfd.readouterr()
    for step in (trained, probed):
        assert step(tmp_path) == 2
        assert "go through the transform 'mine:brighter', whose code would be run: pass --transform mine:brighter" in (
            capfd.readouterr().err
        )
    listed(tmp_path, "--dataset", text.replace("transform: mine:brighter\n", ""))
    assert trained(tmp_path, "--transform", "mine:brighter") == 2
    assert "the manifest was listed without one" in capfd.readouterr().err


def probed(tmp_path: Path) -> int:
    given = ["--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json", "--record", tmp_path / "r.json"]
    return main(["prefetch", *map(str, given)])


@pytest.mark.parametrize(
    ("text", "more", "told"),
    [
        ("format: parquet\nsource: /\n", [], "says where samples lie, not what is learnt of them: write `task:` in it"),
        ("format: parquet\n", [], "d.yaml:1: source is missing"),
        ("format: images\nsource: /\nsiz: 3\n", [], "d.yaml:3: there is no 'siz' here: did you mean size?"),
        ("format: images\nsource: /\n", ["--source", "/"], "--source is given, and --dataset too"),
        ("format: images\nsource: /\n", ["--task", "table"], "format images makes samples of the task images, not of"),
        ("task: images\nsource: /\n", ["--task", "table"], "--task table, and"),
        ("format: images\nsource: /\n", ["--stream-listing"], "--stream-listing with --dataset"),
        ("format: images\nsource: /\n", ["--option", "siz=3"], "images has no option 'siz'"),
        ("format: images\nsource: /\n", ["--task-options", "{"], "--task-options"),
        ("format: images\nsource: s3://u:p@host/x\n", [], "d.yaml:2: what stands there looks like a credential"),
        ("format: images\nsource: /\nmatch: hf_" + 40 * "a" + "\n", [], "d.yaml:3: what stands there looks like"),
        (
            "format: images\nsource: /\ntransform: nowhere:no\n",
            [],
            "d.yaml:3: transform 'nowhere:no' cannot be imported",
        ),
        ("", [], "d.yaml is empty"),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, more: list[str], told: str
) -> None:
    path, out = write(tmp_path / "d.yaml", text), tmp_path / "out"
    places = ["--manifest", out / "m.parquet", "--plan", out / "p.json"]
    assert told in refused(capfd, "list", "--dataset", path, *more, *places)
    told_by_job = refused(capfd, "run", "--dataset", path, *more, "--out", out / "job")
    assert told in told_by_job
    assert not (out / "job").exists() or not list((out / "job").iterdir())
    assert "hf_aaa" not in told_by_job


@pytest.mark.parametrize("words", [["--source", ""], [], ["--source", "/data"], ["--task", "images"]])
def test_what_the_data_are_must_be_said(tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    missing = "task" if "/data" in words else "source"
    places = ["--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json"]
    for line in (refused(capfd, "list", *words, *places), refused(capfd, "run", *words, "--out", tmp_path / "out")):
        assert f"--{missing} is missing or empty: " in line


@pytest.mark.parametrize("given", ["no.yaml", "s3://", "gopher://host/d.yaml", "a\0b"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str], given: Any) -> None:
    places = ["--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json"]
    assert main(["list", "--dataset", given, *map(str, places)]) not in (0, 1)
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("penstock list: error: ")
