"""A stand-in for the KFP 2.17 backend: it runs the commands of a compiled pipeline.

It does what the backend does and no more, because what the backend leaves undone is what breaks pipelines. A task's
driver comes first: it fills arguments in from what the task gives and knows no defaults, so a parameter left out fails
the task before there is a pod; it takes image and accelerators from texts alone. The launcher comes next: it replaces
the placeholders of ``substitute``, and all other text is passed on as it stands. A task inside an exit handler sees the
handler's inputs alone; the folders of output paths do not exist; each step sees nothing of the others but the artifacts
it takes; a loop is its tasks once for each item of a list, which its driver takes of a parameter; it ends when all have
ended, whatever became of one; a condition compares a parameter with true or false, and where it does not hold its tasks
are skipped, which fails nothing; a failed task puts nothing out, and is tried again as often as its retry policy says;
its exit code is 1 whatever the command's was; the exit task runs however the tasks before it ended, and is told.

Where a command runs is a launcher's affair: a process here, a pod on a cluster.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import yaml

PIPELINE_ROOT = "s3://pipelines/v2/artifacts"
Json = Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One attempt of a task, about to run.

    Attributes:
        words: command and arguments, with their placeholders.
        kubernetes: what the pipeline asks of the pod, parameters resolved.
        accelerators: how many, by resource.
        inputs: URIs of the artifacts to have at their local paths before the command starts.
        outputs: URIs of the artifacts that the command may write.
    """

    task: str
    job_id: str
    attempt: int
    image: str
    words: list[str]
    executor_input: Json
    kubernetes: Json
    accelerators: dict[str, int]
    inputs: list[str]
    outputs: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one attempt.

    Attributes:
        argv: as the process got it; empty where there was no pod.
        returncode: of the pod, whose launcher ends with 1 whatever the command's code was.
        command_code: of the command, for a test to look at; None where none ran, or none is known.
        executor_output: what it wrote to ``outputs.outputFile``, None if it wrote nothing.
    """

    argv: list[str]
    returncode: int
    stdout: str
    stderr: str
    executor_output: Json
    command_code: int | None = None


class DriverError(Exception):
    """A task's driver failed: there is no pod, and no further attempt."""


