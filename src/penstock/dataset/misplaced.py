"""Names of a file that describes a dataset which stand where they are not read: what is told of their place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from penstock.formats.registry import format_options
from penstock.tasks.registry import get_task

__all__ = ["of_members", "of_options"]

_OF_MEMBERS = "write it in each member of the mix, which has its own"


def of_members(functions: Collection[Callable[..., Any]], steps: Collection[str], task: str | None) -> dict[str, str]:
    """Return what is told of names that members of a mix have, where they stand beside the mix.

    Args:
        functions: that make datasets.
        steps: what is made of them then.
        task: whose options members have too.
    """
    arguments = [name for function in functions for name in inspect.signature(function).parameters]
    own = [] if task is None else [option.name for option in get_task(task).options]
    return dict.fromkeys(["format", "weight", *arguments, *steps, *own], _OF_MEMBERS)


def of_options(kind: str) -> Mapping[str, str]:
    """Return what is told of the options of a format that has no function of its own.

    Raises:
        ConfigError: there is no such format.
    """
    return dict.fromkeys(format_options(kind), f"it is an option of {kind}: write it below `options:`")
