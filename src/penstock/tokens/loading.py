"""Tokenizers from what a caller gives: an object, a function, a file, a folder, or a URI.

Of a folder ``tokenizer.json`` is read, and beside it ``tokenizer_config.json``, ``special_tokens_map.json`` and
``chat_template.jinja``. Nothing is unpickled, and no code of a repository is run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from penstock.errors import ConfigError, EmptyListing, ObjectNotFound
from penstock.manifest import SourceSpec
from penstock.secrets import redact
from penstock.sources import is_local, locate, open_source
from penstock.sources.local.uris import local_folder
from penstock.tokens.tokenizer import Tokenizer, built
from penstock.units import MIB
from penstock.urls import local_path

__all__ = ["load_tokenizer"]

_MAIN: Final = "tokenizer.json"
_CONFIG: Final = "tokenizer_config.json"
_SPECIAL: Final = "special_tokens_map.json"
_TEMPLATE: Final = "chat_template.jinja"
_MOST_BYTES: Final = 512 * MIB
_FIX: Final = (
    "give a tokenizers.Tokenizer, a fast tokenizer of transformers, a tokenizer.json, its folder or URI, or a function "
    "of text that gives a list of numbers"
)


def load_tokenizer(given: Any) -> Tokenizer:
    """Return the tokenizer that is given.

    Raises:
        ConfigError: it is none.
        SourceError: it could not be read.
    """
    if isinstance(given, Tokenizer):
        return given
    if isinstance(given, str | os.PathLike):
        return _of_place(os.fspath(given))
    if isinstance(given, type):
        raise ConfigError(f"tokenizer {given.__name__} is a class", fix=_FIX)
    name = type(given).__name__
    backend = getattr(given, "backend_tokenizer", given)
    if callable(getattr(backend, "to_str", None)) and callable(getattr(backend, "token_to_id", None)):
        text = backend.to_str()
        built(text)
        return Tokenizer(name=name, json=text, special=_special(_own(given)), templates=_templates(_own(given)))
    if callable(getattr(given, "convert_tokens_to_ids", None)):
        fix = "take the fast one (AutoTokenizer.from_pretrained(..., use_fast=True)), or give a function of text"
        raise ConfigError(f"tokenizer {name} is not one of the library tokenizers", fix=fix)
    if callable(given):
        return Tokenizer(name=getattr(given, "__qualname__", name), function=given)
    raise ConfigError(f"tokenizer {repr(given)[:80]}", fix=_FIX)


def _own(given: Any) -> dict[str, Any]:
    """Return what a tokenizer of transformers says of itself, as its ``tokenizer_config.json`` has it."""
    special = getattr(given, "special_tokens_map", None)
    found = dict(special) if isinstance(special, Mapping) else {}
    return {**found, "chat_template": getattr(given, "chat_template", None)}


def _of_place(place: str) -> Tokenizer:
    """Read a tokenizer's files."""
    if not place.strip():
        raise ConfigError("tokenizer is empty", fix=_FIX)
    files = _local(place) if "://" not in place or is_local(place) else _remote(place)
    told = redact(place)
    if files.get(_MAIN) is None:
        raise ConfigError(
            f"there is no {_MAIN} in {told}",
            fix="give a folder of a fast tokenizer, or write one: AutoTokenizer.from_pretrained(...).save_pretrained()",
        )
    text = _text(files, _MAIN, told)
    built(text)
    config = {**_mapping(files, _SPECIAL, told), **_mapping(files, _CONFIG, told)}
    if files.get(_TEMPLATE) is not None:
        config["chat_template"] = _text(files, _TEMPLATE, told)
    return Tokenizer(name=told, json=text, special=_special(config), templates=_templates(config))


def _local(place: str) -> dict[str, bytes | None]:
    path = local_folder(place) if "://" in place else Path(local_path(place, "tokenizer"))
    if not path.exists():
        fix = "check the path; of the Hub it is written like hf://org/name@revision"
        raise ConfigError(f"there is no {place}, that a tokenizer is to be read of", fix=fix)
    folder, main = (path, path / _MAIN) if path.is_dir() else (path.parent, path)
    places = {_MAIN: main, **{name: folder / name for name in (_CONFIG, _SPECIAL, _TEMPLATE)}}
    try:
        return {name: each.read_bytes() if each.is_file() else None for name, each in places.items()}
    except OSError as error:
        raise ConfigError(f"{place} cannot be read: {error.strerror}", fix="check its permissions") from error


def _remote(place: str) -> dict[str, bytes | None]:
    """Read the files in a thread: a notebook has an event loop of its own."""
    folder, main = place.rstrip("/"), _MAIN
    if folder.endswith(".json"):
        folder, _, main = folder.rpartition("/")
    with ThreadPoolExecutor(1, thread_name_prefix="penstock-tokenizer") as pool:
        return pool.submit(asyncio.run, _fetched(folder, main)).result()


async def _fetched(folder: str, main: str) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    with contextlib.closing(open_source(locate(SourceSpec.of(folder)))) as source:
        for name in (_MAIN, _CONFIG, _SPECIAL, _TEMPLATE):
            try:
                info = await source.find(main if name == _MAIN else name)
            except (EmptyListing, ObjectNotFound):
                info = None
            if info is not None and info.size_bytes > _MOST_BYTES:
                raise ConfigError(f"{name} in {folder} has {info.size_bytes} bytes", fix="give a tokenizer's own file")
            found[name] = None if info is None else await source.get(info)
    return found


def _text(files: Mapping[str, bytes | None], name: str, place: str) -> str:
    try:
        return (files[name] or b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} in {place} is no UTF-8 text", fix="give a tokenizer's own files") from error


def _mapping(files: Mapping[str, bytes | None], name: str, place: str) -> dict[str, Any]:
    if files.get(name) is None:
        return {}
    try:
        found = json.loads(_text(files, name, place))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name} in {place} is no JSON ({error})", fix="mend it, or leave it out") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{name} in {place} is no JSON object", fix="mend it, or leave it out")
    return found


def _special(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of special tokens, which a config has as they are, or in an object with ``content``."""
    found: dict[str, str] = {}
    for name, value in config.items():
        text = value.get("content") if isinstance(value, Mapping) else value
        if name.endswith("_token") and isinstance(text, str):
            found[name] = text
        elif name.endswith("_token") and text is not None and not isinstance(text, bool | int):
            found[name] = str(text)  # an AddedToken of transformers
    return found


def _templates(config: Mapping[str, Any]) -> dict[str, str]:
    """Return chat templates by name: one text, or several with names."""
    given = config.get("chat_template")
    if isinstance(given, str):
        return {"default": given}
    if isinstance(given, Mapping):
        return {str(name): text for name, text in given.items() if isinstance(text, str)}
    if isinstance(given, list):
        pairs = [each for each in given if isinstance(each, Mapping)]
        return {str(each.get("name")): each["template"] for each in pairs if isinstance(each.get("template"), str)}
    return {}
