"""Datasets that somebody reads without a loader, as newcomers do: they say what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch.utils.data

import penstock


@pytest.fixture(name="dataset", params=["Dataset", "Mixed"])
def _dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    one = penstock.jsonl(tmp_path)
    return one if request.param == "Dataset" else penstock.mix({one: 1, one.where("*"): 1})


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (list, "cannot be looped over"),
        (lambda dataset: next(iter(dataset)), "cannot be looped over"),
        (len, r"has no length \(len\(loader\)"),
        (lambda dataset: dataset[0], "has no samples by number"),
        (lambda dataset: next(iter(torch.utils.data.DataLoader(dataset))), "has no (length|samples)"),
    ],
)
def test_what_is_read_by_its_loader_alone_says_so(dataset: Any, read: Callable[[Any], Any], what: str) -> None:
    with pytest.raises(TypeError, match=rf"^a {type(dataset).__name__} {what}.*: open it by `with ds.loader"):
        read(dataset)


def test_it_is_there_all_the_same(dataset: Any) -> None:
    assert dataset
    assert dataset in [dataset]
    assert "jsonl" in repr(dataset)
