"""The compiled files: what they are compiled from, and what the backend can do with them."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.sources.node import FROM_LABELS, POD_LABELS
from penstock.sources.registry import credential_variables
from penstock.steps.options.run_options import run_fields, run_options
from penstock.tasks.registry import get_task, own_task_names
from pipelines.compile import EEG_PIPELINE, PIPELINES, compile_all, main
from pipelines.files import GENERAL_PIPELINE, PACK_PIPELINE, documents, sources

ROOT = Path(__file__).parents[3]
GOLDENS = [*(ROOT / path for path in PIPELINES), *sorted((ROOT / "components").glob("*/component.yaml"))]
EACH = pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)

WORKFLOWS = sorted((ROOT / "charts/penstock/workflows").glob("*.yaml"))

IN_A_COMMAND = re.compile(
    r"\{\{\$\}\}"
    r"|\{\{\$\.inputs\.parameters\['[\w-]+'\]\}\}"
    r"|\{\{\$\.(inputs|outputs)\.artifacts\['[\w-]+'\]\.(uri|path)\}\}"
    r"|\{\{\$\.outputs\.parameters\['[\w-]+'\]\.output_file\}\}"
)
SECRET = re.compile(r"(AKIA|ASIA)[A-Z0-9]{16}|password|x-amz|://[^/\s]*@", re.IGNORECASE)
CHANNEL = "pipelinechannel--"
OF_THE_POD = {"node_selector", "node_tolerations"}
# What kfp writes for what the driver takes from the pod's own fields; no command reads it.
OF_THE_DRIVER = {"base_image", "accelerator_type", "accelerator_count", "resource_type", "resource_count"}
IN_A_CONSTANT = {"{{$.pipeline_job_uuid}}"} | {
    f"{{{{$.inputs.parameters['pipelinechannel--{name}']}}}}"
    for name in ("node_accelerators", "node_accelerator_type", "image_cpu", "image_gpu", "image")
}


def without_names(text: str) -> str:
    """Leave out the names of variables that hold credentials, which say password as well."""
    return re.sub("|".join(sorted(credential_variables(), key=len, reverse=True)), "", text)


@functools.cache
def pipeline(path: Path = EEG_PIPELINE) -> tuple[Any, Any]:
    spec, platform = yaml.safe_load_all((ROOT / path).read_text())
    return spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def tasks(path: Path = EEG_PIPELINE) -> Any:
    """Return all tasks, those in the exit handler and the one that runs at its exit, by name."""
    spec = pipeline(path)[0]
    return spec["components"]["comp-exit-handler-1"]["dag"]["tasks"] | {
        "report-exit": spec["root"]["dag"]["tasks"]["report-exit"]
    }


def test_the_files_are_what_the_declarations_give() -> None:
    made = {**sources(), **compile_all(), **documents()}
    assert {ROOT / path for path in made} == {
        *GOLDENS,
        *WORKFLOWS,
        *(ROOT / "components").glob("*/component.py"),
        *(ROOT / "components").glob("*/README.md"),
        ROOT / "docs/pipelines.md",
        ROOT / "docs/options.md",
        *(path for path in (ROOT / "docs/schemas").iterdir() if path.name != "dataset.json"),
    }
    for path, text in made.items():
        assert (ROOT / path).read_text() == text, "run `python pipelines/compile.py`"


def test_check_fails_on_a_difference_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    assert main(["--out", str(tmp_path), "--check"]) == 0
    stale = tmp_path / "components/list/component.yaml"
    stale.write_text(stale.read_text().replace("--source", "--sauce"))
    assert main(["--out", str(tmp_path), "--check"]) == 1
    told = capsys.readouterr().err
    assert "--sauce" in told
    assert "python pipelines/compile.py" in told
    assert "--sauce" in stale.read_text()


def test_images_and_secret_are_chosen_when_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_IMAGE_CPU", "registry.example/penstock@sha256:00")
    monkeypatch.setenv("PENSTOCK_IMAGE_GPU", "")
    assert main(["--out", str(tmp_path), "--secret", "s3-reader"]) == 0
    spec, platform = yaml.safe_load_all((tmp_path / "pipelines/compiled/penstock-eeg.yaml").read_text())
    fields = spec["root"]["inputDefinitions"]["parameters"]
    assert fields["image_cpu"]["defaultValue"] == "registry.example/penstock@sha256:00"
    assert fields["image_gpu"]["defaultValue"] == "penstock:0.1.0-gpu"
    alone = yaml.safe_load((tmp_path / "components/list/component.yaml").read_text())
    container = alone["deploymentSpec"]["executors"]["exec-list"]["container"]
    assert container["image"] == "registry.example/penstock@sha256:00"
    for path in (tmp_path / "charts/penstock/workflows").iterdir():
        parameters = yaml.safe_load(path.read_text())["spec"]["arguments"]["parameters"]
        given = {parameter["name"]: parameter.get("value") for parameter in parameters}
        assert given["image_cpu"] == "registry.example/penstock@sha256:00"
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for label in ("exec-list", "exec-prefetch", "exec-train", "exec-evaluate", "exec-report-exit"):
        [secret] = executors[label]["secretAsEnv"]
        assert secret["secretName"] == "s3-reader"
        taken = {entry["envVar"]: entry["secretKey"] for entry in secret["keyToEnv"]}
        assert taken == {name: name for name in credential_variables()}
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"} <= taken.keys()
        assert secret["optional"] is True, "a source asks for some of them alone"
    assert "secretAsEnv" not in executors["exec-report"]


def test_other_images_are_not_written_over_the_committed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_IMAGE_CPU", "registry.example/penstock:1")
    with pytest.raises(SystemExit):
        main([])


@EACH
def test_every_pipeline_parameter_has_a_description_and_a_default(path: Path) -> None:
    parameters = pipeline(path)[0]["root"]["inputDefinitions"]["parameters"]
    for name, definition in parameters.items():
        assert len(definition.get("description", "")) > 10, name
        assert definition.get("isOptional", False) == ("defaultValue" in definition), name
    # A file that describes the data may stand in the place of source and task: the first step asks for one of them.
    given = {"data_source", "pack_into"} if path == PACK_PIPELINE else set()
    assert {name for name, definition in parameters.items() if "defaultValue" not in definition} == given


@EACH
def test_a_pipeline_parameter_goes_to_a_step_with_the_same_type(path: Path) -> None:
    spec, _ = pipeline(path)
    declared = spec["root"]["inputDefinitions"]["parameters"]
    handler = spec["components"]["comp-exit-handler-1"]["inputDefinitions"]["parameters"]
    used = set()
    for task in tasks(path).values():
        inner = spec["components"][task["componentRef"]["name"]]["inputDefinitions"].get("parameters", {})
        for name, source in task.get("inputs", {}).get("parameters", {}).items():
            outer = source.get("componentInputParameter", "")
            used.add(outer.removeprefix(CHANNEL))
            if outer and not name.startswith(CHANNEL):
                assert inner[name]["parameterType"] == declared[outer.removeprefix(CHANNEL)]["parameterType"], name
            assert not outer.startswith(CHANNEL) or outer in handler, f"the exit handler does not pass {outer} on"
    assert (used - {""}) | OF_THE_POD == set(declared)
    passed = spec["root"]["dag"]["tasks"]["exit-handler-1"]["inputs"]["parameters"]
    assert passed == {name: {"componentInputParameter": name.removeprefix(CHANNEL)} for name in handler}
    assert {f"{CHANNEL}{name}" for name in OF_THE_POD} <= set(handler)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.parent.name)
def test_the_backend_knows_every_placeholder(path: Path) -> None:
    spec = next(iter(yaml.safe_load_all(path.read_text())))
    for item in spec["deploymentSpec"]["executors"].values():
        for word in [*item["container"]["command"], *item["container"]["args"]]:
            assert "{{" not in IN_A_COMMAND.sub("", word)
    dags = [spec["root"]["dag"], *(found["dag"] for found in spec["components"].values() if "dag" in found)]
    constants = [
        source["runtimeValue"]["constant"]
        for dag in dags
        for task in dag["tasks"].values()
        for source in task.get("inputs", {}).get("parameters", {}).values()
        if "runtimeValue" in source
    ]
    assert {text for text in constants if "{{" in str(text)} <= IN_A_CONSTANT


@EACH
def test_training_and_evaluation_ask_for_a_sidecar_its_volume_and_accelerators(path: Path) -> None:
    spec, platform = pipeline(path)
    for label in ("exec-train", "exec-evaluate"):
        assert platform[label]["podMetadata"]["labels"] == {"penstock.dev/prefetch": "true"}
        assert platform[label]["tolerations"] == [
            {"tolerationJson": {"componentInputParameter": f"{CHANNEL}node_tolerations"}}
        ]
        assert platform[label]["nodeSelector"] == {
            "nodeSelectorJson": {"componentInputParameter": f"{CHANNEL}node_selector"}
        }
        [shared] = [mount for mount in platform[label]["emptyDirMounts"] if mount["volumeName"] == "shm"]
        assert shared == {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "1Gi"}
        asked = spec["deploymentSpec"]["executors"][label]["container"]["resources"]["accelerator"]
        assert asked["resourceCount"] == "{{$.inputs.parameters['pipelinechannel--node_accelerators']}}"
        assert asked["resourceType"] == "{{$.inputs.parameters['pipelinechannel--node_accelerator_type']}}"
    assert "podMetadata" not in platform["exec-prefetch"]
    assert all(int(config["activeDeadlineSeconds"]) > 0 for config in platform.values())
    assert {
        spec["root"]["inputDefinitions"]["parameters"][name]["parameterType"]
        for name in ("node_accelerators", "node_accelerator_type", "image_cpu", "image_gpu")
    } == {"STRING"}, "the backend reads these from a text; a number is taken for an empty one"


@pytest.mark.parametrize(("size", "limit"), [("2Gi", "2410Mi"), ("8.5Gi", "10240Mi"), ("500M", "561Mi")])
def test_a_sidecar_the_steps_and_the_volume_have_one_size_of_the_window(size: str, limit: str) -> None:
    text = compile_all(window_size=size)[Path("pipelines/compiled/penstock-eeg.yaml")]
    spec, platform = yaml.safe_load_all(text)
    found = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for step in ("prefetch", "train", "evaluate"):
        given = found[step]["inputs"]["parameters"]
        assert given["window_size"] == {"runtimeValue": {"constant": size}}
        [mount] = [mount for mount in executors[f"exec-{step}"]["emptyDirMounts"] if mount["volumeName"] != "shm"]
        assert mount["mountPath"] == given["window"]["runtimeValue"]["constant"] == "/penstock/window"
        assert (mount["volumeName"], mount["sizeLimit"]) == ("penstock-window", limit)
        told = executors[f"exec-{step}"].get("podMetadata", {}).get("annotations", {})
        assert told == ({} if step == "prefetch" else {"penstock.dev/window-size": size})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        *((f"--window-size={size}", "is not a size: write it like 512Mi") for size in ("0", "much", "-1Gi", "500m")),
        ("--shm-size=lots", "is not a size: write it like 512Mi"),
        ("--secret=", "'' is no name of a secret: write it like s3-reader"),
        ("--secret=My_Secret", "is no name of a secret"),
        ("--secret=a b", "is no name of a secret"),
        ("--train-timeout-seconds=0", "are no time to train in"),
        ("--train-timeout-seconds=-5", "are no time to train in"),
        ("PENSTOCK_IMAGE_CPU=a b: c", "is no name of an image: write it like registry.example/penstock:1-cpu"),
    ],
)
def test_what_a_cluster_would_refuse_is_not_compiled(
    given: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, value = given.partition("=")
    if not name.startswith("--"):
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), *([given] if name.startswith("--") else [])])
    err = capsys.readouterr().err
    assert told in err
    assert err.count("error:") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "file")])
    assert "error: [Errno 20] Not a directory" in capsys.readouterr().err


@EACH
def test_caching_and_retries(path: Path) -> None:
    found = tasks(path)
    assert not [name for name, task in found.items() if task["cachingOptions"].get("enableCache")]
    tried = {name: task["retryPolicy"]["maxRetryCount"] for name, task in found.items() if "retryPolicy" in task}
    assert tried == {"list": 1, "prefetch": 1, "train": 3, "evaluate": 1}
    for name in tried:
        given = found[name]["inputs"]["parameters"]
        assert given["run_id"] == {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
        assert given["run_root"] == {"componentInputParameter": f"{CHANNEL}run_root"}
        assert given["fail_fast"] == {"runtimeValue": {"constant": True}}
    assert "prefetch" in found["train"]["dependentTasks"]


@EACH
def test_training_comes_after_a_forecast_that_is_made_only_where_it_is_asked_for(path: Path) -> None:
    spec = pipeline(path)[0]
    outer = tasks(path)["forecast-first"]
    assert {"list", "prefetch"} <= set(outer["dependentTasks"])
    assert "forecast-first" in tasks(path)["train"]["dependentTasks"]
    assert outer["inputs"]["parameters"]["asked"] == {"componentInputParameter": f"{CHANNEL}forecast"}
    [(_, condition)] = spec["components"]["comp-forecast-first"]["dag"]["tasks"].items()
    assert condition["triggerPolicy"]["condition"] == f"inputs.parameter_values['{CHANNEL}asked'] == true"
    [(name, task)] = spec["components"][condition["componentRef"]["name"]]["dag"]["tasks"].items()
    assert (name, task["retryPolicy"]["maxRetryCount"]) == ("forecast", 1)
    assert not task["cachingOptions"].get("enableCache")
    assert task["inputs"]["parameters"]["run_id"] == {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
    assert spec["root"]["inputDefinitions"]["parameters"]["forecast"]["defaultValue"] is False


@EACH
def test_the_exit_task_is_told_how_the_run_ended_and_where_its_records_are(path: Path) -> None:
    task = tasks(path)["report-exit"]
    assert task["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert task["dependentTasks"] == ["exit-handler-1"]
    given = task["inputs"]["parameters"]
    assert given["final_status"] == {"taskFinalStatus": {"producerTask": "exit-handler-1"}}
    assert given["run_root"] == {"componentInputParameter": "run_root"}
    assert "artifacts" not in task["inputs"]


@EACH
def test_no_step_takes_the_dataset_as_an_artifact(path: Path) -> None:
    passed = {
        source["taskOutputArtifact"]["producerTask"] + "." + source["taskOutputArtifact"]["outputArtifactKey"]
        for task in tasks(path).values()
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


@pytest.mark.parametrize("path", [*GOLDENS, *WORKFLOWS], ids=lambda path: path.parent.name)
def test_no_secret_is_in_a_compiled_file(path: Path) -> None:
    assert not SECRET.search(without_names(path.read_text()))


@EACH
def test_no_field_of_a_run_is_for_a_secret(path: Path) -> None:
    for name in pipeline(path)[0]["root"]["inputDefinitions"]["parameters"]:
        assert not re.search(r"secret|password|token|key", name)


@EACH
def test_the_form_has_few_fields_whose_names_group_by_alphabet(path: Path) -> None:
    names = list(pipeline(path)[0]["root"]["inputDefinitions"]["parameters"])
    packs = path == PACK_PIPELINE
    assert len(names) <= 20 + 2 * packs
    assert names == sorted(names)
    groups = [name.partition("_")[0] for name in names]
    assert list(dict.fromkeys(groups)) == ["data", "forecast", "image", "model", "node", "options"] + [
        "pack"
    ] * packs + [
        "price",
        "run",
    ]


@EACH
def test_a_person_at_the_form_finds_a_sentence_for_every_field_and_option(path: Path) -> None:
    spec, _ = pipeline(path)
    told = spec["pipelineInfo"]["description"]
    docs = (ROOT / "docs/pipelines.md").read_text()
    for name, field in spec["root"]["inputDefinitions"]["parameters"].items():
        sentence = " ".join(field["description"].split())
        assert f"- {name}: {sentence}" in told
        assert f"| `{name}` |" in docs
        assert sentence in docs or (path, name) == (EEG_PIPELINE, "data_task")
    options = run_options()
    assert len(options) > 30
    for name, option in options.items():
        if option.first.hidden:
            assert not re.search(rf"^- {name} ", told, re.MULTILINE), name
            continue
        assert re.search(rf"^- {name} \(.+\): ..........", told, re.MULTILINE), name
        assert f"| `{name}` |" in docs
    assert spec["root"]["inputDefinitions"]["parameters"]["options"].get("defaultValue", {}).keys() <= options.keys()
    for task in ("eeg-c1",) if path == EEG_PIPELINE else own_task_names():
        for option in get_task(task).options:
            assert re.search(rf"^- {option.name}( \(.+ unless given\))?: .....", told, re.MULTILINE), (
                task,
                option.name,
            )


def test_the_general_pipeline_knows_no_dataset() -> None:
    """Nothing but what tasks say of themselves names EEG, or its places, outside the preset's own files."""
    spec, platform = pipeline(GENERAL_PIPELINE)
    text = json.dumps([{**spec, "pipelineInfo": {}}, platform]).replace(", ".join(own_task_names()), "")
    assert not re.search(r"eeg|nmdatasets|us-east|recording", text, re.IGNORECASE)
    for source in [*(ROOT / "pipelines").glob("*.py"), *(ROOT / "components").glob("*/*.*")]:
        words = " ".join(source.read_text().split()).replace(", ".join(own_task_names()), "")
        allowed = source.name in ("eeg.py", "files.py", "compile.py")
        assert allowed or not re.search(r"\beeg|nmdatasets|us-east", words, re.IGNORECASE), source


