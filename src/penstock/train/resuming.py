"""What changed since a job was begun, and may not: of its folder, of a checkpoint, and for the help of its step.

How an option may change is said where it is declared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from penstock.options import Change, Options

__all__ = ["Changed", "binds", "changed_options", "told_of"]

_ENDLESS = {"max_steps", "patience"}
"""Of which 0 means for ever."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """An option that has another value than a job was begun with, and may not.

    Attributes:
        before: as text; None where it was not given.
        part: the option of the task that it is, of all that are kept together.
    """

    name: str
    before: str | None
    now: str | None
    rule: Change
    part: str = ""

    @property
    def flag(self) -> str:
        """As it is written."""
        return f"--option {self.part}" if self.part else f"--{self.name.replace('_', '-')}"

    @property
    def way_back(self) -> str:
        """Write it as the job was begun with."""
        if self.before is None:
            return f"no {self.flag}"
        return f"{self.flag}{'=' if self.part else ' '}{self.before}"

    def __str__(self) -> str:
        """Say both values: ``--epochs 20, and now 10, which is less``."""
        before = self.way_back
        less = ", which is less" if self.rule is Change.LARGER else ""
        return f"{before}, and now {self.now if self.now is not None else 'none'}{less}"


def binds(rule: Change) -> bool:
    """Tell whether a job is bound to an option's value."""
    return rule in (Change.FIXED, Change.LARGER)


def changed_options(
    before: Mapping[str, str | None],
    now: Mapping[str, str | None],
    *,
    rules: Mapping[str, Change],
    defaults: Mapping[str, str | None],
) -> Iterator[Changed]:
    """Return the options that changed as they may not, by name.

    Args:
        before: values as one way of writing them, by the option's name; an option that is not there was not given.
        now: the same, as it is asked for now.
        rules: how each may change, by the option's name; one that is not there may not.
        defaults: values where nobody gives one. An option that was not there before, of an older release, did not
            change where it is at its default.
    """
    for name in sorted(before.keys() | now.keys()):
        rule = rules.get(name.replace("-", "_"), Change.FIXED)
        old, new = before.get(name), now.get(name)
        if name not in before and name in defaults and new == defaults[name]:
            continue
        if not binds(rule) or old == new or (rule is Change.LARGER and _is_more(name, old, new)):
            continue
        yield from _by_part(name, old, new) or [Changed(name=name, before=old, now=new, rule=rule)]


def _by_part(name: str, before: str | None, now: str | None) -> list[Changed]:
    """Return each option of the task that changed; nothing where the options are no such object."""
    if name.replace("-", "_") != "task_options":
        return []
    try:
        old, new = json.loads(before or "{}"), json.loads(now or "{}")
    except ValueError:
        return []
    if not isinstance(old, dict) or not isinstance(new, dict):
        return []
    parts = sorted(part for part in {**old, **new} if old.get(part) != new.get(part))
    return [
        Changed(name=name, before=_part(old.get(part)), now=_part(new.get(part)), rule=Change.FIXED, part=part)
        for part in parts
    ]


def _part(value: object) -> str | None:
    if value is None:
        return None
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_more(name: str, old: str | None, new: str | None) -> bool:
    return _number(name, old) <= _number(name, new)


def _number(name: str, text: str | None) -> float:
    number = float(text or 0)
    return math.inf if name in _ENDLESS and not number else number


def told_of(options: type[Options]) -> str:
    """Say, for the help of a step, which of its options may change when it goes on."""
    declared = options.declared().values()
    fixed, more = (
        [one.flag for one in declared if one.change is rule and not one.hidden]
        for rule in (Change.FIXED, Change.LARGER)
    )
    return (
        "Run the same command again to go on with what was stopped. These must then be as they were: "
        f"{', '.join(fixed)}. {' and '.join(more)} may be raised. All others may change."
    )
