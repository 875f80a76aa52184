"""Verbs of text in a file that describes a dataset: ``tokenize``, ``chat`` and ``pack``, each with its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from penstock.dataset.described import Dataset
from penstock.dataset.entries import Entries
from penstock.dataset.mixing import Mixed
from penstock.dataset.packed import PackedDataset
from penstock.dataset.text_verbs import TextVerbs
from penstock.tokens import FORMATS, LONG, METHODS, TRAIN_ON

__all__ = ["PACK", "TEXT_STEPS", "packed_of", "text_made", "text_schemas"]

TEXT_STEPS: Final = ("tokenize", "chat")
PACK: Final = "pack"
_VERBS: Final[Mapping[str, Callable[..., Any]]] = {
    "tokenize": TextVerbs.tokenize,
    "chat": TextVerbs.chat,
    PACK: TextVerbs.pack,
}


def text_made(entries: Entries, dataset: Dataset) -> Dataset:
    """Return a dataset behind what a file makes of its text.

    Raises:
        ConfigError: an argument is none; the message names the line.
        SourceError: the tokenizer could not be read.
    """
    for name in TEXT_STEPS:
        if name in entries.values:
            dataset = _called(entries, name, dataset)
    return dataset


def packed_of(entries: Entries, documents: Dataset | Mixed) -> PackedDataset:
    """Return documents packed as a file says.

    Raises:
        ConfigError: an argument is none; the message names the line.
    """
    made: PackedDataset = _called(entries, PACK, documents)
    return made


def _called(entries: Entries, name: str, dataset: Any) -> Any:
    parameters = _parameters(name)
    given = entries.within(name)
    given.check(list(parameters))
    for each, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty:
            given.require(each)
    return given.call(getattr(dataset, name), list(parameters))


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    return {each: found for each, found in inspect.signature(_VERBS[name]).parameters.items() if each != "self"}


def text_schemas() -> dict[str, Any]:
    """Return the JSON Schemas of the verbs by their names."""
    text, end = {"type": "string"}, {"type": ["boolean", "string", "integer"]}
    number = {"type": "integer", "minimum": 0}
    known = {
        **dict.fromkeys(("tokenizer", "column", "messages", "template", "tools"), text),
        **dict.fromkeys(("bos", "eos"), end),
        **dict.fromkeys(("length", "buffer", "pad_id"), number),
        "format": {"enum": list(FORMATS)},
        "train_on": {"enum": list(TRAIN_ON)},
        "method": {"enum": list(METHODS)},
        "long": {"enum": list(LONG)},
        "template_options": {"type": "object"},
    }
    return {
        name: {
            "type": "object",
            "additionalProperties": False,
            "required": [each for each, found in _parameters(name).items() if found.default is found.empty],
            "properties": {each: known[each] for each in _parameters(name)},
        }
        for name in _VERBS
    }