@EACH
def test_the_form_has_the_fields_that_options_are_declared_to_be_given_by(path: Path) -> None:
    """Each is declared at its option; the form's other fields are of the pipeline alone."""
    fields = set(pipeline(path)[0]["root"]["inputDefinitions"]["parameters"])
    without = {"data_file"} if path == PACK_PIPELINE else set()
    assert set(run_fields().values()) - without <= fields
    others = {name for name in fields - set(run_fields().values()) if name.partition("_")[0] not in ("image", "node")}
    assert others == {"forecast", "options"} | (
        {"pack_into", "pack_options", "pack_parts"} if path == PACK_PIPELINE else set()
    )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_name_secrets_and_hold_none(path: Path) -> None:
    text = path.read_text()
    assert not SECRET.search(without_names(text))
    for template in yaml.safe_load(text)["spec"]["templates"]:
        for entry in template.get("container", {}).get("env", []):
            assert set(entry) == {"name", "valueFrom"}


def test_declarations_import_no_torch_and_no_storage_client() -> None:
    script = (
        "import sys, json\n"
        "import pipelines.compile, pipelines.eeg, pipelines.argo\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "kfp" in loaded
    assert not loaded & {"torch", "boto3", "botocore", "huggingface_hub", "obstore", "azure"}


@pytest.mark.parametrize("how", [["pipelines/compile.py"], ["-m", "pipelines.compile"]], ids=["script", "module"])
def test_the_command_line_checks(how: list[str]) -> None:
    done = subprocess.run([sys.executable, *how, "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_all_parts_are_packed_in_a_loop_before_what_is_there_is_listed() -> None:
    spec, platform = pipeline(PACK_PIPELINE)
    outer = tasks(PACK_PIPELINE)
    assert outer["list"]["dependentTasks"] == ["pack-parts"]
    listed = outer["list"]["inputs"]["parameters"]
    assert listed["source"] == {"componentInputParameter": f"{CHANNEL}pack_into"}
    assert (listed["anonymous"], listed["region"]) == (
        {"runtimeValue": {"constant": False}},
        {"runtimeValue": {"constant": ""}},
    ), "the shards are the run's own, whosever the dataset is"
    [loop] = spec["components"]["comp-pack-parts"]["dag"]["tasks"].values()
    assert loop["iteratorPolicy"] == {"parallelismLimit": 8}
    [task] = spec["components"][loop["componentRef"]["name"]]["dag"]["tasks"].values()
    item = loop["parameterIterator"]["itemInput"]
    assert task["inputs"]["parameters"]["part"] == {"componentInputParameter": item}
    assert task["retryPolicy"]["maxRetryCount"] == 1
    assert not task["cachingOptions"].get("enableCache")
    assert int(platform["exec-pack"]["activeDeadlineSeconds"]) == 72 * 3600


def test_steps_are_told_of_their_node_by_its_labels() -> None:
    labels = {FROM_LABELS[name]: f"metadata.labels['{label}']" for name, label in POD_LABELS.items()}
    labels["PENSTOCK_NODE_NAME"] = "spec.nodeName"
    for path in sorted((ROOT / "pipelines/compiled").glob("*.yaml")):
        _, platform = yaml.safe_load_all(path.read_text())
        for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
            assert {each["name"]: each["fieldPath"] for each in executor["fieldPathAsEnv"]} == labels
    for path in sorted((ROOT / "charts/penstock/workflows").iterdir()):
        for template in yaml.safe_load(path.read_text())["spec"]["templates"]:
            for container in [template.get("container"), *template.get("initContainers", ())]:
                if container is None or not container.get("env"):
                    continue
                found = {each["name"]: each.get("valueFrom", {}).get("fieldRef") for each in container["env"]}
                assert {name: found[name]["fieldPath"] for name in labels} == labels
