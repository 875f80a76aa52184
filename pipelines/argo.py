"""The same pipelines for Argo Workflows: WorkflowTemplates, written with Hera, made of the compiled KFP pipelines.

There is one declaration of a step's argv (its component) and one of a pipeline (its KFP function): what is said here
is only what Argo does differently. Parameters have the names, defaults and descriptions that the KFP form has; so have
those that KFP fixes when compiling, since Argo takes them from the run. The prefetcher is a native sidecar of the
template itself; exit codes tell whether a step is tried again; files pass through a volume of the run, or as artifacts
of the namespace's repository.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from hera.workflows import (
    DAG,
    Artifact,
    Container,
    NoneArchiveStrategy,
    Parameter,
    RetryStrategy,
    Task,
    WorkflowTemplate,
)
from hera.workflows import models as m

from pipelines.argo_pods import (
    FED_STEPS,
    FILES,
    GROUP,
    OF_ARGO,
    RESTRICTED,
    RUN_FOLDER,
    Files,
    claim,
    env,
    mounts,
    patch_text,
    sidecar,
    snake,
    step_patch,
    volumes,
)
from pipelines.declared import IMAGES
from pipelines.form import Form
from pipelines.packing import PARTS_AT_ONCE
from pipelines.parameters import Parameter as Field
from pipelines.pods import PREFETCH_LABEL, SECRET_KEYS, WINDOW_ANNOTATION, Settings, volume_limit

__all__ = ["FILES", "RETRYABLE_CODES", "Files", "make_workflow_template"]

# Importing Hera makes PyYAML write every text another way, KFP's too: put its own way back.
for _dumper in (yaml.Dumper, yaml.SafeDumper):
    _dumper.add_representer(str, yaml.representer.SafeRepresenter.represent_str)

RETRYABLE_CODES = (3, 41, 42, 43, 75, 137, 143)
"""Those that docs/exit-codes.md calls so, and SIGKILL and SIGTERM: a node that goes away, or its memory."""


def make_workflow_template(spec: Mapping[str, Any], *, form: Form, files: Files) -> str:
    """Write the WorkflowTemplate of a pipeline, as YAML.

    Args:
        spec: the compiled KFP pipeline, whose tasks are all in one exit handler.
        form: of its runs.
        files: how files pass from step to step.
    """
    pipeline = _Pipeline(spec)
    workflow = WorkflowTemplate(
        name=spec["pipelineInfo"]["name"],
        annotations={"workflows.argoproj.io/description": spec["pipelineInfo"]["description"].strip()},
        entrypoint="main",
        on_exit="report-exit",
        service_account_name="penstock",
        arguments=[*map(_given_parameter, form.values()), *_own_parameters()],
        pod_spec_patch=patch_text(OF_ARGO),
        security_context=m.PodSecurityContext(
            run_as_non_root=True,
            run_as_user=1000,
            fs_group=GROUP,
            seccomp_profile=m.SeccompProfile(type="RuntimeDefault"),
        ),
        volumes=list(volumes(files)),
        volume_claim_templates=[claim()] if files == "volume" else None,
        volume_claim_gc=m.VolumeClaimGC(strategy="OnWorkflowCompletion") if files == "volume" else None,
    )
    with workflow:
        with DAG(name="main", parallelism=PARTS_AT_ONCE if "pack" in pipeline.tasks else None):
            for name, task in pipeline.tasks.items():
                arguments = list(_passed(task)) if files == "artifacts" else []
                after = [_INNER.get(each, each) for each in task.get("dependentTasks", ())]
                loop = _parts() if name == "pack" else {"arguments": arguments}
                when = "{{workflow.parameters.forecast}} == true" if name == "forecast" else None
                Task(name=name, template=name, dependencies=after or None, when=when, **loop)
        for name, task in {**pipeline.tasks, "report-exit": pipeline.exit_task}.items():
            _step(_Step(pipeline, name, task), files)
    text: str = workflow.to_yaml(sort_keys=False)
    return f"# Compiled by pipelines/compile.py; {_FILES_TOLD[files]}\n{text}"


_FILES_TOLD = {
    "volume": "files pass from step to step through a volume of the run.",
    "artifacts": "files pass from step to step as artifacts of the repository that the namespace has.",
}


class _Pipeline:
    """A compiled KFP pipeline, read for another backend."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.tasks: dict[str, Any] = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
        packed = {"pack": self._inner_task(self.tasks[PACKED])} if PACKED in self.tasks else {}
        forecast = {"forecast": self._inner_task(self.tasks[FORECAST])}
        found = {name: self.tasks[name] for name in ("list", "prefetch", "train", "evaluate", "report")}
        self.tasks = found | forecast | packed
        self.exit_task = spec["root"]["dag"]["tasks"]["report-exit"]

    def _inner_task(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Return the one task of a pipeline, within a loop or a condition, as if it stood where the pipeline does."""
        given: dict[str, Any] = {}
        passed: dict[str, Any] = {}
        after = task.get("dependentTasks", [])
        while True:
            inputs = task.get("inputs", {})
            given = {name: self._of_outside(source, given) for name, source in inputs.get("parameters", {}).items()}
            passed = {
                name: passed.get(source.get("componentInputArtifact", ""), source)
                for name, source in inputs.get("artifacts", {}).items()
            }
            component = self.component(task)
            if "dag" not in component:
                return {**task, "dependentTasks": after, "inputs": {"parameters": given, "artifacts": passed}}
            [task] = component["dag"]["tasks"].values()

    def _of_outside(self, source: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
        name = source.get("componentInputParameter", "")
        if name.endswith(_LOOP_ITEM):
            return {"runtimeValue": {"constant": "{{inputs.parameters.part}}"}}
        return given.get(name, source)

    def component(self, task: Mapping[str, Any]) -> Any:
        return self.spec["components"][task["componentRef"]["name"]]

    def container(self, task: Mapping[str, Any]) -> Any:
        return self.spec["deploymentSpec"]["executors"][self.component(task)["executorLabel"]]["container"]


@dataclass(frozen=True, slots=True)
class _Step:
    pipeline: _Pipeline
    name: str
    task: Mapping[str, Any]

    @property
    def inputs(self) -> dict[str, str]:
        """Return the path of each input artifact: where its producer wrote it."""
        taken = self.task.get("inputs", {}).get("artifacts", {})
        return {
            key: _path(output["producerTask"], output["outputArtifactKey"])
            for key, source in taken.items()
            for output in [source["taskOutputArtifact"]]
        }

    @property
    def outputs(self) -> dict[str, str]:
        """Return the path of each output artifact; what only the KFP UI shows has none."""
        declared = self.pipeline.component(self.task).get("outputDefinitions", {}).get("artifacts", {})
        return {key: _path(self.name, key) for key in declared if key in " ".join(self.words)}

    @property
    def words(self) -> list[str]:
        """Return the arguments with KFP's placeholders."""
        words = list(self.pipeline.container(self.task)["args"])
        pairs = zip(words[::2], words[1::2], strict=True)
        return [word for flag, value in pairs if value != "{{$}}" for word in (flag, value)]

    @property
    def args(self) -> list[str]:
        """Return the arguments as Argo replaces them."""
        values = self._values()
        return [_PLACEHOLDER.sub(lambda found: values[found[0]], word) for word in self.words]

    def _values(self) -> dict[str, str]:
        component = self.pipeline.component(self.task)
        given = self.task.get("inputs", {}).get("parameters", {})
        values = {}
        for name, definition in component["inputDefinitions"].get("parameters", {}).items():
            value = _value(given[name]) if name in given else _as_text(definition["defaultValue"])
            values[f"{{{{$.inputs.parameters['{name}']}}}}"] = _OWN_VALUES.get(name, value)
        for side, paths in (("inputs", self.inputs), ("outputs", self.outputs)):
            values |= {f"{{{{$.{side}.artifacts['{key}'].path}}}}": path for key, path in paths.items()}
        return values


_PLACEHOLDER = re.compile(r"\{\{\$\.(?:inputs\.parameters\['([^']+)'\]|[^}]+)\}\}")
_CHANNEL = "pipelinechannel--"
_LOOP_ITEM = "-loop-item"
PACKED, FORECAST = "pack-parts", "forecast-first"
"""Tasks that are pipelines: one packs a dataset part by part, the other forecasts where a run asks for it."""
_INNER = {PACKED: "pack", FORECAST: "forecast"}
"""The task that each has."""
_OWN_VALUES = {
    "window_size": "{{workflow.parameters.window_size}}",
    # Argo knows a step's exit code, and whoever retries a workflow by hand has repaired something.
    "fail_fast": "false",
}


def _image(step: _Step) -> str:
    """Return a container's image, which a run may name, as Argo says it."""
    given = step.task["inputs"]["parameters"]
    image = step.pipeline.container(step.task)["image"]
    return _PLACEHOLDER.sub(lambda found: _value(given[found[1]]), image)


def _value(source: Mapping[str, Any]) -> str:
    """Return what a task is given, as Argo says it."""
    if "taskFinalStatus" in source:
        return '{"state": "{{workflow.status}}"}'
    if "componentInputParameter" in source:
        return f"{{{{workflow.parameters.{source['componentInputParameter'].removeprefix(_CHANNEL)}}}}}"
    constant = _as_text(source["runtimeValue"]["constant"])
    return "{{workflow.uid}}" if constant == "{{$.pipeline_job_uuid}}" else constant


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


def _path(task: str, key: str) -> str:
    return f"{RUN_FOLDER}/{task}/{key}"


def _given_parameter(field: Field) -> Parameter:
    if field.name == "pack_parts":
        told = "How many parts are packed side by side: a number."
        return Parameter(name=field.name, description=told, value=str(len(field.default)))
    choices = ["true", "false"] if field.kind is bool else list(field.choices)
    value = {} if field.is_required else {"value": _as_text(field.default)}
    return Parameter(name=field.name, description=field.told, enum=choices or None, **value)


def _own_parameters() -> Iterator[Parameter]:
    default = Settings()
    for name, value, told in (
        ("window_size", default.window_size, "Bound of the window, of all steps and the sidecar, like 32Mi or 1.5Gi."),
        (
            "window_volume_size",
            volume_limit(default.window_size),
            "Limit of the window's volume; the window may be 85 % of it, since the kubelet evicts a pod past it.",
        ),
        ("shm_size", default.shm_size, "Limit of the shared memory that workers pass samples through."),
        ("image_prefetch", IMAGES["prefetch"], "Image of the sidecar that fills the window."),
        ("secret", "penstock-s3", f"Secret with the source's credentials, if there is one: {', '.join(SECRET_KEYS)}."),
        ("train_timeout_seconds", str(default.train_timeout_seconds), "Of one attempt of train, evaluate or pack."),
        ("retries", "3", "How often a step is tried again, after a failure that may pass."),
        ("retry_after", "30s", "Wait before the first retry; it doubles with each."),
    ):
        yield Parameter(name=name, value=value, description=told)


def _step(step: _Step, files: Files) -> Container:
    pipes = files == "artifacts"
    is_fed = step.name in FED_STEPS
    return Container(
        name=step.name,
        image=_image(step),
        image_pull_policy="IfNotPresent",
        command=list(step.pipeline.container(step.task)["command"]),
        args=step.args,
        env=env(),
        security_context=m.SecurityContext(**snake(RESTRICTED)),
        # So that the step's message in Argo is the error's own.
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=list(mounts(step.name)),
        inputs=list(_inputs(step, pipes=pipes)) or None,
        outputs=list(_outputs(step, pipes=pipes)) or None,
        labels={PREFETCH_LABEL: "true"} if is_fed else None,
        annotations={WINDOW_ANNOTATION: "{{workflow.parameters.window_size}}"} if is_fed else None,
        init_containers=[sidecar()] if is_fed else None,
        pod_spec_patch=step_patch(step.name),
        retry_strategy=None if step.name.startswith("report") else _retry(),
        active_deadline_seconds=_deadline(is_fed or step.name == "pack"),
    )


def _deadline(is_long: bool) -> str:
    return "{{workflow.parameters.train_timeout_seconds}}" if is_long else str(6 * 3600)


def _retry() -> RetryStrategy:
    codes = ", ".join(map(str, RETRYABLE_CODES))
    may_pass = f"lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [{codes}]"
    return RetryStrategy(
        limit="{{workflow.parameters.retries}}",
        retry_policy="Always",
        expression=f"({may_pass}) && !(lastRetry.message contains 'deadline')",
        backoff=m.Backoff(duration="{{workflow.parameters.retry_after}}", factor=2, max_duration="1h"),
    )


def _parts() -> dict[str, Any]:
    """Return what makes a task one of each part."""
    count = "{{workflow.parameters.pack_parts}}"
    return {
        "arguments": [Parameter(name="part", value=f"{{{{item}}}}/{count}")],
        "with_sequence": m.Sequence(start="1", count=count),
    }


def _inputs(step: _Step, *, pipes: bool) -> Iterator[Artifact | Parameter]:
    for key, path in step.inputs.items() if pipes else ():
        yield Artifact(name=key, path=path)
    if step.name == "pack":
        yield Parameter(name="part")


def _outputs(step: _Step, *, pipes: bool) -> Iterator[Artifact | Parameter]:
    # Optional, so that a step that failed is not said to have failed for want of them.
    for key, path in step.outputs.items() if pipes else ():
        yield Artifact(name=key, path=path, archive=NoneArchiveStrategy(), optional=True)
    if step.name.startswith("report"):
        yield Parameter(name="summary", value_from=m.ValueFrom(path=step.outputs["markdown"], default="none"))


def _passed(task: Mapping[str, Any]) -> Iterator[Artifact]:
    for key, source in task.get("inputs", {}).get("artifacts", {}).items():
        output = source["taskOutputArtifact"]
        origin = f"{{{{tasks.{output['producerTask']}.outputs.artifacts.{output['outputArtifactKey']}}}}}"
        yield Artifact(name=key, from_=origin)
