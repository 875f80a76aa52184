"""Choosing, renaming and leaving out columns: in what is fetched where that can be, else in what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from penstock.dataset.functions import Drop, Keep, Rename
from penstock.errors import ConfigError
from penstock.formats.registry import format_options, own_format_names, table_formats
from penstock.formats.sample_names import KEY
from penstock.stream.checks import shown

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset

__all__ = ["dropped", "names_in", "renamed", "selected", "stored_name"]

_SELECTING: Final = ("columns", "sample")
"""Options of formats that say what of a sample is given."""


def selected(dataset: Dataset, names: Any) -> Dataset:
    """Return a dataset of some columns.

    Raises:
        ConfigError: the format has none, or it is no list of names.
    """
    from penstock.dataset.described import of_options

    option = _option(dataset)
    if not _is_of_columns(dataset):
        return replace(dataset, functions=(*dataset.functions, Keep(names_in("select", names))))
    names = names if _is_one(names) else list(names)
    if option is None:
        raise ConfigError(f"nothing can be selected of the format {dataset.format!r}", fix="take what is wanted by map")
    if not dataset.functions and (option != "sample" or KEY not in _listed(names)):
        return of_options(dataset, {**dataset.options, option: names})
    wanted = names_in("select", names)
    stored = {name: _stored_name(name, dataset.functions, "select of") for name in wanted}
    given = {new for function in dataset.functions if isinstance(function, Rename) for new in function.names.values()}
    others = [(old, new) if new in given else (_head(old), _head(new)) for new, old in stored.items() if old != new]
    read = [old for old in stored.values() if option != "sample" or old != KEY]  # which comes with each sample
    if not read:
        return replace(dataset, functions=(*dataset.functions, Keep(wanted)))
    made = of_options(dataset, {**dataset.options, option: read})
    return replace(made, functions=(Rename(dict(others)),) if others else ())


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
    _check_rows(dataset, "drop")
    there = _chosen(dataset)
    if not set(names) <= set(there):
        return replace(dataset, functions=(*dataset.functions, Drop(names)))
    left = [name for name in there if name not in names]
    if not left:
        raise ConfigError(f"drop of {', '.join(map(repr, names))} leaves no column", fix="drop fewer of them")
    return selected(dataset, left)


def _chosen(dataset: Dataset) -> list[str]:
    """Return the columns that are all that is fetched, by the names that they have; none where that is not known."""
    if _option(dataset) != "columns" or not _is_of_columns(dataset):
        return []
    chosen = dataset.options.get("columns") or ()
    found = [chosen] if isinstance(chosen, str) else list(chosen)
    for function in dataset.functions:
        found = [function.names.get(name, name) for name in found] if isinstance(function, Rename) else found
        found = [name for name in found if name not in function.names] if isinstance(function, Drop) else found
    return found


def _is_of_columns(dataset: Dataset) -> bool:
    """Tell whether nothing is done with values but that columns have other names or are left out."""
    return all(isinstance(each, Rename | Drop) for each in dataset.functions)


def _listed(names: Any) -> tuple[Any, ...]:
    return (names,) if _is_one(names) else tuple(names)


def _is_one(names: Any) -> bool:
    return isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable)


def names_in(verb: str, names: str | Iterable[str]) -> tuple[str, ...]:
    """Return names of one or of several, each once.

    Raises:
        ConfigError: there is none.
    """
    found = _listed(names)
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


def _stored_name(name: str, functions: Sequence[Any], verb: str) -> str:
    """Return the name that a column is stored by, of that which it has behind others.

    Args:
        verb: that asks, for messages.

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
                    f"{verb} {name!r}, which was renamed to {function.names[name]!r}", fix="give its new name"
                )
        elif isinstance(function, Drop) and name in function.names:
            raise ConfigError(
                f"{verb} {name!r}, which was dropped", fix="name it before it is dropped, or leave it out"
            )
    return name


def stored_name(name: str, functions: Sequence[Any]) -> str:
    """Return the name that a column is stored by, of its own or another that it was given."""
    for function in reversed(functions):
        if isinstance(function, Rename):
            name = {new: old for old, new in function.names.items()}.get(name, name)
    return name


def _head(name: str) -> str:
    return name.partition(".")[0]
