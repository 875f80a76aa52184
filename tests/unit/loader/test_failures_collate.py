"""Batches of values that torch cannot stack: the error says what helps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from penstock.loader.collate import ReusingCollate
from penstock.loader.failures import collating

HELP = r"penstock: a batch takes values of one type and shape, none missing( \(.*\))?: map them, or give a collate="


def _notes(collate: Callable[[list[Any]], Any], values: list[Any]) -> list[str]:
    with (
        pytest.raises((TypeError, RuntimeError, ValueError, KeyError)) as raised,
        collating(["a", "b"], values, position=3, epoch=1),
    ):
        collate(values)
    return raised.value.__notes__


@pytest.mark.parametrize(
    "values",
    [
        [{"a": 1}, {"a": None}],
        [{"a": None}, {"a": 1}],
        [{"a": 1}, {"b": 1}],
        [np.zeros(2), np.zeros(3)],
        [[1, 2], [1]],
        [object(), object()],
        [(1, "text"), ("text", 1)],
    ],
)
def test_values_that_are_unlike_are_told_with_what_helps(values: list[Any]) -> None:
    helps, batch = _notes(ReusingCollate(), values)
    assert re.fullmatch(HELP, helps)
    assert batch.startswith("penstock: collate of the batch from sample 3 of epoch 1")


def test_an_error_of_a_collate_of_the_users_own_is_left_as_it_is() -> None:
    [note] = _notes(lambda values: values["a"], [1, 2])  # type: ignore[call-overload]
    assert note.startswith("penstock: collate of the batch")
