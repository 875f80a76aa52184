"""The options of a pipeline's run in one JSON object, of which each step takes what is its own: ``--options``.

A run form stays short: what most people set are fields of it, everything else is a name in this object. The names are
the steps' flags in snake case, so a new flag is an option by itself. ``list``, the first step, checks the names
and the kinds of value of all steps, before anything costs; the others check the names and their own values. ``report``
leaves out what it cannot use, since it tells of a run that was refused for its options too. Nothing here is a place
for secrets: a name that is none of the options is refused, and its value is not told.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.errors import ConfigError, PenstockError
from penstock.steps._shared.train_config import train_config
from penstock.steps.options.kinds import kind_of, taken_out, told, words_of
from penstock.steps.options.parser import Parser, Refused
from penstock.steps.options.run_root import add_run_options
from penstock.texts import did_you_mean

__all__ = ["FIELDS", "FLAG", "PIPELINE_STEPS", "PLUMBING", "RunOption", "keep_refusal", "run_options", "with_options"]

FLAG = "--options"
PIPELINE_STEPS = ("list", "prefetch", "train", "evaluate", "report")
"""Those that a pipeline runs, the first one first."""

FIELDS: Mapping[str, str] = {
    "--anonymous": "data_anonymous",
    "--region": "data_region",
    "--source": "data_source",
    "--task": "data_task",
    "--epochs": "model_epochs",
    "--model": "model_name",
    "--instance-type": "node_type",
    "--node-usd-per-hour": "price_node_usd_per_hour",
    "--checkpoint-minutes": "run_checkpoint_minutes",
    "--run-root": "run_root",
}
"""Flags that have a field of their own in the form of a run, with its name."""

PLUMBING = frozenset(
    {
        *(
            "--help",
            "--config",
            "--config-schema",
            "--verbose",
            FLAG,
            "--fail-fast",
            "--until-stdin-closes",
            "--metrics-port",
            "--stream-listing",
        ),
        *(
            "--manifest",
            "--meters",
            "--plan",
            "--record",
            "--checkpoint",
            "--checkpoints",
            "--checkpoint-out",
            "--metrics",
        ),
        *("--plot", "--executor-input", "--html", "--markdown", "--cost", "--run-id", "--final-status"),
        *("--run-record", "--evaluation", "--other-evaluation", "--step-record", "--prices"),
        *("--window", "--window-size", "--prefetch", "--option", "--first-part", "--other-data"),
    }
)
"""Flags that a pipeline gives by itself, or has no use for: no options of a run."""

_RENAMED = {
    ("prefetch", "--samples"): "probe_samples",
    ("evaluate", "--split"): "evaluate_split",
    ("evaluate", "--batch-size"): "evaluate_batch_size",
}
_SECRET_WORDS = ("secret", "password", "token", "credential", "access_key", "api_key")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOption:
    """One option of a run.

    Attributes:
        flags: what it is in each step that takes it, as argparse has it.
    """

    name: str
    flags: Mapping[str, argparse.Action]

    @property
    def action(self) -> argparse.Action:
        """Give the flag of the first step that takes it."""
        return next(iter(self.flags.values()))

    @property
    def kind(self) -> str:
        """Say what is written for it in JSON."""
        return kind_of(self.action)


def run_options(parsers: Mapping[str, argparse.ArgumentParser]) -> dict[str, RunOption]:
    """Give the options by name, in order of the alphabet.

    Args:
        parsers: of the steps of ``PIPELINE_STEPS``.
    """
    found: dict[str, dict[str, argparse.Action]] = {}
    for step in PIPELINE_STEPS:
        for action in parsers[step]._actions:
            flag = max(action.option_strings, key=len, default="")
            if flag and flag not in FIELDS and flag not in PLUMBING:
                name = _RENAMED.get((step, flag), flag.removeprefix("--").replace("-", "_"))
                found.setdefault(name, {})[step] = action
    return {name: RunOption(name=name, flags=flags) for name, flags in sorted(found.items())}


def with_options(step: str, words: Sequence[str], options: Mapping[str, RunOption]) -> list[str]:
    """Give a step's words with the flags that its ``--options`` stand for, in place of it.

    Raises:
        ConfigError: the options are no JSON object, a name is unknown, a value is of another kind, or a flag is given
            beside its option.
    """
    others, text = _without(words)
    if step == "report":
        return [*others, *_usable(step, text, options)]
    values = _decode(text)
    for name, value in values.items():
        _check_name(name, options)
        mine = step == PIPELINE_STEPS[0] or step in options[name].flags
        for action in options[name].flags.values() if mine else ():
            words_of(name, action, value)
    if step == PIPELINE_STEPS[0]:
        _check_training(values, options)
    return [*others, *_flags(step, values, options, others)]


def keep_refusal(asked: Sequence[str], words: Sequence[str], error: ConfigError | Refused) -> None:
    """Leave in the run root, where one is named, why a step of a pipeline was refused before it began."""
    if not asked or asked[0] not in PIPELINE_STEPS or not any(word.startswith("--run-root") for word in words):
        return
    from penstock.steps._shared.run_root import open_run_root  # here: a store's client is not needed otherwise

    parser = Parser(add_help=False)
    add_run_options(parser)
    with contextlib.suppress(PenstockError, Refused):
        others, text = _without(words)
        where = {"run_endpoint_url": RunOption(name="run_endpoint_url", flags={asked[0]: _endpoint(parser)})}
        with contextlib.redirect_stderr(io.StringIO()):  # what is wrong with these was told before
            args, _ = parser.parse_known_args([*others, *_usable(asked[0], text, where)])
        run_root = open_run_root(args)
        if run_root is not None:
            told = error if isinstance(error, ConfigError) else ConfigError(error.message, fix="correct it")
            run_root.keep_failure(asked[0], told)


def _endpoint(parser: argparse.ArgumentParser) -> argparse.Action:
    return next(action for action in parser._actions if "--run-endpoint-url" in action.option_strings)


def _without(words: Sequence[str]) -> tuple[list[str], str]:
    """Take the options out of a step's words.

    Raises:
        ConfigError: they are given twice, or without a value.
    """
    others, given = taken_out(FLAG, words)
    if len(given) > 1 or None in given:
        raise ConfigError(f"{FLAG} is given {len(given)} times or without a value", fix="give one JSON object")
    return others, given[0] or "{}" if given else "{}"


def _decode(text: str) -> dict[str, Any]:
    """Read a JSON object whose names are each there once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]!r} is there twice")
        return dict(pairs)

    def no_constant(word: str) -> None:
        raise ValueError(f"{word} is no number of JSON")

    try:
        values = json.loads(text, object_pairs_hook=once, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"options are not a JSON object ({error})", fix='write them like {"seed": 1}') from error
    if not isinstance(values, dict):
        raise ConfigError(f"options are {told(values)}, not a JSON object", fix='write them like {"seed": 1}')
    return values


