"""Names that are looked for in ``penstock`` and are not there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import penstock
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


@pytest.mark.parametrize("name", ["parket", "_csv", "__wrapped__", "json_"])
def test_any_other_name_is_not_there(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"^module 'penstock' has no attribute '{name}'$") as caught:
        getattr(penstock, name)
    assert (caught.value.name, caught.value.obj) == (name, penstock)  # by these Python names the nearest one
