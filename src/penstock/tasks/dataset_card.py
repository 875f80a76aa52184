"""What a repository's card (its README.md) says of its files: ``configs:`` of the YAML before its text.

After "Manual configuration" of the documentation of ``datasets``: each config has a ``config_name``, ``data_files`` (a
pattern, several, or a list of ``split`` and ``path``) and a ``data_dir`` that they begin in; one may be the default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from penstock.errors import ConfigError, DataError
from penstock.tasks.converted_files import ByConversion
from penstock.tasks.split_files import ByName, ByPattern, SplitFiles
from penstock.tasks.split_names import split_names
from penstock.texts import did_you_mean

__all__ = ["CARD", "configs_of", "split_files"]

CARD: Final = "README.md"
"""Where it lies."""
_FRONT: Final = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_DEFAULT: Final = "default"
_FIX: Final = "correct it, or leave split out and choose files by match"


def split_files(card: str, asked: str, config: str, uri: str, *, is_conversion: bool = False) -> SplitFiles:
    """Return what finds the files of some splits: as a card says, else by their names.

    Args:
        card: the text; empty where there is none.
        asked: names of splits; empty for all of a config.
        config: name of one of the card's configs; empty takes its default.
        uri: of the source, for messages.
        is_conversion: the source is one that the Hub made of another.

    Raises:
        ConfigError: a name is none, or it is not said which of several configs is meant.
        DataError: the card cannot be read.
    """
    names = split_names(asked) if asked else ()
    configs = configs_of(card, CARD)
    if not configs:
        if config or is_conversion:
            return SplitFiles(asked=names, rule=ByConversion(config, uri), told=f"in {uri}")
        return SplitFiles(asked=names, rule=ByName(), told=f"in {uri}")
    name = _chosen(configs, config, uri)
    return SplitFiles(asked=names, rule=_rule(configs[name], CARD), told=f"of the config {name!r} in {uri}")


def configs_of(text: str, name: str) -> dict[str, Mapping[str, Any]]:
    """Return a card's configs by their names; none of a card that has none.

    Raises:
        DataError: it is no YAML, or its configs are none.
    """
    front = _FRONT.match(text)
    # Its parser takes longer than a request: it is asked where there can be that key. A backslash may write any letter.
    if front is None or not ("configs" in front[1] or "\\" in front[1]):
        return {}
    import yaml

    try:
        found = yaml.safe_load(front[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 2}" if mark is not None else ""
        raise DataError(
            f"{name}{line}: no YAML ({getattr(error, 'problem', None) or 'it cannot be parsed'})", fix=_FIX, about=name
        ) from error
    listed = found.get("configs") if isinstance(found, dict) else None
    if listed is None:
        return {}
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise DataError(f"configs of {name} are no list of mappings", fix=_FIX, about=name)
    return {str(each.get("config_name", _DEFAULT)): each for each in listed}


def _chosen(configs: Mapping[str, Mapping[str, Any]], asked: str, uri: str) -> str:
    if asked:
        if asked in configs:
            return asked
        raise ConfigError(
            f"there is no config {asked!r} in {uri}, but {', '.join(configs)}",
            fix=f"{did_you_mean(asked, configs)}choose one that is there",
        )
    own = next((name for name, each in configs.items() if each.get("default") is True), None)
    if own is None:
        own = _DEFAULT if _DEFAULT in configs else next(iter(configs)) if len(configs) == 1 else None
    if own is None:
        raise ConfigError(
            f"{uri} has several configs, none of which is its default: {', '.join(configs)}",
            fix="choose one with --option config=",
        )
    return own


def _rule(config: Mapping[str, Any], name: str) -> ByName | ByPattern:
    """Return what says of which split a file is.

    Raises:
        DataError: the config's ``data_files`` are none.
    """
    folder = str(config.get("data_dir") or "").strip("/").removeprefix("./")
    files = config.get("data_files")
    if files is None:
        return ByName(folder="" if folder == "." else folder)
    found: dict[str, list[str]] = {}
    for split, paths in _pairs(files):
        if split in found:
            raise DataError(f"configs of {name} have the split {split!r} twice", fix=_FIX, about=name)
        found[split] = [paths] if isinstance(paths, str) else list(paths) if isinstance(paths, list) else []
    is_right = all(isinstance(path, str) and path for each in found.values() for path in each)
    if not is_right or not found or not all(found.values()):
        raise DataError(f"data_files {str(files)[:80]!r} in {name} name no files", fix=_FIX, about=name)
    away = next((path for each in found.values() for path in each if "://" in path or path.startswith("/")), None)
    if away is not None:
        raise DataError(f"data_files of {name} lie elsewhere, {away[:80]!r} for one", fix=_FIX, about=name)
    return ByPattern(found, folder="" if folder == "." else folder)


def _pairs(files: Any) -> list[tuple[str, Any]]:
    """Return splits with their patterns; none where they are written otherwise."""
    if isinstance(files, str):
        return [("train", files)]
    if isinstance(files, dict):
        return [(str(split), paths) for split, paths in files.items()]
    if not isinstance(files, list):
        return []
    if not any(isinstance(each, dict) for each in files):
        return [("train", files)]
    if not all(isinstance(each, dict) and {"split", "path"} <= each.keys() for each in files):
        return []
    return [(str(each["split"]), each["path"]) for each in files]
