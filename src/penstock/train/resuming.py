"""What may change when a job goes on: the one declaration of it, for every option of `run`, `train` and `evaluate`.

The job's folder, a checkpoint's identity, the help and docs/training.md all follow it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["DATASET", "OPTIONS", "Change", "Changed", "changed_options", "rule_of", "told_of"]


class Change(StrEnum):
    """How an option may change."""

    FREE = "freely"
    LARGER = "only to more"
    FIXED = "not at all"
    NAMES = "names the job"


FREE, LARGER, FIXED, NAMES = Change.FREE, Change.LARGER, Change.FIXED, Change.NAMES

DATASET: Mapping[str, Change] = dict.fromkeys(
    (
        "source",
        "endpoint_url",
        "region",
        "anonymous",
        "requester_pays",
        "task",
        "option",
        "task_options",
        "max_files",
        "release",
        "mini",
        "on_bad_object",
        "split",
        "split_by",
        "seed",
        "lanes",
        "first_part",
        "shuffle",
        "shuffle_block",
        "shuffle_mix",
        "stream_listing",
        "manifest",
        "plan",
    ),
    FIXED,
)
"""What the samples, their splits and their order follow from."""

_LEARNING: Mapping[str, Change] = {
    "model": FIXED,
    "batch_size": FIXED,
    "learning_rate": FIXED,
    "weight_decay": FIXED,
    "loss": FIXED,
    "schedule": FIXED,
    "warmup": FIXED,
    "clip_norm": FIXED,
    "epochs": LARGER,
    "patience": LARGER,
    # These change how the same is computed, up to the last bits; a job that runs out of memory, meets a bad sample or
    # gets another machine must be able to go on.
    "amp": FREE,
    "device": FREE,
    "threads": FREE,
    "on_bad_sample": FREE,
}

_PLACES: Mapping[str, Change] = dict.fromkeys(("out", "checkpoints", "run_root", "run_id", "run_endpoint_url"), NAMES)

_AROUND: Mapping[str, Change] = dict.fromkeys(
    (
        # the window and the machine
        "window",
        "meters",
        "window_size",
        "prefetch",
        "prefetch_timeout",
        "in_flight",
        "workers",
        # saving
        "checkpoint_every",
        "checkpoint_minutes",
        "keep_checkpoints",
        "checkpoint_out",
        "record",
        # the bill and the report
        "instance_type",
        "prices",
        "node_usd_per_hour",
        "price_region",
        "transfer",
        "source_prices",
        "today",
        "title",
        # the command itself
        "fail_fast",
        "options",
        "verbose",
        "help",
    ),
    FREE,
)

_EVALUATION: Mapping[str, Change] = dict.fromkeys(
    ("checkpoint", "metrics", "plot", "executor_input", "other_data"), FREE
)
"""Of `evaluate` alone, which is done anew each time: all its options may change."""

OPTIONS: Mapping[str, Change] = {**DATASET, **_LEARNING, **_PLACES, **_AROUND, **_EVALUATION}
"""By the name of an option, with underscores."""

_ENDLESS = {"patience"}
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
        less = ", which is less" if self.rule is LARGER else ""
        return f"{before}, and now {self.now if self.now is not None else 'none'}{less}"


def rule_of(name: str, step: str = "run") -> Change:
    """Give how an option of a step may change."""
    if step == "evaluate":
        return FREE
    return OPTIONS[name.replace("-", "_")]


def changed_options(
    before: Mapping[str, str | None], now: Mapping[str, str | None], *, of: Collection[str] | None = None
) -> Iterator[Changed]:
    """Give the options that changed as they may not, by name.

    Args:
        before: values as one way of writing them, by the option's name; an option that is not there was not given.
        now: the same, as it is asked for now.
        of: names that are looked at, None looks at all.
    """
    for name in sorted(before.keys() | now.keys()):
        rule, (old, new) = OPTIONS.get(name.replace("-", "_"), FIXED), (before.get(name), now.get(name))
        if of is not None and name not in of:
            continue
        if rule in (FIXED, LARGER) and old != new and not (rule is LARGER and _is_more(name, old, new)):
            yield from _by_part(name, old, new) or [Changed(name=name, before=old, now=new, rule=rule)]


def _by_part(name: str, before: str | None, now: str | None) -> list[Changed]:
    """Give each option of the task that changed; nothing where the options are no such object."""
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
        Changed(name=name, before=_part(old.get(part)), now=_part(new.get(part)), rule=FIXED, part=part)
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


def told_of(step: str, names: Collection[str]) -> str:
    """Say, for the help of a step, which of its options may change when it goes on."""
    fixed = [f"--{name.replace('_', '-')}" for name in names if rule_of(name, step) is FIXED]
    more = [f"--{name.replace('_', '-')}" for name in names if rule_of(name, step) is LARGER]
    return (
        "Run the same command again to go on with what was stopped. These must then be as they were: "
        f"{', '.join(fixed)}. {' and '.join(more)} may be raised. All others may change."
    )
