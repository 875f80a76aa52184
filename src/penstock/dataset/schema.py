"""The JSON Schema of a file that describes a dataset."""

from __future__ import annotations

import inspect
import os
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from penstock.dataset.batch_step import BATCH_SCHEMA, MAP_BATCHES
from penstock.dataset.described import WHERE, Dataset
from penstock.dataset.making import objects, of_format
from penstock.dataset.mixing import mix
from penstock.dataset.opening import FUNCTIONS, MEMBER_LIMITS, MIX_OPTIONS, NOT_OF_FILES, TASKS_OF_FORMATS
from penstock.dataset.splitting import PARTS
from penstock.dataset.text_steps import PACK, TEXT_STEPS, text_schemas
from penstock.tasks.registry import get_task, own_task_names

__all__ = ["dataset_schema"]

_ANY_MIX: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["mix"],
    "properties": {
        "mix": {"$ref": "#/oneOf/0/properties/mix"},
        **{name: {"$ref": f"#/oneOf/0/properties/{name}"} for name in MIX_OPTIONS},
    },
}
_LOADING: Mapping[str, Any] = {
    "window": {"type": ["string", "integer"]},
    "batch": {"type": "integer", "minimum": 1},
    "transform": {"type": "string", "pattern": "^[^:]+:[^:]+$"},
}
_PLAIN: Mapping[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def dataset_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what ``penstock.open``, and ``penstock run --dataset``, reads."""
    kinds = [_of(function, {"const": name}) for name, function in FUNCTIONS.items()]
    described = [*kinds, _of(of_format, {"type": "string", "not": {"enum": list(FUNCTIONS)}})]
    of_formats = [name for name in own_task_names() if name in TASKS_OF_FORMATS]
    tasks = [_of_task(name) for name in own_task_names() if name not in of_formats]
    mixed = {
        "type": "object",
        "additionalProperties": False,
        "required": ["mix"],
        "properties": {
            "mix": {
                "type": "array",
                "minItems": 2,
                "items": {"anyOf": [_as_member(each) for each in (*described, *tasks, _ANY_MIX)]},
            },
            **{name: each for name, each in _arguments(mix).items() if name in MIX_OPTIONS},
            "task": {"type": "string"},
            MAP_BATCHES: BATCH_SCHEMA,
            PACK: text_schemas()[PACK],
            **_LOADING,
        },
    }
    whole = [_as_whole(each) for each in described] + [_with_task(each) for each in tasks]
    others = {"type": "string", "not": {"enum": [*own_task_names()]}}
    whole.append({"type": "object", "required": ["task", "source"], "properties": {"task": others, **_LOADING}})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A dataset for penstock.open",
        "oneOf": [mixed, *whole],
    }


def _as_whole(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Describe what a file as a whole may say beside its dataset; the task of what is a task's too may be named."""
    kind = schema["properties"]["format"].get("const")
    if kind not in TASKS_OF_FORMATS:
        last = {MAP_BATCHES: BATCH_SCHEMA, PACK: text_schemas()[PACK]}
        return {**schema, "properties": {**schema["properties"], **last, **_LOADING}}
    tasks = [name for name in own_task_names() if name == kind or name.startswith(f"{kind}-")]
    named = {**schema, "properties": {**schema["properties"], "task": {"enum": tasks}, **_LOADING}}
    if kind not in tasks:
        return named
    alone = {"required": ["task"], "properties": {"task": {"const": kind}}}
    return {**named, "required": ["source"], "anyOf": [{"required": ["format"]}, alone]}


def _of_task(name: str) -> dict[str, Any]:
    """Describe the mapping whose names are options of a task."""
    where = {each: kind for each, kind in _arguments(objects).items() if each in WHERE and each not in NOT_OF_FILES}
    text = {"type": ["string", "array"], "items": {"type": "string"}}
    own = {
        option.name: text if option.kind is str else {"type": _PLAIN[option.kind]} for option in get_task(name).options
    }
    steps = {"where": text, "split": _split(), "part": {"enum": list(PARTS)}}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["source"],
        "title": name,
        "properties": {**where, **own, **{each: kind for each, kind in steps.items() if each not in own}},
    }


def _with_task(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = {"task": {"const": schema["title"]}, **schema["properties"], **_LOADING}
    return {**schema, "required": ["task", *schema["required"]], "properties": named}


def _text_steps() -> dict[str, Any]:
    return {name: each for name, each in text_schemas().items() if name in TEXT_STEPS}


def _split() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["valid"],
        "properties": {
            name: {"type": "string"} if name == "by" else each for name, each in _arguments(Dataset.split).items()
        },
    }


def _of(function: Callable[..., Any], kind: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the mapping whose names are a function's arguments."""
    properties = {name: each for name, each in _arguments(function).items() if name not in ("name", *NOT_OF_FILES)}
    text = {"type": ["string", "array"], "items": {"type": "string"}}
    split = _split()
    own = {"split": {"anyOf": [properties["split"], split]}} if "split" in properties else {"split": split}
    names = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}
    steps = {
        "where": text,
        "select": text,
        "drop": text,
        "rename": names,
        **_text_steps(),
        **own,
        "part": {"enum": list(PARTS)},
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["format", "source"],
        "properties": {"format": dict(kind), **properties, **steps},
    }


def _as_member(schema: Mapping[str, Any]) -> dict[str, Any]:
    number = {"type": "number", "exclusiveMinimum": 0}
    by_epoch = {"type": "object", "required": ["0"], "additionalProperties": {"type": "number", "minimum": 0}}
    limits = {name: {"type": "integer", "minimum": 1} for name in MEMBER_LIMITS}
    own = {} if schema is _ANY_MIX else limits
    return {**schema, "properties": {"weight": {"anyOf": [number, by_epoch]}, **own, **schema["properties"]}}


def _arguments(function: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(function)
    parameters = (name for name in inspect.signature(function).parameters if name != "self")
    return {name: _type(hints[name]) for name in parameters if not _is_function(hints[name])}


def _is_function(hint: Any) -> bool:
    """Tell whether an annotation allows nothing that YAML has."""
    return all(each is type(None) or get_origin(each) is Callable for each in get_args(hint) or (hint,))


def _type(hint: Any) -> dict[str, Any]:
    """Describe what an annotation allows, as far as YAML has it."""
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if get_origin(hint) in (Union, types.UnionType):
        found = [each for each in map(_type, (each for each in get_args(hint) if each is not type(None))) if each]
        unique = [each for at, each in enumerate(found) if each not in found[:at]]
        return unique[0] if len(unique) == 1 else {"anyOf": unique}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    origin = get_origin(hint)
    if origin is os.PathLike:
        return {"type": "string"}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object"}
    return {"type": "array", "items": {"type": "string"}} if origin is Iterable else {}
