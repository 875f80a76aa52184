"""What a split goes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from penstock.errors import ConfigError
from penstock.formats.registry import format_options, usual_split
from penstock.stream import checks
from penstock.stream.checks import called_with, shown

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset

__all__ = ["PARTS", "fractions_of", "split_by"]

PARTS: Final[tuple[Literal["train", "valid", "test"], ...]] = ("train", "valid", "test")
_OPTION = "group_by"
"""Of formats that can tell the value of a column of each sample."""


def fractions_of(valid: Any, test: Any) -> tuple[float, float, float]:
    """Return the fractions of all parts.

    Raises:
        ConfigError: they are none.
    """
    shares = _fraction("valid", valid), _fraction("test", test)
    if not 0 < sum(shares) < 1:
        raise ConfigError(f"valid {valid} and test {test}", fix="give fractions above 0 that are less than 1 together")
    return 1 - sum(shares), *shares


def split_by(dataset: Dataset, by: Any) -> Dataset:
    """Return a dataset whose listing knows what stays whole.

    Raises:
        ConfigError: there is nothing that it could mean.
    """
    if dataset.group is not None:
        if by not in (None, "group"):
            raise ConfigError(
                f"by {shown(by)} of a dataset with group=, which says what stays whole", fix="leave one of them out"
            )
        return _grouped(dataset, dataset.group, "group")
    if by is None:
        by = usual_split(dataset.format) if dataset.task == "objects" and not dataset.has_own_parts else None
        by = by or ("sample" if dataset.task == "objects" else "group")
    if callable(by):
        called_with("by", by, "key")
        return _grouped(dataset, by)
    if not isinstance(by, str):
        return _by_column(dataset, by)
    if by == "folder":
        return _grouped(dataset, _folder)
    if by in ("sample", "group", dataset.group_name):
        kind: Literal["sample", "group"] = "sample" if by == "sample" else "group"
        return replace(dataset, data=replace(dataset.data, split_by=kind))
    return _by_column(dataset, by)


def _by_column(dataset: Dataset, by: Any) -> Dataset:
    option: str | None = dataset.group_option or None
    if dataset.task == "objects" and _OPTION in format_options(dataset.format):
        option = _OPTION
    if option is None or not isinstance(by, str) or not by:
        of_column = "the name of a column, " if option is not None else ""
        raise ConfigError(
            f"by {shown(by)}",
            fix=f"give 'sample', 'group', 'folder', {of_column}or a function of a key that gives text",
        )
    from penstock.dataset.columns import stored_name  # here: few are split by a column

    column = stored_name(by, dataset.functions) if option == _OPTION else by
    made = replace(dataset, options={**dataset.options, option: checks.text("by", column, like="patient")})
    if dataset.group_option:
        return replace(made, data=replace(dataset.data, split_by="group"))
    return replace(made, data=replace(dataset.data, choice=replace(dataset.data.choice, by_column=True)))


def _grouped(dataset: Dataset, group: Callable[[str], str], name: str = "by") -> Dataset:
    if dataset.has_own_parts:
        raise ConfigError("by a function or folder, of a dataset with parts of its own", fix="give by='group'")
    choice = replace(dataset.data.choice, group=group, group_name=name)
    return replace(dataset, data=replace(dataset.data, choice=choice))


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


def _fraction(name: str, value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share < 1:
        raise ConfigError(f"{name} {value!r}", fix="give a fraction from 0 to 1")
    return share
