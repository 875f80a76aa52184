"""Which columns of tables are what, by the options and the first table's columns."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from penstock.errors import ConfigError
from penstock.manifest import SkippedObject
from penstock.sources import ObjectInfo
from penstock.tasks.options import Options
from penstock.tasks.table.gathering import Layout
from penstock.tasks.table.like import Like
from penstock.tasks.table.parts import check_columns

__all__ = ["choose_layout", "names_in"]


def choose_layout(
    first: ObjectInfo,
    kinds: Mapping[str, str],
    chosen: Options,
    target: str,
    like: Like | None,
    skipped: list[SkippedObject],
) -> Layout:
    """Choose columns by the first table's.

    Raises:
        ConfigError: one that was asked for is not there, or cannot be learnt from.
    """
    others = [name for name in (chosen.text("group_column"), chosen.text("split_column")) if name is not None]
    told = tuple(dict.fromkeys([target, *others]))
    asked, categories = names_in(chosen, "columns"), names_in(chosen, "categorical")
    if like is not None:
        asked = tuple(like.encoding.names)
        kinds = {**kinds, **_like_kinds(kinds, like, first)}
    by_option = {"target": (target,), "columns" if like is None else "like": asked, "categorical": categories}
    by_option |= {f"{of}-column": tuple(filter(None, [chosen.text(f"{of}_column")])) for of in ("group", "split")}
    for option, names in by_option.items():
        check_columns(list(kinds), names, first, option=option)
    if target in others:
        raise ConfigError(
            f"the column {target} is both predicted and what splits", fix="choose another group-column or split-column"
        )
    for name in asked:
        if name in told:
            raise ConfigError(
                f"the column {name} is both learnt from and {'predicted' if name == target else 'what splits'}",
                fix="leave it out of --option columns=",
            )
        if kinds[name] not in ("", "number", "text"):
            raise ConfigError(
                f"the column {name} of {first.key} is of the type {kinds[name]}, neither numbers nor text",
                fix="leave it out of --option columns=",
            )
    if wrong := [name for name in categories if name in told or (asked and name not in asked)]:
        raise ConfigError(
            f"the column {wrong[0]} of --option categorical= is not learnt from", fix="add it to --option columns="
        )
    features = {name: kinds[name] for name in asked or kinds if name not in told}
    odd = [name for name, kind in features.items() if kind not in ("", "number", "text")]
    skipped += [SkippedObject(object=f"column {name}", reason=f"is of the type {features[name]}") for name in odd]
    return Layout(target=target, features={name: kind for name, kind in features.items() if name not in odd}, told=told)


def _like_kinds(kinds: Mapping[str, str], like: Like, first: ObjectInfo) -> dict[str, str]:
    """Return the kinds of columns as an earlier listing has them.

    Raises:
        ConfigError: one has text where the earlier listing has numbers.
    """
    text = next((name for name in kinds if kinds[name] == "text" and name in like.numbers), None)
    if text is not None:
        raise ConfigError(
            f"the column {text} of {first.key} is of text, that of {like.manifest} of numbers",
            fix="list tables like it",
        )
    own = {name: kinds[name] for name in like.encoding.names if kinds.get(name)}
    told = {name: "number" if name in like.numbers else "text" for name in like.encoding.names if kinds.get(name) == ""}
    return {**own, **told}


def names_in(chosen: Options, name: str) -> tuple[str, ...]:
    """Return a list of columns: joined by commas, or of JSON where names have commas themselves.

    Raises:
        ConfigError: it is no such list.
    """
    text = chosen.text(name) or ""
    if not text.lstrip().startswith("["):
        return chosen.names(name)
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"the option {name} is {text[:80]!r}, no JSON list of names ({error})", fix='write it like ["a, b", "c"]'
        ) from error
