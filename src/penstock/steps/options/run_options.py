"""The options of a pipeline's run in one JSON object, of which each step takes what is its own: ``--options``.

A run form stays short: what most people set are fields of it, everything else is a name in this object. The names are
the steps' flags in snake case, so a new flag is an option by itself. ``list``, the first step, checks the names
and the kinds of value of all steps, before anything costs; the others check the names and their own values. ``report``
leaves out what it cannot use, since it tells of a run that was refused for its options too. Nothing here is a place
for secrets: a name that is none of the options is refused, and its value is not told.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.errors import ConfigError, PenstockError
from penstock.options import Option
from penstock.steps.options.arguments import add_options, parsed
from penstock.steps.options.challenge import NAME as CHALLENGE
from penstock.steps.options.kinds import json_object, kind_told, taken_out, words_of
from penstock.steps.options.parser import Parser, Refused
from penstock.steps.options.run_root import RunRootOptions
from penstock.steps.options.steps import PIPELINE_STEPS, RUN_OPTIONS, options_of
from penstock.steps.options.task_help import task_flags
from penstock.texts import did_you_mean
from penstock.train.options import TrainingOptions

__all__ = ["RunOption", "keep_refusal", "options_for", "run_fields", "run_options", "with_options"]

_SECRET_WORDS = ("secret", "password", "token", "credential", "access_key", "api_key")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOption:
    """One option of a run.

    Attributes:
        of: what is said of it in each step that takes it.
    """

    name: str
    of: Mapping[str, Option]

    @property
    def first(self) -> Option:
        """Return what the first step that takes it says of it."""
        return next(iter(self.of.values()))

    @property
    def kind(self) -> str:
        """Say what is written for it in JSON."""
        return kind_told(self.first)


def run_options() -> dict[str, RunOption]:
    """Return the options by name, in order of the alphabet."""
    found: dict[str, dict[str, Option]] = {}
    for step, option in _declared():
        if option.run_option:
            found.setdefault(option.run_option, {})[step] = option
    return {name: RunOption(name=name, of=of) for name, of in sorted(found.items())}


def options_for(step: str) -> dict[str, RunOption]:
    """Return the options that a step's ``--options`` may name: those of a run, or of a step of no run its own."""
    if step in PIPELINE_STEPS:
        return run_options()
    own = options_of(step).declared().values()
    return {one.name: RunOption(name=one.name, of={step: one}) for one in own if one.run_option}


def run_fields() -> dict[str, str]:
    """Return the names of options that have a field of their own in the form of a run, with that field's."""
    return {option.name: option.field for _, option in _declared() if option.field}


def _declared() -> Iterator[tuple[str, Option]]:
    for step in PIPELINE_STEPS:
        for option in options_of(step).declared().values():
            yield step, option


def with_options(step: str, words: Sequence[str], options: Mapping[str, RunOption]) -> list[str]:
    """Return a step's words with the flags that its ``--options`` stand for, in place of it.

    Raises:
        ConfigError: the options are no JSON object, a name is unknown, a value is of another kind, or a flag is given
            beside its option.
    """
    others, text = _without(words)
    if step == "report":
        return [*others, *_usable(step, text, options)]
    values = _decode(text)
    for name, value in values.items():
        _check_name(name, options, others)
        mine = step == PIPELINE_STEPS[0] or step in options[name].of
        for option in options[name].of.values() if mine else ():
            words_of(name, option, value)
    if step == PIPELINE_STEPS[0]:
        _check_training(values, options, others)
    at = others.index("--") if "--" in others else len(others)
    return [*others[:at], *_flags(step, values, options, others), *others[at:]]


def keep_refusal(asked: Sequence[str], words: Sequence[str], error: PenstockError | Refused) -> None:
    """Leave in the run root, where one is named, why a step of a pipeline was refused before it began."""
    if not asked or asked[0] not in PIPELINE_STEPS or not any(word.startswith("--run-root") for word in words):
        return
    from penstock.steps._shared.run_root import open_run_root  # here: a store's client is not needed otherwise

    parser = Parser(add_help=False)
    add_options(parser, RunRootOptions)
    with contextlib.suppress(PenstockError, Refused):
        others, text = _without(words)
        endpoint = RunRootOptions.declared()["run_endpoint_url"]
        where = {endpoint.name: RunOption(name=endpoint.name, of={asked[0]: endpoint})}
        with contextlib.redirect_stderr(io.StringIO()):  # what is wrong with these was told before
            args, _ = parser.parse_known_args([*others, *_usable(asked[0], text, where)])
        run_root = open_run_root(parsed(RunRootOptions, args))
        if run_root is not None:
            told = error if isinstance(error, PenstockError) else ConfigError(error.message, fix="correct it")
            run_root.keep_failure(asked[0], told)


