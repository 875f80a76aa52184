"""Words of a command line, read as a step reads them."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

from penstock.options import Options
from penstock.steps.options.arguments import add_options, parsed
from penstock.steps.options.parser import Parser

O = TypeVar("O", bound=Options)  # noqa: E741


def config_of(options: type[O], *words: object) -> O:
    """Return the config that words are read as."""
    return parsed(options, _parser(options).parse_args([str(word) for word in words]))


@cache
def _parser(options: type[Options]) -> Parser:
    parser = Parser(prog="penstock step")
    add_options(parser, options)
    return parser
