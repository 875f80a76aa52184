"""An option is declared once: one line at its group, and whatever shows options has it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ADDED = {
    "field": '    heaviness: float = option(read=float, default=0.9, metavar="X", told="how much of a step is the last '
    'one\'s", field="model_heaviness")\n',
    "option": '    lookahead: int = option(read=whole_number, default=5, metavar="N", told="steps to look ahead")\n',
    "by_pipeline": '    node_name: str | None = option(read=optional_text, default=None, metavar="NAME", told="name of '
    'the node (default: its own)", by_pipeline=True)\n',
}
AFTER = 'class _Learning(Options, group="training", change=Change.FIXED):\n'
SCRIPT = """
import contextlib, io, json, sys
from pipelines.compile import main
codes = [main([]), main(["--check"])]
from penstock.cli import main as penstock
told = {}
for flag in ("--help", "--config-schema"):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        penstock(["train", flag])
    told[flag] = out.getvalue()
print(json.dumps({"codes": codes, **told}))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is compiled, and of what it is compiled from."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("pipelines", "components", "src", "docs", "charts/penstock/workflows"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "src/penstock/train/options.py"
    text = path.read_text()
    assert text.count(AFTER) == 1
    path.write_text(text.replace(AFTER, AFTER + "".join(ADDED.values())))
    return folder


@pytest.fixture(scope="module")
def told(tree: Path) -> Any:
    env = {"PYTHONPATH": f"{tree / 'src'}:{tree}", "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tree, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_command_line_and_its_files_take_it(told: Any) -> None:
    assert told["codes"] == [0, 0]
    assert "--heaviness X" in told["--help"]
    schema = json.loads(told["--config-schema"])["properties"]
    assert schema["heaviness"] == {
        "description": "how much of a step is the last one's",
        "type": "number",
        "default": 0.9,
    }
    assert {"lookahead", "node-name"} <= schema.keys()


def test_components_take_a_field_and_what_pipelines_give(tree: Path, told: Any) -> None:
    text = (tree / "components/train/component.py").read_text()
    assert "    heaviness: float = 0.9,\n" in text
    assert "        heaviness: How much of a step is the last one's.\n" in text
    assert '            "--heaviness",\n            heaviness,\n' in text
    spec = yaml.safe_load((tree / "components/train/component.yaml").read_text())
    declared = spec["components"]["comp-train"]["inputDefinitions"]["parameters"]
    assert (declared["heaviness"]["parameterType"], declared["heaviness"]["defaultValue"]) == ("NUMBER_DOUBLE", 0.9)
    assert declared["node_name"]["description"] == "Name of the node. Empty is its own."
    assert "lookahead" not in declared, "it is a name in options"
    args = spec["deploymentSpec"]["executors"]["exec-train"]["container"]["args"]
    assert args[args.index("--heaviness") + 1] == "{{$.inputs.parameters['heaviness']}}"
    assert (
        "| `heaviness` | `0.9` | How much of a step is the last one's. |"
        in (tree / "components/train/README.md").read_text()
    )


@pytest.mark.parametrize("name", ["penstock", "penstock-eeg"])
def test_pipelines_give_it_of_their_form(tree: Path, told: Any, name: str) -> None:
    spec = next(iter(yaml.safe_load_all((tree / f"pipelines/compiled/{name}.yaml").read_text())))
    assert spec["root"]["inputDefinitions"]["parameters"]["model_heaviness"]["defaultValue"] == 0.9
    [train] = [task for key, task in inner(spec).items() if key == "train"]
    given = train["inputs"]["parameters"]
    assert given["heaviness"] == {"componentInputParameter": "pipelinechannel--model_heaviness"}
    assert given["node_name"] == {"runtimeValue": {"constant": ""}}
    assert "- lookahead (whole number, 5 unless given): steps to look ahead" in spec["pipelineInfo"]["description"]
    for files in ("volume", "artifacts"):
        made = yaml.safe_load((tree / f"charts/penstock/workflows/{name}-{files}.yaml").read_text())["spec"]
        [field] = [one for one in made["arguments"]["parameters"] if one["name"] == "model_heaviness"]
        assert field == {
            "name": "model_heaviness", "value": "0.9", "description": "How much of a step is the last one's.",
        }  # fmt: skip
        [step] = [one["container"] for one in made["templates"] if one["name"] == "train"]
        assert step["args"][step["args"].index("--heaviness") + 1] == "{{workflow.parameters.model_heaviness}}"


def inner(spec: Any) -> Any:
    return spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]


def test_tables_and_schemas_have_it(tree: Path, told: Any) -> None:
    page = (tree / "docs/options.md").read_text()
    steps = "`train`, `run`, `compare-modes`"
    assert f"| `--heaviness` | {steps} | not at all | field `model_heaviness` | number | `0.9` |" in page
    assert f"| `--lookahead` | {steps} | not at all | `lookahead` | whole number | `5` |" in page
    assert f"| `--node-name` | {steps} | not at all | gives it itself | text | its own |" in page
    fields = (tree / "docs/pipelines.md").read_text()
    assert "| `model_heaviness` | `0.9` | How much of a step is the last one's. |" in fields
    assert "| `lookahead` | `train` | whole number | `5` | steps to look ahead |" in fields
    for step in ("train", "run"):
        assert "heaviness" in json.loads((tree / f"docs/schemas/{step}.json").read_text())["properties"]