def _without(words: Sequence[str]) -> tuple[list[str], str]:
    """Take the options out of a step's words.

    Raises:
        ConfigError: they are given twice, or without a value.
    """
    others, given = taken_out(RUN_OPTIONS, words)
    if len(given) > 1 or None in given:
        raise ConfigError(f"{RUN_OPTIONS} is given {len(given)} times or without a value", fix="give one JSON object")
    return others, given[0] or "{}" if given else "{}"


def _decode(text: str) -> dict[str, Any]:
    return json_object(text, RUN_OPTIONS, like='{"seed": 1}')


def _check_name(name: str, options: Mapping[str, RunOption], words: Sequence[str]) -> None:
    if name in options:
        return
    snake = name.strip().lower().removeprefix("--").replace("-", "_")
    own = run_fields()
    if snake == CHALLENGE:
        raise ConfigError(f"{name!r} is no option: the task is a field of its own", fix=f"give it as {own['task']}")
    field = own.get(snake) or (snake if snake in own.values() else None)
    if field is not None:
        raise ConfigError(f"{name!r} is no option: it is a field of its own", fix=f"give it as {field}")
    if any(word in snake for word in _SECRET_WORDS):
        raise ConfigError(
            f"{name!r} is no option, and options are no place for secrets",
            fix="put credentials into a Kubernetes secret, and name that when compiling (--secret)",
        )
    if f"--{snake.replace('_', '-')}" in task_flags(words):
        raise ConfigError(f"{name!r} is an option of the task", fix=f"give it in {own['task_options']}")
    meant = did_you_mean(snake, options)
    raise ConfigError(f"there is no option {name!r}", fix=f"{meant}the options are: {', '.join(options)}")


def _check_training(values: Mapping[str, Any], options: Mapping[str, RunOption], words: Sequence[str]) -> None:
    """Refuse values that training would refuse, once there is a GPU; those of a run's fields are not known here."""
    given = TrainingOptions(model="small", epochs=1, checkpoint_minutes=0)
    asked = {}
    for name, option in options.items():
        declared = option.of.get("train")
        if declared is not None and name in values and declared.name in TrainingOptions.declared():
            asked[declared.name] = declared.read(str(values[name])) if declared.read is not None else values[name]
    from penstock.steps._shared.train_config import check_learning, train_config  # here: help does without recipes
    from penstock.tasks.registry import learnt_task_names

    train_config(given.but(**asked), task="", seed=0)
    task = (taken_out("--task", words)[1] or [None])[-1]
    if task is not None and task in learnt_task_names():
        check_learning(given.but(**asked | {"model": None}), task=task, is_model_known=False)


def _flags(
    step: str, values: Mapping[str, Any], options: Mapping[str, RunOption], others: Sequence[str]
) -> Iterator[str]:
    given = {word.partition("=")[0] for word in others if word.startswith("--")}
    for name, value in values.items():
        option = options[name].of.get(step)
        if option is None:
            continue
        if option.flag in given:
            raise ConfigError(f"{option.flag} is given, and {name!r} in the options too", fix="give it once")
        yield from words_of(name, option, value)


def _usable(step: str, text: str, options: Mapping[str, RunOption]) -> list[str]:
    """Return the flags of those options that can be used, and warn of the others."""
    words: list[str] = []
    try:
        values = _decode(text)
    except ConfigError as error:
        _log.warning("options.unusable reason=%s", error.what)
        return words
    for name, value in values.items():
        option = options[name].of.get(step) if name in options else None
        try:
            words += words_of(name, option, value) if option is not None else ()
        except ConfigError as error:
            _log.warning("options.unusable reason=%s", error.what)
    return words
