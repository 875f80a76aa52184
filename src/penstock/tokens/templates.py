"""Chat templates: Jinja in a sandbox, as transformers renders them, and which characters a ``generation`` block made.

Blocks are marked by text that no other text has, which is taken out again: so they are found wherever a template puts
what it rendered, within a macro or behind a filter. There is no ``strftime_now``: the same conversation gives the same
tokens on any day; templates that ask whether it is there fall back on a day of their own.
"""

from __future__ import annotations

import functools
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from penstock.errors import ConfigError, DataError
from penstock.extras import import_extra

__all__ = ["Rendered", "Template", "compiled", "rendered"]

MOST_TEMPLATE: Final = 1 << 20
"""Characters of a template; real ones have some thousands."""
_FIX: Final = "give another template= (Jinja as chat_template of tokenizer_config.json has it), or what it lacks"


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A chat template.

    Attributes:
        name: for messages.
        text: Jinja.
        special: texts of special tokens, by names such as ``bos_token``.
        options: what else it is given.
    """

    name: str
    text: str
    special: Mapping[str, str]
    options: Mapping[str, Any]

    @property
    def marks_generation(self) -> bool:
        """Whether it says itself what a model generates."""
        return re.search(r"\{%-?\s*generation\s*-?%\}", self.text) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """Text of a conversation.

    Attributes:
        spans: characters of each ``generation`` block, from and to.
    """

    text: str
    spans: tuple[tuple[int, int], ...]


def rendered(
    template: Template, messages: Sequence[Mapping[str, Any]], *, tools: Any = None, prompts: bool = False
) -> Rendered:
    """Return the text of messages.

    Args:
        prompts: end with what asks the model to go on.

    Raises:
        DataError: the template refuses the conversation, or cannot be rendered of it.
        ConfigError: it is no template, or Jinja is not installed.
    """
    jinja = compiled(template.text, template.name)
    import jinja2  # here: an extra

    from penstock.tokens.bounds import TooMuch, bounded

    mark = secrets.token_hex(12)
    given = {**template.special, **template.options, "penstock_mark": mark}
    try:
        text = bounded(
            functools.partial(
                jinja.render,
                messages=[dict(each) for each in messages],
                tools=tools,
                documents=None,
                add_generation_prompt=prompts,
                **given,
            )
        )
    except TooMuch as error:
        raise DataError(
            f"the chat template of {template.name} takes too much: {error}",
            fix="mend its loops, or leave out rows that are too long",
        ) from error
    except _Refused as error:
        raise DataError(
            f"the chat template of {template.name} refuses it: {error}", fix="mend the row, or leave it out"
        ) from error
    except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        told = f"{type(error).__name__}: {error}"
        raise DataError(f"the chat template of {template.name} cannot be rendered ({told})"[:300], fix=_FIX) from error
    return _unmarked(text, mark)


def _unmarked(text: str, mark: str) -> Rendered:
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    begun: list[int] = []
    length = 0
    for number, part in enumerate(re.split(f"<{mark}([+-])>", text)):
        if not number % 2:
            parts.append(part)
            length += len(part)
        elif part == "+":
            begun.append(length)
        elif begun:
            spans.append((begun.pop(), length))
    return Rendered(text="".join(parts), spans=tuple(sorted(spans)))


class _Refused(Exception):
    """What a template raises by ``raise_exception``."""


def _refuse(message: str) -> None:
    raise _Refused(message)


def _as_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    known = {name: options[name] for name in ("separators", "sort_keys") if name in options}
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **known)


@functools.lru_cache(maxsize=32)
def compiled(text: str, name: str) -> Any:
    """Return a template that can be rendered, one a process.

    Raises:
        ConfigError: it is none, or Jinja is not installed.
    """
    jinja2 = import_extra("jinja2", "text", what="chat templates are rendered by Jinja")
    try:
        if len(text) > MOST_TEMPLATE:
            raise ConfigError(f"the chat template of {name} has {len(text)} characters", fix=_FIX)
        return _environment().from_string(text)
    except (jinja2.TemplateError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise ConfigError(f"the chat template of {name}{line} is no Jinja ({error})", fix=_FIX) from error


@functools.cache
def _environment() -> Any:
    from jinja2 import ext, nodes

    from penstock.tokens.bounds import Bounded

    class Generation(ext.Extension):
        """``{% generation %} … {% endgeneration %}``: what lies within is what a model generates."""

        tags: set[str] = {"generation"}  # noqa: RUF012 - as Jinja declares it

        def parse(self, parser: Any) -> Any:
            """Put marks around what the block renders."""
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            mark = nodes.Name("penstock_mark", "load")
            around = [
                nodes.Output([nodes.TemplateData("<"), mark, nodes.TemplateData(f"{sign}>")]).set_lineno(line)
                for sign in "+-"
            ]
            return [around[0], *body, around[1]]

    environment = Bounded(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"])
    environment.take("tojson", _as_json)
    environment.globals["raise_exception"] = _refuse
    return environment
