"""What datasets and mixes can be made into: tokens of text and of conversations, and sequences packed of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from penstock import tokens
from penstock.errors import ConfigError
from penstock.stream import checks
from penstock.stream.checks import choice, count, shown
from penstock.stream.options import names_checked
from penstock.stream.words import in_python

if TYPE_CHECKING:
    from penstock.dataset.packed import PackedDataset
    from penstock.tokens import Tokenizer
    from penstock.tokens.templates import Template

__all__ = ["TextVerbs"]

Tokens = str | os.PathLike[str] | Callable[[str], Sequence[int]] | Any
End = bool | str | int | None


class TextVerbs:
    """Verbs of text, of a dataset's values or of those of all members of a mix."""

    __slots__ = ()

    def mapped(self, function: Callable[[Any], Any]) -> Self:
        """Return one of the values that a function makes of this one's."""
        raise NotImplementedError

    @names_checked
    def tokenize(self, tokenizer: Tokens, column: str = "text", *, bos: End = False, eos: End = True) -> Self:
        """Return a dataset of the tokens of a text: ``input_ids`` and ``labels``, int64, as long as the text has some.

        Args:
            tokenizer: ``tokenizers.Tokenizer``, a fast tokenizer of transformers, a ``tokenizer.json``, its folder or
                URI, such as ``"hf://org/name@revision"``; or a function of text that gives numbers. It is read at once.
            column: that the text lies in, where a value is a row.
            bos: put a token before each text: True is the tokenizer's own, a text names one, a number is one.
            eos: put a token behind each, likewise.

        Raises:
            ConfigError: the tokenizer is none, or does not know the token.
            SourceError: it could not be read.
        """
        name = checks.text("column", column, like="text")
        if name is None:
            raise ConfigError("column None", fix='give the name of one, like "text"')
        with in_python():
            found = tokens.load_tokenizer(tokenizer)
        made = tokens.TextDocument(
            tokenizer=found, column=name, bos=_token("bos", bos, found), eos=_token("eos", eos, found)
        )
        return self.mapped(made)

    @names_checked
    def chat(
        self,
        tokenizer: Tokens,
        messages: str | None = None,
        *,
        format: Literal["messages", "sharegpt", "alpaca", "prompt"] | None = None,  # noqa: A002
        template: str | os.PathLike[str] | None = None,
        template_options: Mapping[str, Any] | None = None,
        tools: str | None = None,
        train_on: Literal["assistant", "last", "completion", "all"] = "assistant",
        eos: End = None,
    ) -> Self:
        """Return a dataset of the tokens of conversations, with labels of what is learnt, and -100 elsewhere.

        Args:
            tokenizer: as of ``tokenize``; its ``tokenizer_config.json`` or ``chat_template.jinja`` has the template.
            messages: column of the conversations; None is ``messages`` or ``conversations``.
            format: of the rows: "messages" (role and content), "sharegpt" (from and value), "alpaca" (instruction,
                input, output), "prompt" (prompt and completion, of text or messages); None finds it by the columns.
            template: Jinja, the path of a ``.jinja`` file, or the name of one of several that the tokenizer has.
            template_options: that the template is given besides, like ``{"enable_thinking": False}``.
            tools: column of tools that the template is given; None is ``tools``, where there is one.
            train_on: what is learnt: what assistants say, the last of it, what completes a prompt, or everything.
            eos: token behind plain prompts and completions, which no template ends; None is the tokenizer's own.

        Raises:
            ConfigError: the tokenizer or the template is none.
            SourceError: the tokenizer could not be read.
        """
        for name, value in (("messages", messages), ("tools", tools)):
            checks.text(name, value, like=name)
        kind = None if format is None else choice("format", format, tokens.FORMATS)
        learnt = choice("train_on", train_on, tokens.TRAIN_ON)
        with in_python():
            found = tokens.load_tokenizer(tokenizer)
            used = _template(template, template_options, found)
        end = _token("eos", found.special_id("eos_token") is not None if eos is None else eos, found)
        made = tokens.ChatDocument(
            tokenizer=found, template=used, column=messages, kind=kind, tools=tools, train_on=learnt, eos=end
        )
        return self.mapped(made)

    @names_checked
    def pack(
        self,
        length: int,
        *,
        method: Literal["concat", "best_fit", "single"] = "concat",
        long: Literal["split", "drop", "truncate", "truncate_left"] = "split",
        buffer: int = 64,
        pad_id: int | None = None,
    ) -> PackedDataset:
        """Return sequences of one length, that documents (``input_ids``, with ``labels`` or without) are packed into.

        Args:
            length: tokens of a sequence.
            method: "concat" lays documents end to end and cuts; "best_fit" cuts none that fits, and pads; "single"
                gives each a sequence of its own.
            long: what becomes of a document longer than that; all of it is counted.
            buffer: documents that a lane of "best_fit" holds at most.
            pad_id: token of padding; None is the tokenizer's own, or its end of text, or 0.

        Raises:
            ConfigError: an argument cannot be used.
        """
        from penstock.dataset.packed import PackedDataset, pad_of  # it knows datasets

        packing = tokens.Packing(
            length=count("length", length, 2, most=2**26),
            method=choice("method", method, tokens.METHODS),
            long=choice("long", long, tokens.LONG),
            buffer=count("buffer", buffer, 1, most=2**20),
            pad_id=pad_of(self, None if pad_id is None else count("pad_id", pad_id, 0)),
        )
        return PackedDataset(documents=self, packing=packing)  # type: ignore[arg-type]