class Launcher(Protocol):
    """Where commands run."""

    output_file: str
    """Local path of ``outputs.outputFile``."""

    def launch(self, step: Step, store: Store) -> Outcome:
        """Run a command to its end, its inputs taken from the store and, if it succeeds, its outputs put there."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The object store, as a folder."""

    folder: Path

    def path(self, uri: str) -> Path:
        return self.folder / uri.replace("://", "/")

    def copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """What became of one task.

    Attributes:
        attempts: all of them, the last one last.
        artifacts: where the object store holds what the task put out, by output name; what it did not write is
            not in it.
    """

    task: str
    attempts: list[Outcome]
    artifacts: dict[str, Path]

    @property
    def argv(self) -> list[str]:
        return self.attempts[-1].argv

    @property
    def returncode(self) -> int:
        return self.attempts[-1].returncode

    @property
    def command_code(self) -> int | None:
        return self.attempts[-1].command_code

    @property
    def stderr(self) -> str:
        return self.attempts[-1].stderr

    @property
    def executor_output(self) -> Json:
        return self.attempts[-1].executor_output


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What became of a pipeline: its tasks in the order they ran."""

    job_id: str
    executions: dict[str, Execution]

    @property
    def succeeded(self) -> bool:
        return all(execution.returncode == 0 for execution in self.executions.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scope:
    """A pipeline, or an exit handler within one.

    Attributes:
        given: its input parameters.
        passed: URIs of its input artifacts.
        turn: which of a loop's it is, as part of its tasks' names.
    """

    tasks: Json
    given: Mapping[str, Json]
    passed: Mapping[str, str] = field(default_factory=dict)
    turn: str = ""


@dataclass(kw_only=True)
class Backend:
    """Runs compiled pipelines.

    Attributes:
        retries: whether a task that fails is tried again; it is not where a person terminates the run.
    """

    store: Store
    launcher: Launcher
    retries: bool = True
    _types: dict[str, Json] = field(default_factory=dict)

    def run(self, compiled: Path, parameters: Mapping[str, Json], *, job_id: str) -> Run:
        """Run a pipeline's tasks one after another, until all are done or one fails; then its exit task."""
        spec, platform = load_compiled(compiled)
        given = _with_defaults(parameters, spec["root"].get("inputDefinitions", {}))
        executions: dict[str, Execution] = {}
        self._run_scope(
            _Run(spec, platform, job_id, executions), _Scope(tasks=spec["root"]["dag"]["tasks"], given=given)
        )
        return Run(job_id=job_id, executions=executions)

    def _run_scope(self, run: _Run, scope: _Scope) -> bool:
        """Run a scope's tasks; say whether all succeeded."""
        ended: dict[str, bool] = {}
        for name in task_order(scope.tasks):
            task = scope.tasks[name]
            component = run.spec["components"][task["componentRef"]["name"]]
            is_exit = task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"
            if not is_exit and not all(ended.values()):
                continue
            try:
                given = _task_parameters(task, scope.given, run, ended)
            except DriverError as error:
                run.executions[name], ended[name] = _undriven(name, error), False
                continue
            if not _holds(task, given):
                ended[name] = True  # skipped
            elif "parameterIterator" in task:
                ended[name] = self._run_loop(run, task, component, given)
            elif "dag" in component:
                passed = _task_artifacts(run, scope, task)
                ended[name] = self._run_scope(run, _Scope(tasks=component["dag"]["tasks"], given=given, passed=passed))
            else:
                run.executions[name] = self._run_task(run, scope, name, given)
                ended[name] = run.executions[name].returncode == 0
        return all(ended.values())

    def _run_loop(self, run: _Run, task: Json, component: Json, given: Mapping[str, Json]) -> bool:
        """Run a loop's tasks for each item; say whether all succeeded."""
        told = task["parameterIterator"]
        source = told["items"]
        items = given[source["inputParameter"]] if "inputParameter" in source else json.loads(source["raw"])
        ended = []
        for number, item in enumerate(items):
            executions: dict[str, Execution] = {}
            values = {**given, told["itemInput"]: item}
            scope = _Scope(tasks=component["dag"]["tasks"], given=values, turn=f"[{number}]")
            ended.append(self._run_scope(_Run(run.spec, run.platform, run.job_id, executions), scope))
            run.executions.update({f"{name}{scope.turn}": found for name, found in executions.items()})
        return all(ended)

    def _run_task(self, run: _Run, scope: _Scope, name: str, given: Mapping[str, Json]) -> Execution:
        task = scope.tasks[name]
        component = run.spec["components"][task["componentRef"]["name"]]
        attempts: list[Outcome] = []
        try:
            step = self._step(run, scope, name, dict(given))
        except DriverError as error:
            return _undriven(name, error)
        most = int(task.get("retryPolicy", {}).get("maxRetryCount", 0)) if self.retries else 0
        while len(attempts) <= most:
            attempts.append(self.launcher.launch(dataclasses.replace(step, attempt=len(attempts)), self.store))
            if attempts[-1].returncode == 0:
                break
        written = {}
        for output, uri in step.outputs.items():
            self._types[uri] = {
                "name": output,
                "type": component["outputDefinitions"]["artifacts"][output]["artifactType"],
            }
            if self.store.path(uri).exists():
                written[output] = self.store.path(uri)
        return Execution(task=name, attempts=attempts, artifacts=written)

    def _step(self, run: _Run, scope: _Scope, name: str, values: dict[str, Json]) -> Step:
        task = scope.tasks[name]
        component = run.spec["components"][task["componentRef"]["name"]]
        container = run.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        taken = {
            key: {"artifacts": [{**self._types[uri], "uri": uri}]}
            for key, uri in _task_artifacts(run, scope, task).items()
        }
        made = {
            key: {
                "artifacts": [
                    {"name": key, "type": definition["artifactType"], "uri": f"{run.uri}/{name}{scope.turn}/{key}"}
                ]
            }
            for key, definition in component.get("outputDefinitions", {}).get("artifacts", {}).items()
        }
        executor_input = {
            "inputs": {"parameterValues": values, "artifacts": taken},
            "outputs": {"artifacts": made, "outputFile": self.launcher.output_file},
        }
        return Step(
            task=f"{name}{scope.turn}",
            job_id=run.job_id,
            attempt=0,
            image=_of_the_pod(container["image"], values),
            words=[
                word
                for what in ("command", "args")
                for word in drive(container.get(what, []), executor_input, what=what)
            ],
            executor_input=executor_input,
            kubernetes=_of_scope(run.platform.get(component["executorLabel"], {}), scope),
            accelerators=_accelerators(container, values),
            inputs=[listed["artifacts"][0]["uri"] for listed in taken.values()],
            outputs={key: listed["artifacts"][0]["uri"] for key, listed in made.items()},
        )


