"""What a file that describes a dataset says of its loading."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from penstock.dataset.entries import Entries, bare
from penstock.errors import ConfigError
from penstock.plugins import load_attribute
from penstock.stream import checks
from penstock.stream.checks import shown
from penstock.stream.options import bytes_of

__all__ = ["LOADING", "function_of", "loading_of"]

LOADING: Final = ("window", "batch", "transform")
"""What the loader of a file's dataset is given unless it is told otherwise, and training; of the whole file alone."""


def loading_of(entries: Entries) -> dict[str, Any]:
    """Return the arguments of loaders that a file gives.

    Raises:
        ConfigError: one is none; the message names the line.
    """
    found: dict[str, Any] = {}
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "window": ("window", partial(bytes_of, "window")),
        "batch": ("batch_size", lambda value: checks.count("batch", value, 1)),
        "transform": ("transform", function_of),
    }
    for name, (argument, read) in readers.items():
        value = entries.values.get(name)
        if value is None:
            continue
        if value.value in (None, "", []):
            raise entries.error(f"{name} is empty", "write its value behind it, or leave it out", line=value.line)
        found[argument] = entries.told_at(value, partial(read, bare(value)))
    return found


def function_of(path: Any) -> Callable[[Any, Any], Any]:
    """Import a transform by its path, like ``package.module:function``.

    Raises:
        ConfigError: it cannot be imported, or is no function of ``(value, rng)``.
    """
    if not isinstance(path, str):
        raise ConfigError(f"transform {shown(path)}", fix="write it like package.module:function")
    found = load_attribute(path, what=f"transform {path!r}")
    checks.called_with("transform", found, "value", "rng")
    assert callable(found)
    return found
