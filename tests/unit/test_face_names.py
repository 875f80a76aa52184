"""Names that are looked for in ``penstock`` and are not there."""

from __future__ import annotations

import gc
import subprocess
import sys
from types import SimpleNamespace

import pytest

import penstock
import penstock.dataset
from penstock.formats.registry import format_names

OWN = set(penstock.__all__)


@pytest.mark.parametrize("name", sorted(set(format_names()) - OWN))
def test_a_format_without_a_function_says_what_to_write(name: str) -> None:
    told = rf"^module 'penstock' has no attribute '{name}': write penstock\.of_format\('{name}', \.\.\.\)$"
    with pytest.raises(AttributeError, match=told):
        getattr(penstock, name)


def test_a_start_looks_for_no_format() -> None:
    """``from penstock import module`` asks for the attribute before it looks for the module."""
    asks = "import sys; from penstock import locks, files; sys.exit('penstock.formats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asks], check=False).returncode == 0


def test_rows_of_shards_need_nothing_of_other_kinds_of_datasets() -> None:
    """A first row waits for all that is imported before it."""
    asks = (
        "import sys, penstock; penstock.parquet, penstock.jsonl, penstock.tar, penstock.Dataset\n"
        "others = ('tasks.eeg', 'tasks.images', 'formats.recordings', 'dataset.mixing', 'dataset.opening')\n"
        "sys.exit(str([name for name in others if f'penstock.{name}' in sys.modules] or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", asks], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_source_is_asked_before_what_reads_its_answers_is_imported() -> None:
    """All of it can be imported while the first answer is waited for."""
    asks = (
        "import sys, penstock, penstock.dataset.shards; penstock.parquet('hf://datasets/org/name', columns=['text'])\n"
        "mine = ('dataset.found_shards', 'dataset.functions', 'dataset.shard_rows', 'formats.parquet.indexing',\n"
        "        'plan.repeating', 'records.cost', 'tasks.objects')\n"
        "others = [*(f'penstock.{name}' for name in mine), 'pyarrow']\n"
        "sys.exit(str([name for name in others if name in sys.modules] or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", asks], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(penstock.dataset.__all__))
def test_the_face_of_datasets_has_each_name_that_it_tells_of(name: str) -> None:
    assert getattr(penstock.dataset, name) is getattr(penstock, name)
    assert name in dir(penstock.dataset)
    with pytest.raises(AttributeError, match=r"^module 'penstock\.dataset' has no attribute 'parket'$"):
        penstock.dataset.parket  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", ["parket", "_csv", "__wrapped__", "json_"])
def test_any_other_name_is_not_there(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"^module 'penstock' has no attribute '{name}'$") as caught:
        getattr(penstock, name)
    assert (caught.value.name, caught.value.obj) == (name, penstock)  # by these Python names the nearest one


@pytest.mark.parametrize("is_on", [True, False])
def test_garbage_is_looked_for_after_the_import_as_before(monkeypatch: pytest.MonkeyPatch, is_on: bool) -> None:
    """No search through torch's objects while a name is imported, and then as its user has it."""
    seen = []

    def imported(name: str) -> object:
        seen.append(gc.isenabled())
        return SimpleNamespace(parquet=name)

    monkeypatch.setattr("importlib.import_module", imported)
    before = gc.isenabled()
    (gc.enable if is_on else gc.disable)()
    try:
        assert penstock.parquet == "penstock.dataset"
        assert (seen, gc.isenabled()) == ([False], is_on)
    finally:
        (gc.enable if before else gc.disable)()
