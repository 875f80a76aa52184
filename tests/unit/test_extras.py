"""Extras of the package: what needs one says which, and no library of one is imported before it is the job."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ConfigError
from penstock.extras import import_extra
from penstock.formats import pictures
from penstock.formats.dicom import reading as dicom
from penstock.formats.hdf5.blocks import h5py_of
from penstock.formats.lance import format as lance
from penstock.formats.media.decoding import need_av
from penstock.formats.recordings import mat73
from penstock.formats.zarr.unpacking import numcodecs_of
from penstock.observe.trackers import check_libraries
from penstock.sources.fsspec.systems import known_names
from penstock.sources.registry import find_scheme
from penstock.tokens.templates import Template, compiled, rendered
from penstock.tokens.tokenizer import built

ROOT = Path(__file__).parents[2]
EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
MODULES = {"pillow": "PIL", "pylance": "lance", "mlflow-skinny": "mlflow"}
"""Where a library's module is called otherwise than the library."""
LATE = [
    "PIL",
    "aiohttp",
    "av",
    "braindecode",
    "fsspec",
    "h5py",
    "lance",
    "numcodecs",
    "pydicom",
    "timm",
    "tokenizers",
    "torchvision",
]


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "src/penstock").rglob("*.py")):
        yield str(path.relative_to(ROOT / "src/penstock")), ast.parse(path.read_text())


def brought(extra: str) -> set[str]:
    """Return the libraries that an extra installs, by those that it names too."""
    found: set[str] = set()
    for told in EXTRAS[extra]:
        name, others = re.match(r"([\w-]+)(?:\[([\w,]+)\])?", told).groups()  # type: ignore[union-attr]
        found |= set().union(*map(brought, others.split(","))) if name == "penstock" else {name}
    return found


def asked() -> list[tuple[str, str]]:
    """Return (module, extra) of all calls that import one."""
    calls = [node for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "import_extra"]
    return [(ast.literal_eval(call.args[0]), ast.literal_eval(call.args[1])) for call in named]


DOORS: dict[str, tuple[str, Callable[[], Any]]] = {
    "PIL": ("images", lambda: pictures.picture_of(b"")),
    "av": ("video", need_av),
    "pydicom": ("dicom", lambda: dicom.check_tag("PatientID")),
    "numcodecs": ("zarr", lambda: numcodecs_of("zlib", {})),
    "h5py": ("hdf5", h5py_of),
    "lance": ("lance", lambda: lance._read(b"", [], 0, [], None)),
    "tokenizers": ("text", lambda: built("{}")),
    "jinja2": ("text", lambda: rendered(Template(name="t", text="", special={}, options={}), [])),
    "fsspec": ("fsspec", lambda: find_scheme("memory://a")),
    "tensorboard": ("tensorboard", lambda: check_libraries("tensorboard:a")),
    "wandb": ("wandb", lambda: check_libraries("wandb:a")),
    "mlflow": ("mlflow", lambda: check_libraries("mlflow:https://host")),
}
CACHES: list[Any] = [dicom._pydicom, pictures._formats, built, compiled, known_names]


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return what takes a library away."""

    def take(library: str) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == library] or [library]:
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, library, None)
        for cache in CACHES:
            cache.cache_clear()

    yield take
    for cache in CACHES:
        cache.cache_clear()


@pytest.mark.parametrize("library", DOORS)
def test_what_needs_an_extra_names_it(library: str, without: Callable[[str], None]) -> None:
    extra, door = DOORS[library]
    without(library)
    with pytest.raises(ConfigError) as raised:
        door()
    assert f"pip install 'penstock[{extra}]'" in raised.value.fix
    assert "\n" not in str(raised.value)


def test_a_recording_that_needs_one_is_named(without: Callable[[str], None]) -> None:
    without("h5py")
    with pytest.raises(ConfigError, match=r"^r\.set is a MATLAB file") as raised:
        mat73._opened(b"", "r.set")
    assert raised.value.fix == "pip install 'penstock[hdf5]', or save it from EEGLAB in version 6"


def test_what_is_installed_and_broken_tells_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("raise ImportError('libx.so.1: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as raised:
        import_extra("broken_library", "video", what="video is decoded by it")
    told = "video is decoded by it, which cannot be imported (libx.so.1: cannot open): pip install 'penstock[video]'"
    assert str(raised.value) == told


def test_each_library_is_of_the_extra_that_is_named_for_it() -> None:
    for module, extra in asked():
        assert module.partition(".")[0] in {MODULES.get(name, name) for name in brought(extra)}, (module, extra)
    assert {module.partition(".")[0] for module, _ in asked()} | {"fsspec"} == set(DOORS)


def test_extras_that_are_named_anywhere_are_there() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", *(ROOT / "src").rglob("*.py")]
    named = {
        name
        for page in pages
        for told in re.findall(r"penstock\[([\w,]+)\]", page.read_text())
        for name in told.split(",")
    }
    calls = [node for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in ("lacking", "how_to_install"):
            named |= {arg.value for arg in call.args[-1:] if isinstance(arg, ast.Constant)}
    assert named <= set(EXTRAS), named - set(EXTRAS)


def test_the_table_of_extras_tells_what_each_brings() -> None:
    section = (ROOT / "docs/formats.md").read_text().partition("\n## Extras\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([\w-]+)` \|.*\| ([^|]*) \|$", section, re.MULTILINE))
    assert set(rows) == set(EXTRAS) - {"dev"}
    for extra, cell in rows.items():
        told = [re.sub(r"^penstock\[(.*)\]$", r"\1", re.split(r"[><=]", each)[0]) for each in EXTRAS[extra]]
        assert sorted(re.findall(r"`([\w-]+)`", cell)) == sorted(",".join(told).split(",")), extra


def test_libraries_of_extras_are_imported_where_they_are_the_job() -> None:
    for path, tree in trees():
        late = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
        within = {id(node) for part in (*late, *types) for node in ast.walk(part)}
        for node in ast.walk(tree):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            early = {name.partition(".")[0] for name in names if id(node) not in within} & set(LATE)
            assert not early or (early == {"PIL"} and path.startswith("tasks/images/")), (path, early)