@dataclass(frozen=True, slots=True)
class _Run:
    spec: Json
    platform: Json
    job_id: str
    executions: dict[str, Execution]

    @property
    def uri(self) -> str:
        return f"{PIPELINE_ROOT}/{self.spec['pipelineInfo']['name']}/{self.job_id}"


def task_order(tasks: Json) -> list[str]:
    """Return the tasks of a pipeline so that each comes after those it depends on.

    Raises:
        NotImplementedError: the pipeline has a loop over artifacts.
    """
    for name, task in tasks.items():
        if "artifactIterator" in task:
            raise NotImplementedError(f"task {name} is more than a container, a loop over a list or an exit handler")
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


def load_compiled(compiled: Path) -> tuple[Json, Json]:
    """Return the pipeline spec, and the Kubernetes config of each executor."""
    spec, *platforms = yaml.safe_load_all(compiled.read_text())
    found = platforms[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if platforms else {}
    return spec, found


def _with_defaults(given: Mapping[str, Json], definitions: Json) -> dict[str, Json]:
    """Return a run's parameters, and the defaults of the pipeline for the others: no task has any other defaults."""
    declared = definitions.get("parameters", {})
    unknown = set(given) - set(declared)
    assert not unknown, f"the pipeline has no parameter {sorted(unknown)}"
    defaults = {
        name: definition["defaultValue"] for name, definition in declared.items() if "defaultValue" in definition
    }
    return defaults | dict(given)


def _task_parameters(task: Json, given: Mapping[str, Json], run: _Run, ended: Mapping[str, bool]) -> dict[str, Json]:
    """Return the values that the pipeline passes; the run's id is known only where it is a whole constant."""
    values: dict[str, Json] = {}
    for name, source in task.get("inputs", {}).get("parameters", {}).items():
        if "componentInputParameter" in source:
            outer = source["componentInputParameter"]
            if outer not in given:
                raise DriverError(f"parent DAG does not have input parameter {outer!r}")
            values[name] = given[outer]
        elif "taskFinalStatus" in source:
            values[name] = _final_status(source["taskFinalStatus"]["producerTask"], run, ended)
        else:
            constant = source["runtimeValue"]["constant"]
            values[name] = run.job_id if constant == "{{$.pipeline_job_uuid}}" else constant
    return values


def _task_artifacts(run: _Run, scope: _Scope, task: Json) -> dict[str, str]:
    """Return the URIs of what a task takes: of other tasks beside it, or of what the pipeline that it is in takes."""
    found = {}
    for key, source in task.get("inputs", {}).get("artifacts", {}).items():
        if "componentInputArtifact" in source:
            found[key] = scope.passed[source["componentInputArtifact"]]
            continue
        output = source["taskOutputArtifact"]
        found[key] = f"{run.uri}/{output['producerTask']}/{output['outputArtifactKey']}"
    return found


_CONDITION = re.compile(r"inputs\.parameter_values\['(.+?)'\] == (true|false)")


def _holds(task: Json, given: Mapping[str, Json]) -> bool:
    """Tell whether a task's condition holds, if it has one.

    Raises:
        NotImplementedError: the condition is more than a comparison with true or false.
    """
    told = task.get("triggerPolicy", {}).get("condition")
    if told is None:
        return True
    found = _CONDITION.fullmatch(told)
    if found is None:
        raise NotImplementedError(f"the condition {told} is more than a comparison with true or false")
    return bool(given[found[1]] is (found[2] == "true"))


def _undriven(task: str, error: DriverError) -> Execution:
    failed = Outcome(argv=[], returncode=1, stdout="", stderr=f"driver.Container failed: {error}", executor_output=None)
    return Execution(task=task, attempts=[failed], artifacts={})


def _final_status(task: str, run: _Run, ended: Mapping[str, bool]) -> Json:
    return {
        "state": "SUCCEEDED" if ended[task] else "FAILED",
        "pipelineTaskName": task,
        "pipelineJobResourceName": f"{run.spec['pipelineInfo']['name']}-{run.job_id}",
        "error": {},
    }


def _of_the_pod(text: str, values: Mapping[str, Json]) -> str:
    """Return a pod's text: where it names a parameter anywhere, that parameter's, of which only a text has one."""
    found = re.search(r"\$\.inputs\.parameters\['(.+?)'\]", text)
    if found is None:
        return text
    if found[1] not in values:
        raise DriverError("failed to init podSpecPatch: executorInput did not contain container Image input parameter")
    value = values[found[1]]
    return value if isinstance(value, str) else ""


def _accelerators(container: Json, values: Mapping[str, Json]) -> dict[str, int]:
    asked = container.get("resources", {}).get("accelerator")
    if asked is None:
        return {}
    kind, count = (_of_the_pod(asked[name], values) for name in ("resourceType", "resourceCount"))
    return {kind: int(count)} if kind and count else {}


def _of_scope(config: Json, scope: _Scope) -> Json:
    """Replace what Kubernetes config takes from parameters, which are those of the scope, by their values."""
    if isinstance(config, dict):
        if set(config) == {"componentInputParameter"}:
            return scope.given[config["componentInputParameter"]]
        return {key: _of_scope(value, scope) for key, value in config.items()}
    return [_of_scope(value, scope) for value in config] if isinstance(config, list) else config


_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['(.+?)'\]\}\}")


