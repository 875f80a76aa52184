"""Which tokenizer a listing takes, and what makes tokens of its texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.extras import import_extra
from penstock.manifest import ManifestReader
from penstock.tasks.options import Options
from penstock.tasks.text.codec import Maker, TextCodec, maker_of
from penstock.tasks.text.options import OF_TOKENIZERS
from penstock.tokens import BYTES, BYTES_EOS, FORMATS, TRAIN_ON, ChatDocument, TextDocument, Tokenizer, load_tokenizer
from penstock.tokens.conversations import conversation_of
from penstock.tokens.documents import text_of
from penstock.tokens.templates import Template, compiled
from penstock.tokens.tokenizer import built
from penstock.tokens.turns import learnt_text
from penstock.urls import expand_home

__all__ = ["CHATML", "make_maker", "needs_training", "num_tokens", "trained_tokenizer", "whole_text"]

END: Final = "<|endoftext|>"
CHATML: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The template where a tokenizer has none."""
_MARKS: Final = ("<|im_start|>", "<|im_end|>")


def needs_training(chosen: Options) -> bool:
    """Tell whether the tokenizer is trained on what is listed."""
    return chosen.text("like") is None and chosen.text("tokenizer") == "bpe"


def make_maker(chosen: Options, *, trained: Tokenizer | None, is_chat: bool) -> Maker:
    """Return what makes tokens of texts.

    Args:
        trained: on what is listed; None takes what the options name.

    Raises:
        ConfigError: the tokenizer or the template is none, or names no end of a text.
        RecordError: the manifest that ``like`` names cannot be read.
        SourceError: the tokenizer could not be read.
    """
    tokenizer = trained or _named(chosen)
    end = _end(chosen, tokenizer)
    if not is_chat:
        return TextDocument(tokenizer=tokenizer, column=chosen.text("column") or "text", bos=None, eos=end)
    kind = chosen.text("conversation")
    return ChatDocument(
        tokenizer=tokenizer,
        template=_template(chosen.text("template"), tokenizer),
        column=chosen.text("messages"),
        kind=None if kind is None else chosen.choice("conversation", FORMATS),
        tools=None,
        train_on=chosen.choice("train_on", TRAIN_ON),
        eos=end,
    )


def num_tokens(tokenizer: Tokenizer) -> int:
    """Return how many tokens there are: one more than the greatest number."""
    if tokenizer.function is not None:
        return BYTES_EOS + 1
    return 1 + max(built(tokenizer.json).get_vocab(with_added_tokens=True).values(), default=0)


def whole_text(value: Any, maker: Maker) -> str:
    """Return the text that tokens are made of.

    Raises:
        DataError: the value has none.
    """
    if isinstance(maker, TextDocument):
        return text_of(value, maker.column)
    conversation = conversation_of(value, column=maker.column, kind=maker.kind, tools=maker.tools)
    return learnt_text(conversation, maker.template, "all")[0]


def trained_tokenizer(texts: Sequence[str], *, vocab_size: int, is_chat: bool) -> Tokenizer:
    """Train byte pairs on texts, as GPT-2's were (Radford et al. 2019); the same texts give the same tokenizer.

    Raises:
        ConfigError: tokenizers is not installed.
    """
    tokenizers = import_extra("tokenizers", "text", what="byte pairs are trained by tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END, *(_MARKS if is_chat else ())],
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return Tokenizer(name="bpe", json=made.to_str(), special={"eos_token": END})


def _named(chosen: Options) -> Tokenizer:
    like = chosen.text("like")
    if like is not None:
        other = next((name for name in OF_TOKENIZERS if chosen.is_set(name)), None)
        if other is not None:
            raise ConfigError(
                f"the option {other.replace('_', '-')} means nothing beside like, whose manifest says it",
                fix="leave one of them out",
            )
        return _like(like)
    name = chosen.text("tokenizer") or "bytes"
    if chosen.is_set("vocab_size"):
        raise ConfigError(f"the option vocab-size means nothing of the tokenizer {name}", fix="leave it out")
    return BYTES if name == "bytes" else load_tokenizer(name)


def _like(text: str) -> Tokenizer:
    with ManifestReader(Path(expand_home(text, "--option like"))) as reader:
        info, first = reader.info, reader.row(0)
    if info.task not in ("text", "chat"):
        raise ConfigError(f"the manifest {text} is of the task {info.task!r}", fix="give one of text or chat")
    return maker_of(TextCodec.read(first.codec).maker).tokenizer


def _end(chosen: Options, tokenizer: Tokenizer) -> int | None:
    asked = chosen.text("eos")
    if asked == "none":
        return None
    if tokenizer.function is not None:
        if asked is not None:
            raise ConfigError(f"eos {asked!r} is no token of bytes", fix="leave it out, or give none")
        return BYTES_EOS
    found = tokenizer.special_id("eos_token") if asked is None else tokenizer.token_id(asked)
    if found is not None:
        return found
    if asked is not None:
        raise ConfigError(f"eos {asked!r} is no token of the tokenizer {tokenizer.name}", fix="give one that it has")
    raise ConfigError(
        f"the tokenizer {tokenizer.name} does not name its eos token",
        fix="name the one behind a text, like --option eos=</s>, or give none",
    )


def _template(given: str | None, tokenizer: Tokenizer) -> Template:
    name, text = tokenizer.name, CHATML
    if given is not None and given in tokenizer.templates:
        name, text = given, tokenizer.templates[given]
    elif given is not None:
        name = given
        try:
            text = Path(expand_home(given, "--option template")).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            known = ", ".join(tokenizer.templates)
            raise ConfigError(
                f"the option template is {given!r}, which is no template of the tokenizer and no file that can be read "
                f"({error})",
                fix=f"give the path of a .jinja file{f', or one of: {known}' if known else ''}",
            ) from error
    elif tokenizer.templates:
        text = tokenizer.templates.get("default", "")
        if not text:
            known = ", ".join(tokenizer.templates)
            raise ConfigError(f"the tokenizer {name} has several templates", fix=f"give template as one of: {known}")
    compiled(text, name)
    return Template(name=name, text=text, special=dict(tokenizer.special), options={})