def _check_name(name: str, options: Mapping[str, RunOption]) -> None:
    if name in options:
        return
    snake = name.strip().lower().removeprefix("--").replace("-", "_")
    own = {flag.removeprefix("--").replace("-", "_"): field for flag, field in FIELDS.items()}
    field = own.get(snake) or (snake if snake in own.values() else None)
    if field is not None:
        raise ConfigError(f"{name!r} is no option: it is a field of its own", fix=f"give it as {field}")
    if any(word in snake for word in _SECRET_WORDS):
        raise ConfigError(
            f"{name!r} is no option, and options are no place for secrets",
            fix="put credentials into a Kubernetes secret, and name that when compiling (--secret)",
        )
    meant = did_you_mean(snake, options)
    raise ConfigError(f"there is no option {name!r}", fix=f"{meant}the options are: {', '.join(options)}")


def _check_training(values: Mapping[str, Any], options: Mapping[str, RunOption]) -> None:
    """Refuse values that training would refuse, once there is a GPU; those of a run's fields are not known here."""
    given = argparse.Namespace(model="small", epochs=1, checkpoint_minutes=0)
    for name, option in options.items():
        if (action := option.flags.get("train")) is not None:
            read = action.type if callable(action.type) else str
            setattr(given, action.dest, read(str(values[name])) if name in values else action.default)
    train_config(given, task="", seed=0)


def _flags(
    step: str, values: Mapping[str, Any], options: Mapping[str, RunOption], others: Sequence[str]
) -> Iterator[str]:
    given = {word.partition("=")[0] for word in others if word.startswith("--")}
    for name, value in values.items():
        action = options[name].flags.get(step)
        if action is None:
            continue
        if twice := given.intersection(action.option_strings):
            raise ConfigError(f"{twice.pop()} is given, and {name!r} in the options too", fix="give it once")
        yield from words_of(name, action, value)


def _usable(step: str, text: str, options: Mapping[str, RunOption]) -> list[str]:
    """Give the flags of those options that can be used, and warn of the others."""
    words: list[str] = []
    try:
        values = _decode(text)
    except ConfigError as error:
        _log.warning("options.unusable reason=%s", error.what)
        return words
    for name, value in values.items():
        action = options[name].flags.get(step) if name in options else None
        try:
            words += words_of(name, action, value) if action is not None else ()
        except ConfigError as error:
            _log.warning("options.unusable reason=%s", error.what)
    return words
