"""The command line: ``penstock <step> [options]``.

A failure that a user can meet is one line on standard error and the exit code of its class; anything else is a
bug and shows its traceback, with exit code 1.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from penstock import __version__
from penstock.allocating import LEAN
from penstock.entry import entry
from penstock.errors import ConfigError, Interrupted, PenstockError, map_os_error
from penstock.extras import is_there, lacking
from penstock.observe import configure_logging, redact
from penstock.steps.options.arguments import add_options, parsed
from penstock.steps.options.challenge import add_challenge_flag, with_challenge
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.config_file import FLAG as CONFIG
from penstock.steps.options.config_file import add_config_flags, with_config
from penstock.steps.options.parser import Parser, Refused
from penstock.steps.options.steps import OPTIONS_STEPS, PIPELINE_STEPS, RUN_OPTIONS, STEPS, TOLD, module_of, options_of
from penstock.steps.options.task_help import add_task_help
from penstock.stopping import StopAsked, is_from_stop, is_stopping

if TYPE_CHECKING:
    from penstock.steps._shared.common import Step

__all__ = ["build_parser", "entry", "main", "tell_stop"]

DATASET = "--dataset"
_EXTRAS = {"torch": "train", "jinja2": "report", "matplotlib": "report", "aiohttp": "demo"}
"""Of the package, by the module that it brings."""
_NEEDS = {
    "train": ("torch",),
    "evaluate": ("torch", "matplotlib"),
    "report": ("jinja2", "matplotlib"),
    "export": ("torch",),
    "compare": ("jinja2", "matplotlib"),
    "compare-modes": ("torch", "jinja2", "matplotlib"),
    "run": ("torch", "jinja2", "matplotlib"),
    "demo": ("torch", "jinja2", "matplotlib", "aiohttp"),
}
"""Modules of extras that a step needs, at its end too."""
_LEAN = ("list", "prefetch")
"""Steps that compute nothing, as children of ours (``Child``): what numpy and Arrow would do for it is left out."""
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Of a disk that is full, or that may not be written to, wherever a step meets them."""


def load_step(name: str) -> Step:
    """Import a step's module.

    Raises:
        ConfigError: an extra of the package that it needs at any time is not installed.
    """
    for module in _NEEDS.get(name, ()):
        if not is_there(module):
            raise lacking(f"`penstock {name}` needs {module}", _EXTRAS[module])
    if name in _LEAN:
        for variable, value in LEAN.items():
            os.environ.setdefault(variable, value)
    return cast("Step", importlib.import_module(f"penstock.steps.{module_of(name)}"))


def build_parser(steps: Sequence[str] = STEPS, words: Sequence[str] = ()) -> Parser:
    """Make the parser, with the options of the given steps.

    Args:
        words: that it is to read; help that is asked for there tells of the task that is named beside it.
    """
    parser = Parser(
        prog="penstock", description="Train on datasets bigger than the disk, straight from where they lie."
    )
    parser.add_argument("-V", "--version", action="version", version=f"penstock {__version__}")
    commands = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    for name in STEPS:
        description = f"{TOLD[name][0].upper()}{TOLD[name][1:]}."
        command = commands.add_parser(name, help=TOLD[name], description=description)
        add_options(command, options_of(name) if name in steps else CommonOptions)
        if name in steps:
            add_task_help(command, options_of(name), words)
            add_challenge_flag(command, name, options_of(name))
        add_config_flags(command, partial(options_of, name))
        if name in OPTIONS_STEPS:
            told = "options of a pipeline's run; the step takes its own"
            command.add_argument(RUN_OPTIONS, metavar="JSON", help=told if name in PIPELINE_STEPS else "other options")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one step; give its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    asked = [word for word in words if word in STEPS][:1]
    try:
        return _run(asked, words)
    except KeyboardInterrupt as stopped:
        return tell_stop(words, stopped)
    except PenstockError as error:  # of standard output, to which help goes
        if _is_of_stop(error):
            raise
        return _told("".join(asked), words, error)


