"""Every task gives every parameter of its component: ours, and whatever a user compiles and has checked."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml
from kfp import components, dsl

from components.list.component import list_
from components.report_exit.component import report_exit
from pipelines.compile import EEG_PIPELINE, PIPELINES, STEPS, compile_pipeline, main
from pipelines.given import LeftOut, left_out, whole

ROOT = Path(__file__).parents[3]
OURS = [*PIPELINES, *(Path("components", step, "component.yaml") for step in STEPS)]


def read(path: Path) -> Any:
    return next(iter(yaml.safe_load_all(path.read_text())))


def tasks(spec: Any) -> Iterator[Any]:
    for component in (spec["root"], *spec["components"].values()):
        yield from component.get("dag", {}).get("tasks", {}).values()


@pytest.mark.parametrize("path", OURS, ids=str)
def test_ours_leave_nothing_out(path: Path) -> None:
    assert list(left_out(read(ROOT / path))) == []
    assert main(["--verify", str(ROOT / path)]) == 0


def test_each_parameter_of_each_task_is_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole_spec = read(ROOT / EEG_PIPELINE)
    checked = 0
    for name, task in [(name, task) for name, task in named(whole_spec)]:
        component = whole_spec["components"][task["componentRef"]["name"]]
        for parameter in component["inputDefinitions"].get("parameters", {}):
            given = task["inputs"]["parameters"].pop(parameter)
            assert [(found.rpartition("/")[2], names) for found, names in left_out(whole_spec)] == [(name, [parameter])]
            task["inputs"]["parameters"][parameter] = given
            checked += 1
    assert checked > 40
    del whole_spec["root"]["dag"]["tasks"]["report-exit"]["inputs"]["parameters"]["options"]
    path = tmp_path / "left-out.yaml"
    path.write_text(yaml.safe_dump(whole_spec))
    assert main(["--verify", str(path)]) == 1
    assert "leaves out options: Kubeflow Pipelines 2.17.0 does not fill defaults in" in capsys.readouterr().err


def named(spec: Any) -> Iterator[tuple[str, Any]]:
    for component in (spec["root"], *spec["components"].values()):
        yield from component.get("dag", {}).get("tasks", {}).items()


@dsl.container_component
def greet(name: str = "you", times: int = 1) -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image="busybox:1", command=["echo"], args=[name, times])


@dsl.container_component
def maybe(name: Optional[str] = None, times: int = 1) -> dsl.ContainerSpec:  # noqa: UP045 - KFP reads it
    return dsl.ContainerSpec(
        image="busybox:1",
        command=["echo"],
        args=[dsl.IfPresentPlaceholder(input_name="name", then=["--name", name], else_=["nobody"]), times],
    )


@dsl.pipeline
def inner(name: str = "you") -> None:
    greet(name=name, times=2)


@dsl.pipeline
def plain() -> None:
    greet(name="me")


@dsl.pipeline
def nested() -> None:
    inner()


@dsl.pipeline
def conditional(loud: bool = True) -> None:
    with dsl.If(loud == True):  # noqa: E712
        greet(times=3)


@dsl.pipeline
def looped() -> None:
    with dsl.ParallelFor([1, 2]) as item:
        greet(times=item)


@dsl.pipeline
def at_exit() -> None:
    with dsl.ExitHandler(report_exit(run_root="s3://runs")):
        whole(list_, source="s3://bucket/recordings", task="images")


@pytest.mark.parametrize(
    ("pipeline", "names"),
    [(plain, ["times"]), (nested, ["name"]), (conditional, ["name"]), (looped, ["name"]), (at_exit, ["run_id"])],
    ids=["task", "nested", "condition", "loop", "exit task"],
)
def test_whatever_leaves_one_out_is_not_compiled(pipeline: Any, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    with pytest.raises(LeftOut) as refused:
        compile_pipeline(pipeline, path)
    assert all(name in str(refused.value) for name in names)
    assert not path.exists()


@dsl.pipeline
def whole_loop() -> None:
    with dsl.ParallelFor([1, 2]) as item:
        whole(greet, times=item)


@dsl.pipeline
def optional() -> None:
    maybe(times=1)


@pytest.mark.parametrize("pipeline", [whole_loop, optional], ids=["loop", "if present"])
def test_what_gives_all_is_compiled(pipeline: Any, tmp_path: Path) -> None:
    compile_pipeline(pipeline, tmp_path / "mine.yaml")
    assert list(left_out(read(tmp_path / "mine.yaml"))) == []


@pytest.mark.parametrize("step", [step for step in STEPS if step == "list"])
def test_a_component_that_was_loaded_is_made_whole(step: str, tmp_path: Path) -> None:
    loaded: Callable[..., dsl.PipelineTask] = components.load_component_from_file(
        str(ROOT / f"components/{step}/component.yaml")
    )

    @dsl.pipeline
    def mine(source: str = "s3://bucket/recordings") -> None:
        whole(loaded, source=source, task="images", options={"seed": 3})

    compile_pipeline(mine, tmp_path / "mine.yaml")
    [task] = tasks(read(tmp_path / "mine.yaml"))
    given = task["inputs"]["parameters"]
    assert given["source"] == {"componentInputParameter": "source"}
    assert given["options"] == {"runtimeValue": {"constant": {"seed": 3.0}}}
    assert given["fail_fast"] == {"runtimeValue": {"constant": True}}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a: 1\n", "is not a compiled pipeline"),
        (b"- 1\n", "is not a compiled pipeline"),
        (b"text", "is not a compiled pipeline"),
        (b"", "is not a compiled pipeline"),
        (b"root: 1\n", "is not a compiled pipeline"),
        (b"root: {}\ncomponents: [1]\n", "is not a compiled pipeline"),
        (b"root: {dag: {tasks: {a: {componentRef: {name: b}}}}}\n", "is not a compiled pipeline"),
        (b"\xff\xfe", "cannot be read ('utf-8' codec"),
        (b"a: [", "cannot be read (while parsing"),
        (b"[" * 5000, "cannot be read ("),
        (None, "cannot be read ([Errno 2]"),
    ],
)
def test_what_is_no_pipeline_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes | None, told: str
) -> None:
    path = tmp_path / "other.yaml"
    if data is not None:
        path.write_bytes(data)
    assert main(["--verify", str(path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"{path} {told}")
    assert err.count("\n") == 1
