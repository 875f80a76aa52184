"""The WorkflowTemplates for Argo, as they are compiled: against the steps' command lines and the KFP pipeline."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import penstock.errors
from penstock.cli import build_parser
from penstock.errors import PenstockError
from penstock.sources.registry import find_scheme
from penstock.steps._shared.task_options import read_options
from penstock.steps.options.run_options import options_for, with_options
from penstock.tasks.registry import get_task
from pipelines.argo import FILES, make_workflow_template
from pipelines.compile import PIPELINES
from pipelines.form import run_form
from pipelines.general import GENERAL
from pipelines.pods import Settings

ROOT = Path(__file__).parents[3]
STEPS = ["list", "prefetch", "forecast", "train", "evaluate", "report", "report-exit"]
KINDS = pytest.mark.parametrize("files", [f"{path.stem}-{files}" for path in PIPELINES for files in FILES])
GIVEN = {"data_source": "s3://bucket/pets", "data_task": "images", "pack_into": "s3://bucket/shards"}
"""What has no default in the general pipeline."""


@cache
def workflow(files: str) -> Any:
    return yaml.safe_load((ROOT / f"charts/penstock/workflows/{files}.yaml").read_text())["spec"]


@cache
def kfp(files: str) -> Any:
    name = files.rpartition("-")[0]
    return next(iter(yaml.safe_load_all((ROOT / f"pipelines/compiled/{name}.yaml").read_text())))


def templates(files: str) -> dict[str, Any]:
    return {template["name"]: template for template in workflow(files)["templates"]}


def parameters(files: str) -> dict[str, Any]:
    return {parameter["name"]: parameter for parameter in workflow(files)["arguments"]["parameters"]}


def filled(text: str, files: str) -> str:
    """Replace a template's placeholders as Argo does, by the defaults."""
    given = {name: parameter.get("value", GIVEN.get(name)) for name, parameter in parameters(files).items()}
    values = {f"workflow.parameters.{name}": value for name, value in given.items()}
    values |= {"workflow.uid": "6f0c", "workflow.status": "Failed"}
    return re.sub(r"\{\{(.+?)\}\}", lambda found: values[found[1]], text)


@KINDS
@pytest.mark.parametrize("step", STEPS)
def test_a_step_reads_its_arguments(files: str, step: str) -> None:
    container = templates(files)[step]["container"]
    program, name = container["command"]
    assert (program, name) == ("penstock", step.removesuffix("-exit"))
    args = build_parser([name]).parse_args([name, *(filled(word, files) for word in container["args"])])
    if step != "report":
        assert args.run_id == "6f0c"
    if step == "report-exit":
        assert json.loads(args.final_status) == {"state": "Failed"}


@KINDS
@pytest.mark.parametrize("step", STEPS)
def test_a_run_names_the_images(files: str, step: str) -> None:
    kind = "gpu" if step in ("train", "evaluate") else "cpu"
    image = templates(files)[step]["container"]["image"]
    assert image == f"{{{{workflow.parameters.image_{kind}}}}}"
    assert filled(image, files) == f"penstock:0.1.0-{kind}"


@KINDS
def test_parameters_are_those_of_the_kfp_pipeline_and_all_are_used(files: str) -> None:
    declared = parameters(files)
    ours = {
        "window_size",
        "window_volume_size",
        "shm_size",
        "image_prefetch",
        "secret",
        "train_timeout_seconds",
        "retries",
        "retry_after",
    }
    fields = kfp(files)["root"]["inputDefinitions"]["parameters"]
    assert set(declared) == set(fields) | ours
    assert {name for name, one in declared.items() if "value" not in one} == {
        name for name, one in fields.items() if not one.get("isOptional")
    }
    used = set(re.findall(r"\{\{workflow\.parameters\.(\w+)\}\}", json.dumps(workflow(files))))
    assert used == set(declared)
    for name, parameter in declared.items():
        assert len(parameter["description"]) > 10, name
        assert "enum" not in parameter or parameter["value"] in parameter["enum"], name


@KINDS
def test_training_comes_after_a_forecast_that_is_made_only_where_it_is_asked_for(files: str) -> None:
    tasks = {task["name"]: task for task in templates(files)["main"]["dag"]["tasks"]}
    assert tasks["forecast"]["when"] == "{{workflow.parameters.forecast}} == true"
    assert filled(tasks["forecast"]["when"], files) == "false == true"
    assert {"list", "prefetch"} <= set(tasks["forecast"]["dependencies"])
    assert "forecast" in tasks["train"]["dependencies"]
    assert not [name for name, task in tasks.items() if "when" in task and name != "forecast"]
    args = templates(files)["forecast"]["container"]["args"]
    made = {flag: path.partition("/penstock/run/")[2] for flag, path in zip(args[::2], args[1::2], strict=True)}
    assert (made["--manifest"], made["--measured"]) == ("list/manifest", "prefetch/record")


