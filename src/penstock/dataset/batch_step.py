"""``map_batches`` in a file that describes a dataset, with its arguments: the function by its path."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from penstock.dataset.described import Dataset
from penstock.dataset.entries import Entries, bare
from penstock.dataset.mixing import Mixed
from penstock.dataset.regrouped import Regrouped
from penstock.errors import ConfigError
from penstock.plugins import load_attribute
from penstock.stream.checks import shown

__all__ = ["BATCH_SCHEMA", "MAP_BATCHES", "batched_of"]

MAP_BATCHES: Final = "map_batches"
_FUNCTION: Final = "function"
BATCH_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": [_FUNCTION],
    "properties": {
        _FUNCTION: {"type": "string", "pattern": "^[^:]+:[^:]+$"},
        "rows": {"type": "integer", "minimum": 1},
        "rng": {"type": "boolean"},
    },
}


def batched_of(entries: Entries, made: Dataset | Mixed) -> Dataset | Regrouped:
    """Return what a function makes of batches of what a file describes, or of so many rows at a time.

    Raises:
        ConfigError: an argument is none; the message names the line.
    """
    given = entries.within(MAP_BATCHES)
    given.check(list(BATCH_SCHEMA["properties"]))
    given.require(_FUNCTION)
    value = given.values[_FUNCTION]
    function = given.told_at(value, partial(_function, bare(value)))
    found: Dataset | Regrouped = given.call(partial(made.map_batches, function), ["rows", "rng"])
    return found


def _function(path: Any) -> Any:
    if not isinstance(path, str):
        raise ConfigError(f"function {shown(path)}", fix="write it like package.module:function")
    return load_attribute(path, what=f"function {path!r}")
