"""The compiled files: what they are compiled from, and what the backend can do with them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.compile import compile_all, main

ROOT = Path(__file__).parents[3]
COMPILED = ROOT / "pipelines/compiled/penstock-eeg.yaml"
GOLDENS = [COMPILED, *sorted((ROOT / "components").glob("*/component.yaml"))]

IN_A_COMMAND = re.compile(
    r"\{\{\$\}\}"
    r"|\{\{\$\.inputs\.parameters\['[\w-]+'\]\}\}"
    r"|\{\{\$\.(inputs|outputs)\.artifacts\['[\w-]+'\]\.(uri|path)\}\}"
    r"|\{\{\$\.outputs\.parameters\['[\w-]+'\]\.output_file\}\}"
)
IN_A_CONSTANT = {
    "{{$.pipeline_job_uuid}}",
    "{{$.inputs.parameters['pipelinechannel--accelerators']}}",
    "{{$.inputs.parameters['pipelinechannel--accelerator_type']}}",
}


def pipeline() -> tuple[Any, Any]:
    spec, platform = yaml.safe_load_all(COMPILED.read_text())
    return spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def tasks() -> Any:
    return pipeline()[0]["root"]["dag"]["tasks"]


def test_the_compiled_files_are_what_the_declarations_give() -> None:
    made = compile_all()
    assert {ROOT / path for path in made} == set(GOLDENS)
    for path, text in made.items():
        assert (ROOT / path).read_text() == text, "run `python pipelines/compile.py`"


def test_check_fails_on_a_difference_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    assert main(["--out", str(tmp_path), "--check"]) == 0
    stale = tmp_path / "components/list/component.yaml"
    stale.write_text(stale.read_text().replace("--seed", "--sed"))
    assert main(["--out", str(tmp_path), "--check"]) == 1
    told = capsys.readouterr().err
    assert "--sed" in told
    assert "python pipelines/compile.py" in told
    assert "--sed" in stale.read_text()


def test_images_and_secret_are_chosen_when_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_IMAGE_CPU", "registry.example/penstock@sha256:00")
    monkeypatch.setenv("PENSTOCK_IMAGE_GPU", "")
    assert main(["--out", str(tmp_path), "--secret", "s3-reader"]) == 0
    spec, platform = yaml.safe_load_all((tmp_path / "pipelines/compiled/penstock-eeg.yaml").read_text())
    images = {label: item["container"]["image"] for label, item in spec["deploymentSpec"]["executors"].items()}
    assert images["exec-list"] == images["exec-report"] == "registry.example/penstock@sha256:00"
    assert images["exec-train"] == "penstock:0.1.0-gpu"
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for label in ("exec-list", "exec-prefetch", "exec-train", "exec-evaluate"):
        [secret] = executors[label]["secretAsEnv"]
        assert secret["secretName"] == "s3-reader"
        assert {entry["envVar"] for entry in secret["keyToEnv"]} == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert "exec-report" not in executors


def test_other_images_are_not_written_over_the_committed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_IMAGE_CPU", "registry.example/penstock:1")
    with pytest.raises(SystemExit):
        main([])


def test_every_pipeline_parameter_has_a_default_and_a_description() -> None:
    for name, definition in pipeline()[0]["root"]["inputDefinitions"]["parameters"].items():
        assert "defaultValue" in definition, name
        assert len(definition.get("description", "")) > 10, name


def test_a_pipeline_parameter_goes_to_a_step_with_the_same_type() -> None:
    spec, _ = pipeline()
    declared = spec["root"]["inputDefinitions"]["parameters"]
    used = set()
    for task in tasks().values():
        inner = spec["components"][task["componentRef"]["name"]]["inputDefinitions"].get("parameters", {})
        for name, source in task.get("inputs", {}).get("parameters", {}).items():
            outer = source.get("componentInputParameter")
            used.add(outer)
            if outer and not name.startswith("pipelinechannel--"):
                assert inner[name]["parameterType"] == declared[outer]["parameterType"], (name, outer)
    assert used - {None} == set(declared)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.parent.name)
def test_the_backend_knows_every_placeholder(path: Path) -> None:
    spec = next(iter(yaml.safe_load_all(path.read_text())))
    for item in spec["deploymentSpec"]["executors"].values():
        for word in [*item["container"]["command"], *item["container"]["args"]]:
            assert "{{" not in IN_A_COMMAND.sub("", word)
    constants = [
        source["runtimeValue"]["constant"]
        for task in spec["root"]["dag"]["tasks"].values()
        for source in task.get("inputs", {}).get("parameters", {}).values()
        if "runtimeValue" in source
    ]
    assert {text for text in constants if "{{" in str(text)} <= IN_A_CONSTANT


def test_training_and_evaluation_ask_for_a_sidecar_its_volume_and_accelerators() -> None:
    spec, platform = pipeline()
    for label in ("exec-train", "exec-evaluate"):
        assert platform[label]["podMetadata"]["labels"] == {"penstock.dev/prefetch": "true"}
        asked = spec["deploymentSpec"]["executors"][label]["container"]["resources"]["accelerator"]
        assert asked["resourceCount"] == "{{$.inputs.parameters['pipelinechannel--accelerators']}}"
        assert asked["resourceType"] == "{{$.inputs.parameters['pipelinechannel--accelerator_type']}}"
    assert "podMetadata" not in platform["exec-prefetch"]
    for step in ("prefetch", "train", "evaluate"):
        [mount] = platform[f"exec-{step}"]["emptyDirMounts"]
        assert mount["mountPath"] == tasks()[step]["inputs"]["parameters"]["window"]["runtimeValue"]["constant"]
        assert mount["mountPath"] == "/penstock/window"
    assert set(platform) == {"exec-prefetch", "exec-train", "exec-evaluate"}
    assert {
        spec["root"]["inputDefinitions"]["parameters"][name]["parameterType"]
        for name in ("accelerators", "accelerator_type")
    } == {"STRING"}, "the backend reads a resource from a text; a number is taken for an empty one"


def test_caching_and_retries() -> None:
    cached = {name for name, task in tasks().items() if task["cachingOptions"].get("enableCache")}
    assert cached == {"evaluate", "report"}
    assert {name for name, task in tasks().items() if "retryPolicy" in task} == {"train"}
    assert tasks()["train"]["retryPolicy"]["maxRetryCount"] > 0
    assert "prefetch" in tasks()["train"]["dependentTasks"]


def test_no_step_takes_the_dataset_as_an_artifact() -> None:
    spec, _ = pipeline()
    passed = {
        source["taskOutputArtifact"]["producerTask"] + "." + source["taskOutputArtifact"]["outputArtifactKey"]
        for task in spec["root"]["dag"]["tasks"].values()
        for source in task.get("inputs", {}).get("artifacts", {}).values()
    }
    assert passed == {
        "list.manifest",
        "list.plan",
        "list.record",
        "prefetch.record",
        "train.checkpoint",
        "train.record",
        "evaluate.metrics",
    }


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.parent.name)
def test_no_secret_is_in_a_compiled_file(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"AKIA|ASIA|secret|password|token|x-amz|://[^/\s]*@", text, re.IGNORECASE)


def test_declarations_import_no_torch_and_no_storage_client() -> None:
    script = (
        "import sys, json\n"
        "import pipelines.compile, pipelines.eeg\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "kfp" in loaded
    assert not loaded & {"torch", "obstore", "boto3", "botocore", "huggingface_hub", "pyarrow", "penstock"}


@pytest.mark.parametrize("how", [["pipelines/compile.py"], ["-m", "pipelines.compile"]], ids=["script", "module"])
def test_the_command_line_checks(how: list[str]) -> None:
    done = subprocess.run([sys.executable, *how, "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
