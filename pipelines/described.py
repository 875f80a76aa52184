"""The sentences of a run form's fields and options, where a person who fills it in finds them.

The form of Kubeflow Pipelines lists the names alone. So the sentences stand in the pipeline's description, which the UI
shows beside the form, and as tables in docs/pipelines.md: both are made of the declarations, by the compiler.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import docstring_parser

from penstock.steps.options.run_options import RunOption, run_options

__all__ = ["DOCS_URL", "describe", "fields_table", "options_table"]

DOCS_URL = "docs/pipelines.md"


def describe(pipeline: Callable[..., Any]) -> str:
    """Write a pipeline's description: what it does, and a sentence for each field and option."""
    told = docstring_parser.parse(pipeline.__doc__ or "")
    about = [text for text in (told.short_description, told.long_description) if text]
    fields = [f"- {param.arg_name}: {_line(param.description)}" for param in told.params]
    options = [f"- {option.name} ({option.kind}{_default(option)}): {_sentence(option)}" for option in _options()]
    return "\n\n".join(
        [
            *about,
            "Fields:\n\n" + "\n".join(fields),
            'Options, as names in the JSON object of the field options, like {"seed": 1}:\n\n' + "\n".join(options),
            f"More in {DOCS_URL}.",
        ]
    )


def fields_table(spec: Mapping[str, Any]) -> str:
    """Write the table of a compiled pipeline's fields, in Markdown."""
    lines = ["| field | unless given | what it is |", "|---|---|---|"]
    for name, field in spec["root"]["inputDefinitions"]["parameters"].items():
        lines.append(f"| `{name}` | {_shown(field['defaultValue'])} | {_line(field['description'])} |")
    return "\n".join(lines)


def options_table() -> str:
    """Write the table of the options, in Markdown."""
    lines = ["| option | of | takes | unless given | what it is |", "|---|---|---|---|---|"]
    for option in _options():
        steps = ", ".join(f"`{step}`" for step in option.of)
        default = _shown(option.first.default) if option.first.default not in (None, "", ()) else ""
        lines.append(f"| `{option.name}` | {steps} | {option.kind} | {default} | {_sentence(option)} |")
    return "\n".join(lines)


def _options() -> Iterator[RunOption]:
    yield from run_options().values()


def _sentence(option: RunOption) -> str:
    """Give an option's help; its default and the names of flags are told otherwise."""
    told = re.sub(r"\s*\(default: [^)]*\)", "", option.first.help).replace("%%", "%")
    choices = option.first.all_choices
    named = f". One of {', '.join(map(str, choices))}" if choices else ""
    return _line(told).replace("|", "\\|") + named


def _default(option: RunOption) -> str:
    default = option.first.default
    return "" if default in (None, "", ()) else f", {_text(default)} unless given"


def _shown(value: Any) -> str:
    return f"`{_text(value)}`" if value not in ("", None) else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
