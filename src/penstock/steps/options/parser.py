"""A parser of argv that says what was probably meant, and takes no option by a part of its name."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from penstock.secrets import redact
from penstock.texts import nearest, printable

__all__ = ["HelpFormatter", "Parser", "Refused", "subparsers"]

WIDEST_CHARACTERS = 100

_UNKNOWN = re.compile(r"unrecognized arguments: (.*)", re.DOTALL)
_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)", re.DOTALL)


class Refused(SystemExit):
    """The end of a process whose arguments were refused, with what was said of them."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(self.exit_code)
        self.message = message


class HelpFormatter(argparse.HelpFormatter):
    """Help as wide as the terminal: lines break at spaces alone, and every default is named that the text does not."""

    def __init__(self, prog: str) -> None:
        width = min(WIDEST_CHARACTERS, shutil.get_terminal_size((WIDEST_CHARACTERS, 24)).columns)
        super().__init__(prog, max_help_position=32 if width >= 80 else 24, width=max(width, 50))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)

    def _format_action(self, action: argparse.Action) -> str:
        """Break names of an option that stand on a line of their own between two of them."""
        named, end, told = super()._format_action(action).partition("\n")
        indent = " " * self._current_indent
        whole = re.sub(r"(?<!,) ", "\0", named.strip())
        lines = textwrap.wrap(
            whole,
            self._width,
            break_on_hyphens=False,
            break_long_words=False,
            initial_indent=indent,
            subsequent_indent=indent,
        )
        if len(named) > self._width and len(lines) > 1:
            named = "\n".join(lines).replace("\0", " ")
        return named + end + told

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told = action.help or ""
        has_none = any(action.default is none for none in (None, False, argparse.SUPPRESS))  # 0 is a default
        silent = has_none or action.default in ("", []) or action.required
        return told if silent or "default" in told or "%(" in told else f"{told} (default: %(default)s)"


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose refusals name what is nearest to what was typed."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "formatter_class": HelpFormatter, **options})

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as the base class does, but look for unknown options first: they may be misspelt required ones."""
        words = sys.argv[1:] if args is None else list(args)
        step = self._step(words)
        for flag, word in zip(["", *words], words, strict=False):
            if not _is_text(word):
                what = f"argument {flag}: " if flag.startswith("--") and "=" not in flag else ""
                step.error(f"{what}{word!r} holds bytes that are no UTF-8 text: rename it, or give another")
        if unknown := [flag for flag in map(_flag, words) if flag and flag not in {*self._flags, *step._flags}]:
            step.error(f"unrecognized arguments: {' '.join(unknown)}", also=step._task_flags(words))
        found, stray = self.parse_known_args(words, namespace)
        if stray:
            step.error(f"unrecognized arguments: {' '.join(stray)}")
        return found

    def error(self, message: str, *, also: Mapping[str, str] | None = None) -> NoReturn:
        """End with code 2 and one line that says what was wrong and what was probably meant.

        Args:
            also: how else something is given, by what it may have been held for.
        """
        message = printable(redact(message))
        more = f"; {self.prog} --help names them all" if _UNKNOWN.search(message) else ""
        said = f"{message}{self._meant(message, also or {})}{more}"
        self._print_message(f"{self.prog}: error: {said}\n", sys.stderr)
        raise Refused(said)

    @property
    def _flags(self) -> list[str]:
        return [flag for action in self._actions for flag in action.option_strings]

    def _step(self, words: Iterable[str]) -> Parser:
        """Return the parser of the step that is asked for; this one where none is."""
        steps = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return next((action.choices[word] for word in words for action in steps if word in action.choices), self)

    def _task_flags(self, words: Sequence[str]) -> Mapping[str, str]:
        from penstock.steps.options.task_help import task_flags  # here: few command lines are wrong

        return task_flags(words) if "--option" in self._flags else {}

    def _meant(self, message: str, also: Mapping[str, str]) -> str:
        if found := _UNKNOWN.search(message):
            shown = [
                flag for action in self._actions if action.help != argparse.SUPPRESS for flag in action.option_strings
            ]
            wrong = [word.partition("=")[0] for word in found[1].split() if word.startswith("-")]
            near = [also.get(word) or also.get(meant := nearest(word, [*shown, *also]), meant) for word in wrong]
        elif found := _CHOICE.search(message):
            near = [nearest(found[1], re.findall(r"[^', ]+", found[2]))]
        else:
            return ""
        named = ", ".join(word for word in near if word)
        return f"; did you mean {named}?" if named else ""


def subparsers(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Return the parsers of a parser's subcommands, by name."""
    [commands] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return commands.choices


def _flag(word: str) -> str:
    """Return the name of the long option that a word gives; the empty text where it gives none."""
    return word.split("=")[0] if word.startswith("--") and word != "--" else ""


def _is_text(word: str) -> bool:
    """Tell whether a word can be written to records; what a name's other bytes become in Python cannot."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
