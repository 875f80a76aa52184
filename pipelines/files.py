"""The files that are made of the declarations, and their texts.

``components/<step>/component.py`` and the tables of their READMEs come first, since pipelines import them. What is
compiled of them follows: ``component.yaml``, ``pipelines/compiled/`` for Kubeflow Pipelines, for Argo Workflows
``charts/penstock/workflows/``. Documents are the tables of docs/pipelines.md, docs/options.md and docs/schemas.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from penstock.steps.options.config_file import config_schema
from penstock.steps.options.steps import STEPS as ALL_STEPS
from penstock.steps.options.steps import options_of
from pipelines.component_source import component_source, parameters_table
from pipelines.declared import COMPONENTS, IMAGES
from pipelines.given import LeftOut, check_given

__all__ = [
    "EEG_PIPELINE",
    "IMAGE_VARIABLES",
    "PACK_PIPELINE",
    "PIPELINES",
    "STEPS",
    "compile_all",
    "compile_pipeline",
    "documents",
    "sources",
    "verify",
]

ROOT = Path(__file__).resolve().parent.parent
STEPS = tuple(COMPONENTS)
PIPELINES = {
    Path("pipelines/compiled/penstock.yaml"): ("pipelines.general", "GENERAL"),
    Path("pipelines/compiled/penstock-eeg.yaml"): ("pipelines.eeg", "EEG"),
    Path("pipelines/compiled/penstock-pack.yaml"): ("pipelines.general", "PACK"),
}
"""Module and name of the preset of each pipeline: a new one is a line here."""

GENERAL_PIPELINE, EEG_PIPELINE, PACK_PIPELINE = PIPELINES
"""The pipeline for any dataset, that with a public one in its form, and that which packs a dataset first."""

WORKFLOWS = Path("charts/penstock/workflows")
"""What the chart installs; images, names and the namespace are the chart's values."""

IMAGE_VARIABLES = {"PENSTOCK_IMAGE_CPU": "cpu", "PENSTOCK_IMAGE_GPU": "gpu"}
"""Environment variable that names another image, and which one."""


def sources() -> dict[Path, str]:
    """Return the text of every component's module and README, by its path below the repository."""
    made: dict[Path, str] = {}
    for name, component in COMPONENTS.items():
        folder = Path("components", name)
        made[folder / "component.py"] = component_source(name, component)
        made[folder / "README.md"] = _with_tables(folder / "README.md", {"parameters": parameters_table(component)})
    return made


def compile_all(*, images: Mapping[str, str] | None = None, **settings: Any) -> dict[Path, str]:
    """Return the text of every compiled file, by its path below the repository.

    Args:
        images: other images, by the environment variable of ``IMAGE_VARIABLES``.
        settings: fields of ``pipelines.pods.Settings``.

    Raises:
        ValueError: a setting cannot be honoured.
    """
    named = {IMAGE_VARIABLES[variable]: image for variable, image in (images or {}).items()}
    given = {**settings, **{f"image_{which}": image for which, image in named.items()}}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        made = {path: _with_images(_compile(thing, folder), named) for path, thing in _components()}
        for path in PIPELINES:
            made |= _pipeline(path, folder, given)
    return made


def documents() -> dict[Path, str]:
    """Return the text of every document that has tables of options, by its path below the repository."""
    described = importlib.import_module("pipelines.described")
    fixed = importlib.import_module("pipelines.pods").Settings()
    form = importlib.import_module("pipelines.form").run_form
    packing = form(_preset(PACK_PIPELINE), fixed)
    tables = {
        "fields": described.fields_table(form(_preset(GENERAL_PIPELINE), fixed)),
        "options": described.options_table(),
        "eeg": described.preset_table(_preset(EEG_PIPELINE)),
        "pack": described.fields_table({name: one for name, one in packing.items() if name.startswith("pack_")}),
    }
    schemas = {
        Path("docs/schemas", f"{step}.json"): f"{json.dumps(config_schema(step, options_of(step)), indent=2)}\n"
        for step in ALL_STEPS
    }
    page = Path("docs/pipelines.md")
    return {page: _with_tables(page, tables), Path("docs/options.md"): described.options_page(), **schemas}


