"""The frozen surface: names that users import, flags and exit codes, as ``golden/*.txt`` holds them.

A change of these files is a change for users. Make them anew with ``make golden``, and look at the difference.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import penstock
from penstock.cli import STEPS, build_parser
from penstock.errors import PenstockError

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]
PACKAGE = Path(penstock.__file__).parent


PUBLIC = (
    "penstock",
    "penstock.errors",
    "penstock.formats.protocols",
    "penstock.manifest",
    "penstock.recipes.protocols",
    "penstock.recipes.text.networks",
    "penstock.records",
    "penstock.sources",
    "penstock.tasks.metrics",
    "penstock.tasks.protocols",
)
"""Modules that a user's code imports from: the library's face, and what sources, formats and tasks are made of."""


def modules() -> list[str]:
    """Name every module of the package."""
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


def names_of(module: str) -> list[str] | None:
    """Return a module's ``__all__`` as its source has it, None where it has none."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found: list[str] | None = None
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if [ast.unparse(target) for target in targets] == ["__all__"]:
                found = [*(found or []), *ast.literal_eval(node.value)]
    return found


def names() -> Iterator[str]:
    for module in PUBLIC:
        yield from (f"{module}.{name}" for name in sorted(names_of(module) or []))


def flags() -> Iterator[str]:
    commands = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    for step in STEPS:
        for action in commands.choices[step]._actions:
            if not isinstance(action, argparse._HelpAction):
                yield f"{step} {describe(action)}"


def describe(action: argparse.Action) -> str:
    """Return a flag's form in one line: names, metavar, what it may be, and what it is when it is not given."""
    words = [*action.option_strings] or [action.dest]
    if action.metavar is not None:
        words.append(action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar))
    if action.choices is not None:
        words.append(f"choices={','.join(map(str, action.choices))}")
    if action.nargs not in (None, 0):
        words.append(f"nargs={action.nargs}")
    return " ".join([*words, "required" if action.required else f"default={action.default!r}"])


def codes() -> Iterator[str]:
    def tree(cls: type[PenstockError]) -> Iterator[type[PenstockError]]:
        yield cls
        for child in cls.__subclasses__():
            yield from tree(child)

    ours = [cls for cls in tree(PenstockError) if cls.__module__ == "penstock.errors"]
    for cls in sorted(ours, key=lambda cls: cls.exit_code):
        parents = " < ".join(base.__name__ for base in cls.__mro__[: cls.__mro__.index(PenstockError) + 1])
        yield f"{cls.exit_code} {'retryable' if cls.retryable else 'final'} {parents}"


@pytest.mark.parametrize(("file", "lines"), [("names.txt", names), ("flags.txt", flags), ("codes.txt", codes)])
def test_the_surface_is_as_it_was(
    file: str, lines: Callable[[], Iterator[str]], request: pytest.FixtureRequest
) -> None:
    path, text = GOLDEN / file, "".join(f"{line}\n" for line in lines())
    if request.config.getoption("--regenerate", default=False):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "the surface changed: make golden, and look at the difference"


@pytest.mark.parametrize("module", [module for module in modules() if names_of(module) is not None])
def test_every_public_name_is_there_and_documented(module: str) -> None:
    listed = names_of(module) or []
    assert listed == sorted(set(listed), key=lambda name: (not name.isupper(), name[0].islower(), name))
    loaded = importlib.import_module(module)
    for name in listed:
        value = getattr(loaded, name)
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__name__ == name:
            assert value.__doc__, f"{module}.{name} has no docstring"


def test_docs_and_templates_import_public_names_alone() -> None:
    texts = [path.read_text() for folder in ("docs", "src/penstock/scaffold") for path in (ROOT / folder).glob("**/*.*")
             if path.suffix in (".md", ".tmpl", ".txt", ".toml", ".in")]  # fmt: skip
    texts.append((ROOT / "README.md").read_text())
    imported = {
        found for text in texts for found in re.findall(r"^from (penstock\S*) import (.+)$", text, re.MULTILINE)
    }
    assert imported
    public = {module: set(names_of(module) or []) for module in PUBLIC}
    for module, names in imported:
        assert {name.strip() for name in names.split(",")} <= public.get(module, set()), (module, names)


@pytest.mark.parametrize("step", STEPS)
def test_every_flag_is_explained(step: str) -> None:
    commands = next(a for a in build_parser([step])._actions if isinstance(a, argparse._SubParsersAction))
    for action in commands.choices[step]._actions:
        assert action.help, f"{step} {action.option_strings} has no help"


RUN = """
import sys
from penstock.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stopped:
    assert not stopped.code, stopped.code
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("--help",),
        ("list", "--help"),
        ("prefetch", "--help"),
        ("report", "--help"),
        ("doctor", "--help"),
    ],
)
def test_what_does_not_train_does_without_torch(words: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "penstock" in loaded
    assert not loaded & {"torch", "moto", "mne", "kfp"}
    if words[0] == "prefetch":
        # A trainer waits for it: neither what bars need nor what some credentials need.
        assert not loaded & {"rich", "boto3", "botocore"}


def test_listing_and_streaming_do_without_torch_and_libraries_of_formats() -> None:
    """Not only the help: the modules that the steps load while they work."""
    work = (
        "import sys, penstock.steps.listing, penstock.steps.prefetch, penstock.steps.report, penstock.tasks.registry\n"
    )
    tasks = "[penstock.tasks.registry.get_task(name) for name in penstock.tasks.registry.task_names()]\n"
    kinds = "import penstock.formats.registry as formats\n[*map(formats.format_options, formats.own_format_names())]\n"
    extras = "{*'PIL aiohttp av fsspec h5py lance numcodecs pydicom tokenizers torch'.split()}"
    told = subprocess.run(
        [sys.executable, "-c", f"{work}{tasks}{kinds}print(*{extras} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == []
