"""An option that a later release adds to a task changes nothing of what was made before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import penstock
from penstock.tasks.objects import WholeObjects
from penstock.tasks.protocols import TaskOption
from support.objects import write_objects

pytestmark = pytest.mark.usefixtures("children_are_forked")

ADDED = TaskOption(name="added_later", kind=str, default="usual", help="an option of a later release", metavar="X")


def _as_it_is(dataset: penstock.Dataset) -> penstock.Dataset:
    return dataset


def _split_by_keys(dataset: penstock.Dataset) -> penstock.Dataset:
    return dataset.split(valid=0.25, by=lambda key: key)[0]


def _of_some(dataset: penstock.Dataset) -> penstock.Dataset:
    return dataset.where(lambda key: not key.endswith("1"))


@pytest.mark.parametrize("made", [_as_it_is, _split_by_keys, _of_some])
def test_positions_go_on_with_a_release_that_has_one_more_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Callable[[penstock.Dataset], penstock.Dataset]
) -> None:
    write_objects(tmp_path / "data", 24)
    dataset = made(penstock.objects(str(tmp_path / "data")))

    def rest(state: dict[str, object] | None, take: int) -> tuple[list[object], dict[str, object]]:
        found: list[object] = []
        with dataset.loader(2, window="1Mi", epochs=1, collate=list) as loader:
            if state is not None:
                loader.load_state_dict(state)
            for batch in loader:
                found += batch
                if len(found) == take:
                    break
            return found, loader.state_dict()

    whole, _ = rest(None, -1)
    begun, state = rest(None, 6)
    monkeypatch.setattr(WholeObjects, "options", (*WholeObjects.options, ADDED))
    assert begun + rest(state, -1)[0] == whole
