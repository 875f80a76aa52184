"""The one command that compiles everything: ``python pipelines/compile.py``.

It writes ``components/<step>/component.yaml``, ``pipelines/compiled/penstock-eeg.yaml``, for Argo Workflows
``charts/penstock/workflows/``, the tables of docs/pipelines.md, and docs/options.md; ``--check`` writes nothing and
fails where one of them is not what the declarations give. ``PENSTOCK_IMAGE_CPU`` and ``PENSTOCK_IMAGE_GPU`` name other
images, for files that are written elsewhere with ``--out``. ``--verify FILE`` looks at pipelines of yours: a task that
leaves a parameter of its component out is refused here as well as by what compiles ours.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

ROOT = Path(__file__).resolve().parent.parent
STEPS = ("list", "prefetch", "train", "evaluate", "report", "report_exit")
PIPELINE = Path("pipelines/compiled/penstock-eeg.yaml")
WORKFLOWS = Path("charts/penstock/workflows")
"""What the chart installs; images, names and the namespace are the chart's values."""

DOCS = Path("docs/pipelines.md")
"""Has two tables, between comments, that are made here."""

OPTIONS = Path("docs/options.md")
"""All options of all steps."""

SETTINGS = ("secret", "window_size", "shm_size", "train_timeout_seconds")
IMAGES = {"PENSTOCK_IMAGE_CPU": "penstock:0.1.0-cpu", "PENSTOCK_IMAGE_GPU": "penstock:0.1.0-gpu"}
"""Environment variable that names another image, and the image that the declarations name."""


def main(argv: Sequence[str] | None = None) -> int:
    """Compile or check; give the exit code: 1 where a check finds a difference."""
    parser = argparse.ArgumentParser(prog="pipelines/compile.py", description="Compile components and pipeline.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file would change")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write below this folder (default: the repository)")
    parser.add_argument(
        "--verify",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="only check that these compiled pipelines give every parameter of each component",
    )
    _add_settings(parser)
    args = parser.parse_args(argv)
    if args.verify:
        return verify(args.verify)
    images = {name: os.environ[name] for name in IMAGES if os.environ.get(name)}
    settings = {name: value for name in SETTINGS if (value := getattr(args, name)) is not None}
    if args.out is None and (images or settings):
        given = ", ".join([*images, *(f"--{name.replace('_', '-')}" for name in settings)])
        parser.error(f"{given} is given without --out: the files in the repository are those of the defaults")
    folder = args.out or ROOT
    try:
        made = compile_all(images=images, **settings)
    except ValueError as error:
        parser.error(str(error))
    if args.check:
        return check(made, folder)
    for path, text in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return 0


def compile_all(*, images: Mapping[str, str] | None = None, **settings: Any) -> dict[Path, str]:
    """Return the text of every compiled file, by its path below the repository.

    Args:
        images: other images, by the environment variable of ``IMAGES``.
        settings: fields of ``pipelines.pods.Settings``.

    Raises:
        ValueError: a setting cannot be honoured.
    """
    given = {_SETTING[name]: image for name, image in (images or {}).items()}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        made = {path: _compile(thing, folder) for path, thing in _things({**settings, **given})}
        made |= _workflows(made[PIPELINE])
    made = {path: _with_images(text, images or {}) for path, text in made.items()}
    return made if given else {**made, DOCS: _documented(made[PIPELINE]), OPTIONS: _options_page()}


_SETTING = {"PENSTOCK_IMAGE_CPU": "image_cpu", "PENSTOCK_IMAGE_GPU": "image_gpu"}


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
    given = _given()
    code = 0
    for path in paths:
        try:
            given.check_given(next(iter(yaml.safe_load_all(path.read_text()))))
        except given.LeftOut as error:
            sys.stderr.write(f"{path}: {error}\n")
            code = 1
        except (OSError, yaml.YAMLError, StopIteration, KeyError, TypeError) as error:
            sys.stderr.write(f"{path} is not a compiled pipeline ({type(error).__name__}: {error})\n")
            code = 1
    return code