def _token(name: str, given: Any, tokenizer: Tokenizer) -> int | None:
    """Return the number of a token at an end; None for none."""
    if given is None or given is False:
        return None
    if given is True:
        found = tokenizer.special_id(f"{name}_token")
        if found is None:
            raise ConfigError(
                f"the tokenizer {tokenizer.name} does not name its {name} token",
                fix=f'give {name}= as a token like "</s>", as its number, or False',
            )
        return found
    if isinstance(given, str):
        found = tokenizer.token_id(given)
        if found is None:
            fix = "give one that it has, or its number" if tokenizer.json else "give the token's number"
            raise ConfigError(f"{name} {shown(given)} is no token of the tokenizer {tokenizer.name}", fix=fix)
        return found
    return tokenizer.check_id(name, count(name, given, 0))


def _template(given: Any, options: Any, tokenizer: Tokenizer) -> Template | None:
    """Return the template that is meant, checked; None where there is none."""
    if options is not None and (not isinstance(options, Mapping) or not all(isinstance(each, str) for each in options)):
        raise ConfigError(
            f"template_options {shown(options)}", fix="give them by name, like {'enable_thinking': False}"
        )
    name = tokenizer.name
    if given is None:
        text = tokenizer.templates.get("default")
        if text is None and tokenizer.templates:
            known = ", ".join(tokenizer.templates)
            raise ConfigError(
                f"the tokenizer {name} has several chat templates", fix=f"give template= as one of: {known}"
            )
    else:
        text = _template_text(given, tokenizer)
        name = "template=" if isinstance(given, str) and "{" in given else str(given)
    if text is None:
        return None
    from penstock.tokens.templates import Template, compiled  # here: few datasets have one

    compiled(text, name)
    for each in tokenizer.special:
        if re.search(rf"\b{re.escape(each)}\b", text):
            tokenizer.special_id(each)
    return Template(name=name, text=text, special=dict(tokenizer.special), options=dict(options or {}))


def _template_text(given: Any, tokenizer: Tokenizer) -> str:
    if isinstance(given, str) and given in tokenizer.templates:
        return tokenizer.templates[given]
    if isinstance(given, str) and "{" in given:
        return given
    path = Path(checks.path("template", given, like="Jinja, the path of a .jinja file, or a template's name"))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        known = ", ".join(tokenizer.templates)
        raise ConfigError(
            f"template {shown(given)} is no template, and no file that can be read ({error})",
            fix=f"give Jinja, the path of a .jinja file{f', or one of: {known}' if known else ''}",
        ) from error