def drive(words: Sequence[str], executor_input: Json, *, what: str = "args") -> list[str]:
    """Fill parameters in as a task's driver does: from what the task gives, and from nothing else.

    Args:
        what: are filled in, ``command`` or ``args``.

    Raises:
        DriverError: a parameter is not there.
    """
    values = executor_input["inputs"]["parameterValues"]

    def filled(word: str) -> str:
        for name in _PARAMETER.findall(word):
            if name not in values:
                raise DriverError(
                    f"failed to resolve container {what}: failed to resolve input parameters: "
                    f'parameter "{name}" not found in executor input'
                )
        return _PARAMETER.sub(lambda found: as_text(values[found[1]]), word)

    done: list[str] = []
    for word in words:
        if "$.outputs" in word:  # left to the launcher whole, parameters and all
            done.append(word)
        elif word.lstrip().startswith('{"IfPresent":'):
            clause = json.loads(word)["IfPresent"]
            chosen = clause.get("Then" if values.get(clause["InputName"]) is not None else "Else") or []
            done += [filled(one) for one in ([chosen] if isinstance(chosen, str) else chosen)]
        else:
            done.append(filled(word))
    return done


def substitute(words: list[str], executor_input: Json, local: Any) -> list[str]:
    """Replace the placeholders that the launcher knows, wherever in a word they stand.

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
    """Write a parameter's value as the driver does: 3, 0.5 and 1e-05, true and false, lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(float(value))
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _number(value: float) -> str:
    """Write a number, all of which are doubles there: whole ones plainly while they fit 64 bits, others as %g of Go."""
    if value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    exponent = Decimal(repr(value)).adjusted()
    if -4 <= exponent < 6:
        return format(Decimal(repr(value)), "f")
    mantissa = format(Decimal(repr(value)).scaleb(-exponent).normalize(), "f")
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"