def test_choices_are_those_of_the_command_line() -> None:
    [commands] = [action for action in build_parser(["list"])._actions if action.dest == "step"]
    assert commands.choices is not None
    actions = {action.dest: action for action in dict(commands.choices)["list"]._actions}  # type: ignore[arg-type]
    assert set(parameters("penstock-eeg-volume")["data_task"]["enum"]) <= set(actions["task"].choices or ())
    assert "enum" not in parameters("penstock-volume")["data_task"], "a task of one's own"


def test_codes_that_are_tried_again_are_the_retryable_ones() -> None:
    found = [getattr(penstock.errors, name) for name in penstock.errors.__all__]
    classes = [kind for kind in found if isinstance(kind, type) and issubclass(kind, PenstockError)]
    retryable = {kind.exit_code for kind in classes if kind.retryable}
    for step in ("list", "prefetch", "forecast", "train", "evaluate"):
        expression = templates("penstock-volume")[step]["retryStrategy"]["expression"]
        codes = json.loads(re.search(r"in (\[.+?\])", expression)[1])  # type: ignore[index]
        assert set(codes) == retryable | {128 + 9, 128 + 15}
    assert not any("retryStrategy" in templates("penstock-volume")[step] for step in ("report", "report-exit"))


@KINDS
@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_a_fed_step_has_a_native_sidecar_on_the_same_window(files: str, step: str) -> None:
    template = templates(files)[step]
    [sidecar] = template["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert (sidecar["name"], sidecar["image"]) == ("penstock-prefetch", "{{workflow.parameters.image_prefetch}}")
    assert filled(sidecar["image"], files) == "penstock:0.1.0-prefetch"
    words = [filled(word, files) for word in (*sidecar["command"][1:], *sidecar["args"])]
    args = build_parser(["prefetch"]).parse_args(words)
    mounts = {mount["name"]: mount["mountPath"] for mount in template["container"]["volumeMounts"]}
    assert str(args.window) == mounts["penstock-window"]
    assert {"name": "penstock-window", "mountPath": mounts["penstock-window"]} in sidecar["volumeMounts"]
    assert filled(template["metadata"]["annotations"]["penstock.dev/window-size"], files) == "2Gi"
    assert args.window_size == 2 * 2**30
    assert sidecar["env"] == template["container"]["env"]


@KINDS
@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_the_sidecar_s_metrics_are_where_a_pod_monitor_looks(files: str, step: str) -> None:
    template = templates(files)[step]
    [sidecar] = template["initContainers"]
    args = build_parser(["prefetch"]).parse_args(
        [filled(w, files) for w in (*sidecar["command"][1:], *sidecar["args"])]
    )
    values = yaml.safe_load((ROOT / "charts/penstock/values.yaml").read_text())
    assert args.metrics_port == values["prefetch"]["metricsPort"]
    assert sidecar["ports"] == [{"name": "window-metrics", "containerPort": args.metrics_port, "protocol": "TCP"}]
    assert sidecar["args"][-2:] == ["--metrics-port", str(args.metrics_port)], "the chart puts its own there"
    monitor = (ROOT / "charts/penstock/templates/podmonitor.yaml").read_text()
    assert "- port: window-metrics" in monitor
    for key, value in template["metadata"]["labels"].items():
        assert f'{key}: "{value}"' in monitor


@KINDS
@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_nodes_accelerators_and_limits_come_from_parameters(files: str, step: str) -> None:
    patch = json.loads(filled(templates(files)[step]["podSpecPatch"], files))
    assert patch["containers"] == [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]
    limits = {volume["name"]: volume["emptyDir"]["sizeLimit"] for volume in patch["volumes"]}
    assert limits == {"penstock-window": "2410Mi", "shm": "1Gi"}
    assert (patch["nodeSelector"], patch["tolerations"]) == ({}, [])


@KINDS
def test_every_container_keeps_to_the_restricted_level(files: str) -> None:
    assert workflow(files)["securityContext"]["runAsNonRoot"] is True
    patched = json.loads(workflow(files)["podSpecPatch"])
    found = [*patched["initContainers"], *patched["containers"]]
    for template in templates(files).values():
        found += [template["container"]] if "container" in template else []
        found += template.get("initContainers", [])
    for container in found:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("name", [path.stem for path in PIPELINES])
def test_files_pass_as_artifacts_or_through_a_volume(name: str) -> None:
    by_volume, by_artifacts = workflow(f"{name}-volume"), workflow(f"{name}-artifacts")
    assert [claim["metadata"]["name"] for claim in by_volume["volumeClaimTemplates"]] == ["run"]
    assert "volumeClaimTemplates" not in by_artifacts
    assert not any("artifacts" in template.get("outputs", {}) for template in by_volume["templates"])
    for step, template in templates(f"{name}-artifacts").items():
        words = " ".join(template.get("container", {}).get("args", []))
        for side in ("inputs", "outputs"):
            for artifact in template.get(side, {}).get("artifacts", []):
                assert artifact["path"] in words, (step, artifact["name"])
    passed = {
        artifact["from"]
        for task in templates(f"{name}-artifacts")["main"]["dag"]["tasks"]
        for artifact in task.get("arguments", {}).get("artifacts", [])
    }
    assert "{{tasks.train.outputs.artifacts.checkpoint}}" in passed


def test_examples_of_the_page_are_values_that_the_first_step_takes() -> None:
    rows = re.findall(r"^ +\| `(data_\w+)` \| (.*) \|$", (ROOT / "docs/pipelines.md").read_text(), re.MULTILINE)
    found = {name: [cell.strip().strip("`") for cell in cells.split(" | ")] for name, cells in rows}
    assert set(found["data_task"]) == {"images", "table", "eeg-events", "text"}
    assert set(found) <= {one.name for one in run_form(GENERAL, Settings()).values()}
    for task, options, source in zip(
        *(found[f"data_{key}"] for key in ("task", "task_options", "source")), strict=True
    ):
        read = read_options(get_task(task), (), options)
        assert all(read[name.replace("-", "_")] == value for name, value in json.loads(options).items())
        assert find_scheme(source).title


def test_it_is_made_of_the_pipeline_and_the_form_that_it_is_given() -> None:
    preset = dataclasses.replace(GENERAL, values={"model_epochs": 7})
    form = run_form(preset, Settings())
    made = yaml.safe_load(make_workflow_template(kfp("penstock-volume"), form=form, files="volume"))
    given = {parameter["name"]: parameter.get("value") for parameter in made["spec"]["arguments"]["parameters"]}
    assert given["model_epochs"] == "7"
    assert given["data_source"] == given["data_file"] == "", "one of them is given; the first step asks for it"


@pytest.mark.parametrize("files", FILES)
def test_parts_are_packed_by_number_before_what_is_there_is_listed(files: str) -> None:
    name = f"penstock-pack-{files}"
    main = templates(name)["main"]
    assert main["parallelism"] == 8
    steps = {task["name"]: task for task in main["dag"]["tasks"]}
    assert steps["list"]["dependencies"] == ["pack"]
    count = "{{workflow.parameters.pack_parts}}"
    assert steps["pack"]["withSequence"] == {"start": "1", "count": count}
    assert filled(count, name) == "4"
    [part] = steps["pack"]["arguments"]["parameters"]
    assert part == {"name": "part", "value": f"{{{{item}}}}/{count}"}
    template = templates(name)["pack"]
    assert template["inputs"]["parameters"] == [{"name": "part"}]
    given = [word.replace("{{inputs.parameters.part}}", "2/4") for word in template["container"]["args"]]
    words = [filled(word, name) for word in given]
    words[words.index("--options") + 1] = '{"to": "parquet", "shard_size": "8Mi", "format_options": {"columns": ["x"]}}'
    words = with_options("pack", ["pack", *words], options_for("pack"))
    args = build_parser(["pack"]).parse_args(words)
    assert (args.part, args.to, args.shard_size, args.uri) == ("2/4", "parquet", 8 * 2**20, "s3://bucket/pets")
    assert json.loads(args.format_options) == {"columns": ["x"]}
    assert "run" not in {mount["name"] for mount in template["container"]["volumeMounts"]}, "on one node at a time"
    assert template["retryStrategy"] == templates(name)["list"]["retryStrategy"]


def test_pipelines_that_pack_nothing_first_have_no_such_step() -> None:
    assert "pack" not in templates("penstock-volume")
    assert "parallelism" not in templates("penstock-volume")["main"]
