"""A stand-in for the KFP 2.17 backend: it runs the commands of a compiled pipeline, without containers.

It does what the backend does and no more, because what the backend leaves undone is what breaks pipelines:
only the placeholders of ``substitute`` are replaced, and all other text is passed on as it stands; a parameter
without a value keeps its placeholder; the folders of output paths do not exist; each step sees nothing of the
others but the artifacts it takes, downloaded to a path of its own.

The one thing it does for want of a container: an argument that is the path of a mounted volume becomes the path
of that volume's folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

PIPELINE_ROOT = "s3://pipelines/v2/artifacts"
Json = Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """What became of one task.

    Attributes:
        argv: as the process got it.
        artifacts: where the object store holds what the task put out, by output name; what it did not write is
            not in it.
        executor_output: what the task wrote to ``outputs.outputFile``, None if it wrote nothing.
    """

    task: str
    argv: list[str]
    returncode: int
    stdout: str
    stderr: str
    artifacts: dict[str, Path]
    executor_output: Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What became of a pipeline: its tasks in the order they ran; a failed one is the last."""

    job_id: str
    executions: dict[str, Execution]

    @property
    def succeeded(self) -> bool:
        return all(execution.returncode == 0 for execution in self.executions.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pod:
    """Paths of one task: artifacts are under ``folder`` at the path of their URI, as in a step's container."""

    folder: Path

    def local(self, uri: str) -> Path:
        return self.folder / uri.replace("://", "/")

    @property
    def output_file(self) -> Path:
        return self.folder / "tmp/kfp_outputs/output_metadata.json"

    def volume(self, mount_path: str) -> Path:
        return self.folder / mount_path.lstrip("/")


@dataclass(kw_only=True)
class Backend:
    """Runs compiled pipelines.

    Attributes:
        folder: everything is below it; the object store and one folder a task.
        env: environment of the steps, and all of it.
    """

    folder: Path
    env: Mapping[str, str]
    _types: dict[str, Json] = field(default_factory=dict)

    def run(self, compiled: Path, parameters: Mapping[str, Json], *, job_id: str) -> Run:
        """Run a pipeline's tasks one after another, until all are done or one fails."""
        spec, platform = _load(compiled)
        given = _with_defaults(parameters, spec["root"].get("inputDefinitions", {}), strict=True)
        executions: dict[str, Execution] = {}
        for name in task_order(spec):
            done = self._run_task(spec, platform, name, given, job_id)
            executions[name] = done
            if done.returncode:
                break
        return Run(job_id=job_id, executions=executions)

    def _run_task(self, spec: Json, platform: Json, name: str, given: Mapping[str, Json], job_id: str) -> Execution:
        task = spec["root"]["dag"]["tasks"][name]
        component = spec["components"][task["componentRef"]["name"]]
        label = component["executorLabel"]
        container = spec["deploymentSpec"]["executors"][label]["container"]
        run_uri = f"{PIPELINE_ROOT}/{spec['pipelineInfo']['name']}/{job_id}"
        pod = _Pod(folder=self.folder / "pods" / job_id / name)
        executor_input = {
            "inputs": {
                "parameterValues": _with_defaults(
                    _task_parameters(task, given, job_id), component.get("inputDefinitions", {}), strict=False
                ),
                "artifacts": self._take_artifacts(task, pod, run_uri),
            },
            "outputs": {
                "artifacts": _output_artifacts(component, f"{run_uri}/{name}"),
                "outputFile": str(pod.output_file),
            },
        }
        mounts = platform.get(label, {}).get("emptyDirMounts", [])
        argv = _mounted([*container["command"], *container["args"]], executor_input, pod, mounts)
        done = subprocess.run(
            argv, env=dict(self.env), cwd=_made(pod.folder / "work"), capture_output=True, text=True, check=False
        )
        return Execution(
            task=name,
            argv=argv,
            returncode=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            artifacts=self._put_artifacts(executor_input, pod),
            executor_output=json.loads(pod.output_file.read_text()) if pod.output_file.exists() else None,
        )

    def _take_artifacts(self, task: Json, pod: _Pod, run_uri: str) -> Json:
        """Download a task's input artifacts before its command starts, each into a fresh folder."""
        taken = {}
        for name, source in task.get("inputs", {}).get("artifacts", {}).items():
            output = source["taskOutputArtifact"]
            uri = f"{run_uri}/{output['producerTask']}/{output['outputArtifactKey']}"
            _copy(self._stored(uri), pod.local(uri))
            taken[name] = {"artifacts": [{**self._types[uri], "uri": uri}]}
        return taken

    def _put_artifacts(self, executor_input: Json, pod: _Pod) -> dict[str, Path]:
        """Upload what a task wrote of its output artifacts."""
        written = {}
        for name, listed in executor_input["outputs"]["artifacts"].items():
            artifact = listed["artifacts"][0]
            self._types[artifact["uri"]] = {key: artifact[key] for key in ("name", "type")}
            if pod.local(artifact["uri"]).exists():
                _copy(pod.local(artifact["uri"]), self._stored(artifact["uri"]))
                written[name] = self._stored(artifact["uri"])
        return written

    def _stored(self, uri: str) -> Path:
        return self.folder / "store" / uri.replace("://", "/")


def task_order(spec: Json) -> list[str]:
    """Give the tasks of a pipeline so that each comes after those it depends on.

    Raises:
        NotImplementedError: the pipeline has a loop, a condition or a pipeline within it.
    """
    tasks = spec["root"]["dag"]["tasks"]
    for name, task in tasks.items():
        is_container = "executorLabel" in spec["components"][task["componentRef"]["name"]]
        if not is_container or {"triggerPolicy", "parameterIterator", "artifactIterator"} & task.keys():
            raise NotImplementedError(f"task {name} is more than a container that always runs")
    order: list[str] = []
    while len(order) < len(tasks):
        ready = [
            name
            for name, task in tasks.items()
            if name not in order and set(task.get("dependentTasks", ())) <= set(order)
        ]
        assert ready, f"the tasks {sorted(set(tasks) - set(order))} wait for each other"
        order += sorted(ready)
    return order


def _load(compiled: Path) -> tuple[Json, Json]:
    """Give the pipeline spec, and the Kubernetes config of each executor."""
    spec, *platforms = yaml.safe_load_all(compiled.read_text())
    found = platforms[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if platforms else {}
    return spec, found


def _with_defaults(given: Mapping[str, Json], definitions: Json, *, strict: bool) -> dict[str, Json]:
    declared = definitions.get("parameters", {})
    unknown = set(given) - set(declared)
    assert not (strict and unknown), f"the pipeline has no parameter {sorted(unknown)}"
    defaults = {
        name: definition["defaultValue"] for name, definition in declared.items() if "defaultValue" in definition
    }
    return defaults | dict(given)


def _task_parameters(task: Json, given: Mapping[str, Json], job_id: str) -> dict[str, Json]:
    """Give the values that the pipeline passes; the run's id is known only where it is a whole constant."""
    values = {}
    for name, source in task.get("inputs", {}).get("parameters", {}).items():
        if "componentInputParameter" in source:
            values[name] = given[source["componentInputParameter"]]
        else:
            constant = source["runtimeValue"]["constant"]
            values[name] = job_id if constant == "{{$.pipeline_job_uuid}}" else constant
    return values


def _output_artifacts(component: Json, uri: str) -> Json:
    declared = component.get("outputDefinitions", {}).get("artifacts", {})
    return {
        name: {"artifacts": [{"name": name, "type": definition["artifactType"], "uri": f"{uri}/{name}"}]}
        for name, definition in declared.items()
    }


def _mounted(words: list[str], executor_input: Json, pod: _Pod, mounts: list[Json]) -> list[str]:
    volumes = {mount["mountPath"]: str(_made(pod.volume(mount["mountPath"]))) for mount in mounts}
    return [volumes.get(word, word) for word in substitute(words, executor_input, pod.local)]


def substitute(words: list[str], executor_input: Json, local: Any) -> list[str]:
    """Replace the placeholders that the backend knows, wherever in a word they stand.

    Args:
        local: gives the path in the step's container that stands for a URI.
    """
    known = {"{{$}}": json.dumps(executor_input)}
    for name, value in executor_input["inputs"]["parameterValues"].items():
        known[f"{{{{$.inputs.parameters['{name}']}}}}"] = as_text(value)
    for side in ("inputs", "outputs"):
        for name, listed in executor_input[side]["artifacts"].items():
            uri = listed["artifacts"][0]["uri"]
            known[f"{{{{$.{side}.artifacts['{name}'].uri}}}}"] = uri
            known[f"{{{{$.{side}.artifacts['{name}'].path}}}}"] = str(local(uri))
    for name, output in executor_input["outputs"].get("parameters", {}).items():
        known[f"{{{{$.outputs.parameters['{name}'].output_file}}}}"] = output["outputFile"]
    replaced = []
    for word in words:
        for placeholder, text in known.items():
            word = word.replace(placeholder, text)
        replaced.append(word)
    return replaced


def as_text(value: Json) -> str:
    """Write a parameter's value as the backend does: 3 and 0.5, true and false, lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        # never with an exponent
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return json.dumps(value, separators=(",", ":"))


def _copy(source: Path, target: Path) -> None:
    _made(target.parent)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def step_env(**more: str) -> dict[str, str]:
    """Give the environment of a step: what a container has, and no credential of whoever runs the test."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | more