def _documented(pipeline: str) -> str:
    described = importlib.import_module("pipelines.described")
    text = (ROOT / DOCS).read_text()
    spec = next(iter(yaml.safe_load_all(pipeline)))
    for name, table in (("fields", described.fields_table(spec)), ("options", described.options_table())):
        begin, end = f"<!-- {name}: made by pipelines/compile.py -->\n", f"\n<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        if not found or end not in rest:
            raise ValueError(f"{DOCS} has no place for the table of {name}: {begin.strip()} … {end.strip()}")
        text = f"{before}{begin}{table}{end}{rest.partition(end)[2]}"
    return text


def _options_page() -> str:
    page: str = importlib.import_module("pipelines.described").options_page()
    return page


def _workflows(pipeline: str) -> Iterator[tuple[Path, str]]:
    argo = importlib.import_module("pipelines.argo")
    spec = next(iter(yaml.safe_load_all(pipeline)))
    for files in argo.FILES:
        yield WORKFLOWS / f"{PIPELINE.stem}-{files}.yaml", argo.make_workflow_template(spec, files=files)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--secret", metavar="NAME", help="Kubernetes secret with the S3 credentials (default: none)")
    parser.add_argument(
        "--window-size", metavar="SIZE", help="bound of the window, of an injected sidecar's too (default: 2Gi)"
    )
    parser.add_argument("--shm-size", metavar="SIZE", help="shared memory of train and evaluate (default: 1Gi)")
    parser.add_argument(
        "--train-timeout-seconds", type=int, metavar="N", help="of one attempt of train or evaluate (default: 3 days)"
    )


def check(made: Mapping[Path, str], folder: Path) -> int:
    """Say on standard error what would change in a folder; give 1 if anything would."""
    code = 0
    for path, text in made.items():
        found = (folder / path).read_text() if (folder / path).exists() else ""
        if found != text:
            code = 1
            lines = difflib.unified_diff(found.splitlines(True), text.splitlines(True), str(path), "compiled", n=1)
            sys.stderr.writelines(lines)
    if code:
        sys.stderr.write("compiled files are stale: run `python pipelines/compile.py`\n")
    return code


def _given() -> Any:
    _find_root()
    return importlib.import_module("pipelines.given")


def _find_root() -> None:
    if str(ROOT) not in sys.path:  # as a script: Python put this file's folder there instead
        sys.path.insert(0, str(ROOT))


def _things(settings: Mapping[str, Any]) -> Iterator[tuple[Path, object]]:
    _find_root()
    for step in STEPS:
        module = importlib.import_module(f"components.{step}.component")
        # `list` would hide the builtin, so its function is `list_`.
        yield Path("components", step, "component.yaml"), getattr(module, {"list": "list_"}.get(step, step))
    fixed = importlib.import_module("pipelines.pods").Settings(**settings)
    yield PIPELINE, importlib.import_module("pipelines.eeg").make_pipeline(fixed)


def _compile(thing: object, folder: str) -> str:
    path = Path(folder, "compiled.yaml")
    compiler.Compiler().compile(thing, str(path))
    text = _DICT.sub(_in_order, path.read_text())
    _given().check_given(next(iter(yaml.safe_load_all(text))))
    return text


_DICT = re.compile(r"^(#    \w+: dict \[Default: )(\{.*\})\]$", re.MULTILINE)
"""A default in the comment at the top of a compiled file: its names are in another order each time."""


def _in_order(found: re.Match[str]) -> str:
    return f"{found[1]}{dict(sorted(ast.literal_eval(found[2]).items()))}]"


def _with_images(text: str, images: Mapping[str, str]) -> str:
    for name, image in images.items():
        text = text.replace(f"image: {IMAGES[name]}\n", f"image: {image}\n")
    return text


if __name__ == "__main__":
    raise SystemExit(main())
