"""The command line: ``penstock <step> [options]``.

A failure that a user can meet is one line on standard error and the exit code of its class; anything else is a
bug and shows its traceback, with exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn, cast

from penstock import __version__
from penstock.errors import PenstockError
from penstock.observe import configure_logging, redact
from penstock.steps.common import Step

__all__ = ["build_parser", "entry", "main"]

STEPS = ("list", "prefetch", "train", "evaluate", "report", "run", "demo", "doctor")
"""Each is the module ``penstock.steps.<name>``; ``list`` and others are imported only when they are asked for."""

_MODULES = {name: f"penstock.steps.{name}" for name in STEPS} | {"list": "penstock.steps.listing"}
_HELP = {
    "list": "list a dataset, make its samples, split them: manifest and plan",
    "prefetch": "fill a window for a trainer, or try out a manifest through one",
    "train": "train a model through the window",
    "evaluate": "score a checkpoint on a split it was not trained on",
    "report": "make the report and the bill of a run",
    "run": "list, prefetch, train, evaluate and report, in one command",
    "demo": "the whole job on a generated dataset, from a server of its own",
    "doctor": "tell what a cluster, or this machine, lacks, and what to do",
}


class _HelpFormatter(argparse.HelpFormatter):
    """Help that breaks lines at spaces alone, and names every default that the text does not."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told = action.help or ""
        silent = action.default in (None, False, argparse.SUPPRESS, "", []) or action.required
        return told if silent or "default" in told or "%(" in told else f"{told} (default: %(default)s)"


def load_step(name: str) -> Step:
    """Import a step's module."""
    return cast("Step", importlib.import_module(_MODULES[name]))


def build_parser(steps: Sequence[str] = STEPS) -> argparse.ArgumentParser:
    """Make the parser, with the options of the given steps."""
    parser = argparse.ArgumentParser(
        prog="penstock",
        description="Train on datasets bigger than the disk, straight from where they lie.",
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"penstock {__version__}")
    commands = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    for name in STEPS:
        description = f"{_HELP[name][0].upper()}{_HELP[name][1:]}."
        command = commands.add_parser(name, help=_HELP[name], description=description, formatter_class=_HelpFormatter)
        command.add_argument("-v", "--verbose", action="store_true", help="log what happens, a line an event")
        if name in steps:
            load_step(name).add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one step; give its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    asked = [word for word in words if word in STEPS][:1]
    args = build_parser(asked).parse_args(words)
    configure_logging(verbose=args.verbose)
    try:
        return load_step(args.step).run(args)
    except PenstockError as error:
        sys.stderr.write(f"penstock {args.step}: error: {redact(' '.join(str(error).split()))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"penstock {args.step}: stopped\n")
        return 130


def entry() -> NoReturn:
    """Run one step and end the process with its exit code.

    Ends at once after a flush: obstore's threads may still touch Python while the interpreter is torn down, and
    abort the process (seen in 14 of 60 runs; the same race is PyO3/pyo3-async-runtimes issue 40).
    """
    try:
        code = main()
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