def tell_stop(words: Sequence[str], stopped: KeyboardInterrupt) -> int:
    """Tell that a step was stopped; give its exit code, which is 0 where it serves a window: that is the end of it."""
    flags = [word.partition("=")[0] for word in words]
    if "prefetch" in words[:2] and "--manifest" not in flags:
        return 0
    step = next((word for word in words if word in STEPS), "")
    why = f" by {stopped}" if isinstance(stopped, StopAsked) else ""
    then = ": the demo begins anew" if step == "demo" else " to go on"  # its dataset and server are gone
    sys.stderr.write(f"penstock {step}: stopped{why}: run the same command again{then}\n")
    return Interrupted.exit_code


def _is_of_stop(error: BaseException) -> bool:
    """Tell whether an error came of a stop that was asked for: ``entry`` tells that as what it is."""
    return is_stopping() and is_from_stop(error)


def _run(asked: Sequence[str], words: Sequence[str]) -> int:
    if not words:
        build_parser(()).print_help(sys.stderr)
    try:
        given = with_challenge(words)
        args = build_parser(asked, given).parse_args(
            _with_run_options(asked, _with_dataset(asked, _with_config(asked, given)))
        )
    except (PenstockError, Refused) as error:
        if _is_of_stop(error):
            raise
        if any(word.startswith("--run-root") for word in words):
            from penstock.steps.options.run_options import keep_refusal  # here: few commands have one

            keep_refusal(asked, words, error)
        if isinstance(error, PenstockError):
            return _told("".join(asked), words, error)
        _tell_parent(ConfigError(error.message, fix=""))
        return error.exit_code
    configure_logging(verbose=args.verbose)
    try:
        step = load_step(args.step)
        gc.enable()
        return step.run(parsed(options_of(args.step), args))
    except PenstockError as error:
        if _is_of_stop(error):
            raise
        return _told(args.step, words, error)
    except OSError as error:
        if error.errno not in _DISK_ERRORS or _is_of_stop(error):
            raise
        where = error.filename or f"what is written, as to {os.environ.get('TMPDIR') or '/tmp'} (TMPDIR)"  # noqa: S108
        return _told(args.step, words, map_os_error(error, str(where)))


def _with_config(asked: Sequence[str], words: Sequence[str]) -> Sequence[str]:
    """Replace ``--config`` by the flags that its file holds."""
    if not asked or not any(word.partition("=")[0] == CONFIG for word in words):
        return words
    return with_config(words, options_of(asked[0]))


def _with_dataset(asked: Sequence[str], words: Sequence[str]) -> Sequence[str]:
    """Add what a job takes of the file of its ``--dataset``."""
    if list(asked) != ["run"] or not any(word.partition("=")[0] == DATASET for word in words):
        return words
    from penstock.steps.options.dataset_file import with_window  # here: few commands have such a file

    return with_window(words)


def _with_run_options(asked: Sequence[str], words: Sequence[str]) -> Sequence[str]:
    """Replace ``--options`` by the flags that it stands for."""
    if not asked or asked[0] not in OPTIONS_STEPS or not any(word.partition("=")[0] == RUN_OPTIONS for word in words):
        return words
    from penstock.steps.options.run_options import options_for, with_options  # here: pipelines alone have such options

    return with_options(asked[0], words, options_for(asked[0]))


def _told(step: str, words: Sequence[str], error: PenstockError) -> int:
    """Tell an error, to the parent process where there is one that listens."""
    if isinstance(error, ConfigError) and any(word.partition("=")[0] == CONFIG for word in words):
        from penstock.steps.options.config_places import place_of  # here: few commands have such a file

        if place := place_of(words, error):
            error.what = f"{place}: {error.what}"
            error.args = (error.what,)
    if not _tell_parent(error):
        sys.stderr.write(f"{f'penstock {step}'.strip()}: error: {redact(' '.join(str(error).split()))}\n")
    return error.exit_code


def _tell_parent(error: PenstockError) -> bool:
    from penstock.children.telling import tell_error  # here: most commands do without it

    return tell_error(error)
