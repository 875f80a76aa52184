"""What a job takes of the file that describes its dataset where its own words say nothing: the window's size."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

from penstock.errors import ConfigError
from penstock.options.source import AccessOptions, DatasetOption
from penstock.steps.options.arguments import add_options, parsed
from penstock.steps.options.parser import Parser, Refused

__all__ = ["A_FILE", "with_window"]

A_FILE = "give --dataset a YAML file that describes one, its URI, or its text"
_WINDOW = "--window-size"


def with_window(words: Sequence[str]) -> list[str]:
    """Return a job's words with the window's size that its dataset's file says, unless they say one.

    Raises:
        ConfigError: the file cannot be read, or is none; the message names file and line.
        SourceError: its URI cannot be read.
    """
    if any(word.partition("=")[0] == _WINDOW for word in words):
        return list(words)
    parser = Parser(add_help=False)
    add_options(parser, DatasetOption)
    add_options(parser, AccessOptions)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the step's own parser tells what is wrong
            found, _ = parser.parse_known_args(list(words))
    except Refused:
        return list(words)
    given = parsed(DatasetOption, found).dataset
    if not given:
        return list(words)
    from penstock.sources.given_text import read_given  # here: few commands have such a file
    from penstock.yaml_files import mapping_of, scalar_of

    text = read_given(given, option="--dataset", wanted=A_FILE, access=parsed(AccessOptions, found))
    node = mapping_of(text.text, text.name, like="write a thing a line, like `format: parquet`")
    for key, value in node.value if node is not None else ():
        if key.value == "window":
            size = scalar_of(value, f"{text.name}:{key.start_mark.line + 1}", as_text=True)
            if not size:
                raise ConfigError(f"{text.name}:{key.start_mark.line + 1}: window is empty", fix="write it like 2Gi")
            return [*words[:1], f"{_WINDOW}={size}", *words[1:]]
    return list(words)
