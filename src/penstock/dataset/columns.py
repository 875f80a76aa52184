"""Choosing, renaming and leaving out columns: in what is fetched where that can be, else in what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from penstock.dataset.functions import Drop, Keep, Rename
from penstock.errors import ConfigError
from penstock.formats.registry import format_options, own_format_names, table_formats
from penstock.stream.checks import shown

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset

__all__ = ["dropped", "names_in", "renamed", "selected"]

_SELECTING: Final = ("columns", "sample")
"""Options of formats that say what of a sample is given."""


def selected(dataset: Dataset, names: Any) -> Dataset:
    """Return a dataset of some columns.

    Raises:
        ConfigError: the format has none, or it is no list of names.
    """
    from penstock.dataset.described import of_options

    if not all(isinstance(each, Rename | Drop) for each in dataset.functions):
        return replace(dataset, functions=(*dataset.functions, Keep(names_in("select", names))))
    option = _option(dataset)
    if option is None:
        raise ConfigError(f"nothing can be selected of the format {dataset.format!r}", fix="take what is wanted by map")
    if not dataset.functions:
        return of_options(dataset, {**dataset.options, option: names})
    wanted = names_in("select", names)
    stored = {name: _stored(name, dataset.functions) for name in wanted}
    given = {new for function in dataset.functions if isinstance(function, Rename) for new in function.names.values()}
    others = [(old, new) if new in given else (_head(old), _head(new)) for new, old in stored.items() if old != new]
    whole = dict(others)
    made = of_options(dataset, {**dataset.options, option: list(stored.values())})
    return replace(made, functions=(Rename(whole),) if whole else ())


def renamed(dataset: Dataset, names: Any) -> Dataset:
    """Return a dataset whose columns have other names.

    Raises:
        ConfigError: there are none, or two would have one name.
    """
    fix = 'give new names by old ones, like {"txt": "text"}'
    if not isinstance(names, Mapping) or not names:
        raise ConfigError(f"names {shown(names)}", fix=fix)
    if not all(isinstance(name, str) and name for pair in names.items() for name in pair):
        raise ConfigError(f"names {shown(dict(names))}", fix=fix)
    if len(set(names.values())) < len(names):
        raise ConfigError(f"names {shown(dict(names))} give one name twice", fix="give each column a name of its own")
    _check_rows(dataset, "rename")
    return replace(dataset, functions=(*dataset.functions, Rename(dict(names))))


def dropped(dataset: Dataset, names: tuple[str, ...]) -> Dataset:
    """Return a dataset without some columns.

    Raises:
        ConfigError: it has none of them, or none is left.
    """
    from penstock.dataset.described import of_options

    _check_rows(dataset, "drop")
    option = _option(dataset)
    chosen = dataset.options.get(option) if option == "columns" else None
    chosen = [chosen] if isinstance(chosen, str) else chosen
    if dataset.functions or not chosen or not set(names) <= set(chosen):
        return replace(dataset, functions=(*dataset.functions, Drop(names)))
    left = [name for name in chosen if name not in names]
    if not left:
        raise ConfigError(f"drop of {', '.join(map(repr, names))} leaves no column", fix="drop fewer of them")
    return of_options(dataset, {**dataset.options, "columns": left})


def names_in(verb: str, names: str | Iterable[str]) -> tuple[str, ...]:
    """Return names of one or of several, each once.

    Raises:
        ConfigError: there is none.
    """
    is_one = isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable)
    found: tuple[Any, ...] = (names,) if is_one else tuple(names)
    if not found or not all(isinstance(name, str) and name for name in found):
        raise ConfigError(f"{verb} of {shown(names)}", fix='give a name, or a list of some like ["a", "b"]')
    return tuple(dict.fromkeys(found))


def _option(dataset: Dataset) -> str | None:
    """Return the option of the format that says what of samples is read."""
    there = format_options(dataset.format) if dataset.task == "objects" else ()
    return next((name for name in _SELECTING if name in there), None)


def _check_rows(dataset: Dataset, verb: str) -> None:
    """Refuse a dataset that is known to have no columns."""
    if dataset.functions or _option(dataset) is not None:
        return
    if dataset.task == "objects" and (dataset.format not in own_format_names() or dataset.format in table_formats()):
        return
    raise ConfigError(
        f"there is no column to {verb} in values of the format {dataset.format!r}",
        fix="make dictionaries of them with map first",
    )


def _stored(name: str, functions: Sequence[Any]) -> str:
    """Return the name that a column is stored by, of that which it has behind others.

    Raises:
        ConfigError: it was left out.
    """
    for function in reversed(functions):
        head, rest = _head(name), name[len(_head(name)) :]
        if isinstance(function, Rename):
            old = {new: old for old, new in function.names.items()}
            if name in old:
                name = old[name]
            elif head in old:
                name = old[head] + rest
            elif name in function.names:
                raise ConfigError(
                    f"select of {name!r}, which was renamed to {function.names[name]!r}", fix="give its new name"
                )
        elif isinstance(function, Drop) and name in function.names:
            raise ConfigError(f"select of {name!r}, which was dropped", fix="select it before, or leave it out")
    return name


def _head(name: str) -> str:
    return name.partition(".")[0]
