"""The options of a task, as words."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError
from penstock.steps._shared.task_options import read_options
from penstock.tasks.registry import get_task


@pytest.mark.parametrize("given", ["{", "[]", "[" * 60_000, "\udc80", '{"a": [1]}'], ids=range(5))
def test_what_is_no_object_of_plain_values_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=r"task-options .* is not a JSON object") as refused:
        read_options(get_task("eeg-c1"), (), given)
    assert len(str(refused.value)) < 1000
