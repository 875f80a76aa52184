"""Tasks, recipes and models of other packages, as docs/extending.md has them: nothing of the tree changes for them."""

from __future__ import annotations

import os
import re
import tomllib
import zipfile
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.recipes.own_model import build_own_model
from penstock.records import Evaluation, RunRecord, StepRecord, read_record
from support.cli import penstock

DOCS = Path(__file__).parents[2] / "docs" / "extending.md"
ODD = """
def narrow(*, shape, num_outputs):
    from torch import nn

    return nn.Linear(shape[0], num_outputs + 1)


def failing(*, shape, num_outputs):
    raise RuntimeError("no such weights")


nothing = 3
"""
BROKEN = "toypack.broken:Task"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a package as pip does; give the folder for PYTHONPATH."""
    site = tmp_path_factory.mktemp("site")
    (site / "toypack").mkdir()
    (site / "toypack" / "__init__.py").touch()
    for name, code in re.findall(r"```python\n# toypack/(\w+\.py)\n(.*?)```", DOCS.read_text(), re.DOTALL):
        (site / "toypack" / name).write_text(code)
    (site / "toypack" / "odd.py").write_text(ODD)
    (site / "toypack" / "broken.py").write_text("import a_package_that_is_not_there\n")
    info = site / "toypack-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toypack\nVersion: 1.0\n")
    [declaration] = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    declared = tomllib.loads(declaration)["project"]["entry-points"]
    declared["penstock.tasks"]["toy-broken"] = BROKEN
    lines = [[f"[{group}]", *(f"{name} = {at}" for name, at in points.items())] for group, points in declared.items()]
    (info / "entry_points.txt").write_text("\n".join(line for each in lines for line in each))
    return site


@pytest.fixture(scope="module")
def environment(package: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")]))}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects")
    for number in range(90):
        path = folder / ("high" if number % 2 else "low") / f"{number:03}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([200 + number % 7, 9, 10, 11] if number % 2 else [number % 5, 9, 10, 11]))
    return folder


def words(data: Path, out: Path) -> list[object]:
    asked = ["run", "--source", data, "--task", "toy-folders", "--window-size", "1Mi", "--split-by", "sample"]
    return [*asked, "--epochs", 12, "--batch-size", 8, "--learning-rate", 0.05, "--threads", 1, "--out", out]


@pytest.mark.parametrize("model", [None, "toypack.recipe:wide"])
def test_a_job_of_another_packages_task_and_model(
    data: Path, environment: dict[str, str], tmp_path: Path, model: str | None
) -> None:
    out = tmp_path / "out"
    chosen = [] if model is None else ["--model", model]
    done = penstock(*words(data, out), *chosen, environment=environment)
    assert done.returncode == 0, done.stderr
    assert read_record(out / "run.json", RunRecord).model == (model or "linear")
    assert read_record(out / "evaluation.json", Evaluation).metrics["accuracy"].value == 1.0
    if model is None:
        return
    # Whoever is handed the checkpoint does not run the code that it names without saying so.
    scored = ["evaluate", "--manifest", out / "manifest.parquet", "--plan", out / "plan.json", "--window-size", "1Mi"]
    scored += ["--checkpoint", out / "checkpoints", "--metrics", tmp_path / "again.json"]
    refused = penstock(*scored, environment=environment)
    assert refused.returncode == 2, refused.stderr
    assert f"pass --model {model} if you trust it" in refused.stderr
    other = penstock(*scored, "--model", "linear", environment=environment)
    assert other.returncode == 62, other.stderr
    taken = penstock(*scored, "--model", model, environment=environment)
    assert taken.returncode == 0, taken.stderr


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--model", "liner"], "did you mean linear?"),
        (["--model", "toypack.recipe.wide"], "did you mean toypack.recipe:wide?"),
        (["--model", "toypack.recipe:wode"], "toypack.recipe has no 'wode': did you mean 'wide'? it has Linear, wide"),
        (["--model", "toypack.odd:narrow"], "gives (2, 3) for 2 samples, not (2, 2)"),
        (["--model", "toypak.recipe:wide"], "there is no package 'toypak'"),
        (["--task", "toy-broken"], "No module named 'a_package_that_is_not_there' (broken.py:1 in <module>)"),
        (["--task", "toy-folder"], "did you mean toy-folders?"),
    ],
)
def test_what_is_wrong_with_them_is_told(
    data: Path, environment: dict[str, str], tmp_path: Path, asked: list[str], told: str
) -> None:
    done = penstock(*words(data, tmp_path / "out"), *asked, environment=environment)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("absent", "toypack.odd has no 'absent': it has narrow, failing"),
        ("nothing", "is no function or class"),
        ("failing", "RuntimeError: no such weights"),
        ("narrow", r"gives \(2, 3\) for 2 samples, not \(2, 2\)"),
    ],
)
def test_what_makes_no_network_is_told(package: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str) -> None:
    monkeypatch.syspath_prepend(package)
    with pytest.raises(ConfigError, match=told):
        build_own_model(f"toypack.odd:{name}", shape=(4,), num_outputs=2)


def test_a_source_of_another_package(data: Path, environment: dict[str, str], tmp_path: Path) -> None:
    files = sorted(path for path in data.rglob("*") if path.is_file())[::9]
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in files:
            archive.write(path, path.relative_to(data))
    made = ["--manifest", tmp_path / "m", "--plan", tmp_path / "p"]
    asked = ["list", "--task", "toy-folders", "--split", "1,0,0", *made]
    done = penstock(*asked, "--source", f"zip://{tmp_path}/data.zip", environment=environment)
    assert done.returncode == 0, done.stderr
    tried = ["prefetch", *made, "--evaluate-split", "none", "--record", tmp_path / "record.json"]
    done = penstock(*tried, "--window-size", "1Mi", environment=environment)
    assert done.returncode == 0, done.stderr
    meters = read_record(tmp_path / "record.json", StepRecord).meters
    assert meters.bytes_downloaded == meters.sample_bytes == sum(path.stat().st_size for path in files)
    none = penstock(*asked, "--source", f"zip://{tmp_path}/none.zip", environment=environment)
    assert none.returncode == 20, none.stderr
    assert none.stderr.startswith(f"penstock list: error: cannot open {tmp_path}/none.zip")


def test_help_names_them_and_outlives_one_that_cannot_be_imported(environment: dict[str, str]) -> None:
    done = penstock("list", "--help", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "toy-folders" in done.stdout