def compile_pipeline(pipeline: object, path: Path | str) -> None:
    """Compile a pipeline, of your own too, and refuse it where a task leaves a parameter out.

    Raises:
        pipelines.given.LeftOut: with every task and parameter.
    """
    with tempfile.TemporaryDirectory() as folder:
        text = _compile(pipeline, folder)
    Path(path).write_text(text)


def verify(paths: Sequence[Path]) -> int:
    """Say on standard error which tasks of compiled pipelines leave parameters out; give 1 if any does."""
    code = 0
    for path in paths:
        try:
            check_given(next(iter(yaml.safe_load_all(path.read_text()))))
        except LeftOut as error:
            sys.stderr.write(f"{path}: {error}\n")
            code = 1
        except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
            sys.stderr.write(f"{path} cannot be read ({_line(error)}): name a file that `kfp` has compiled\n")
            code = 1
        except (StopIteration, AttributeError, KeyError, TypeError, IndexError):
            sys.stderr.write(f"{path} is not a compiled pipeline: name a file that `kfp` has compiled\n")
            code = 1
    return code


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:_REASON_CHARACTERS]


_REASON_CHARACTERS = 200


def _components() -> Iterator[tuple[Path, object]]:
    for name in COMPONENTS:
        module = importlib.import_module(f"components.{name}.component")
        # `list` would hide the builtin, so its function is `list_`.
        yield Path("components", name, "component.yaml"), getattr(module, {"list": "list_"}.get(name, name))


def _pipeline(path: Path, folder: str, settings: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Compile a pipeline, for both backends."""
    preset, fixed = _preset(path), importlib.import_module("pipelines.pods").Settings(**settings)
    text = _compile(importlib.import_module("pipelines.general").make_pipeline(preset, fixed), folder)
    yield path, text
    argo, form = importlib.import_module("pipelines.argo"), importlib.import_module("pipelines.form")
    spec, fields = next(iter(yaml.safe_load_all(text))), form.run_form(preset, fixed)
    for files in argo.FILES:
        yield WORKFLOWS / f"{path.stem}-{files}.yaml", argo.make_workflow_template(spec, form=fields, files=files)


def _preset(path: Path) -> Any:
    module, name = PIPELINES[path]
    return getattr(importlib.import_module(module), name)


def _compile(thing: object, folder: str) -> str:
    path = Path(folder, "compiled.yaml")
    compiler.Compiler().compile(thing, str(path))
    text = _DICT.sub(_in_order, path.read_text())
    check_given(next(iter(yaml.safe_load_all(text))))
    return text


_DICT = re.compile(r"^(#    \w+: dict \[Default: )(\{.*\})\]$", re.MULTILINE)
"""A default in the comment at the top of a compiled file: its names are in another order each time."""


def _in_order(found: re.Match[str]) -> str:
    return f"{found[1]}{dict(sorted(ast.literal_eval(found[2]).items()))}]"


def _with_images(text: str, named: Mapping[str, str]) -> str:
    for which, image in named.items():
        text = text.replace(f"image: {IMAGES[which]}\n", f"image: {image}\n")
    return text


def _with_tables(path: Path, tables: Mapping[str, str]) -> str:
    """Return a document's text with tables made anew, each between two comments."""
    text = (ROOT / path).read_text()
    for name, table in tables.items():
        begin, end = f"<!-- {name}: made by pipelines/compile.py -->\n", f"\n<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        if not found or end not in rest:
            raise ValueError(f"{path} has no place for the table of {name}: {begin.strip()} … {end.strip()}")
        text = f"{before}{begin}{table}{end}{rest.partition(end)[2]}"
    return text
