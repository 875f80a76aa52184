"""What decodes the texts of an extent that one split has: the format's own codec, and what makes tokens of them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.codec import Codec
from penstock.formats.protocols import Format
from penstock.formats.registry import open_format
from penstock.manifest import Described
from penstock.tokens import BYTES, ChatDocument, Made, TextDocument, Tokenizer, load_tokenizer
from penstock.tokens.templates import Template

__all__ = ["Maker", "TextCodec", "TokenizedTexts", "maker_of", "opened", "packed_maker", "tokens_of"]

Maker = TextDocument | ChatDocument

MOST_KEPT_BYTES: Final = 256 << 10
"""Of a tokenizer, packed, that a manifest keeps; of a larger one it keeps the place."""


_FIXES: Final = {
    TextDocument.called: "mend it, name another column with --option column=, or leave it out: --on-bad-sample skip",
    ChatDocument.called: "mend it, say what rows are with --option messages= and conversation=, or what is learnt with "
    "--option train-on=, or leave it out: --on-bad-sample skip",
}


class TextCodec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An extent's codec.

    Attributes:
        format: its name.
        options: that the format is made with, as JSON.
        codec: the format's own.
        maker: of tokens, by ``packed_maker``.
        tokens_per_text: mean of those texts of the training split that the listing read.
    """

    kind: ClassVar[str] = "text"

    format: str
    options: str
    codec: str
    maker: str
    tokens_per_text: float


class TokenizedTexts(Sequence[dict[str, Any]]):
    """Texts as tokens, each made when it is asked for.

    Args:
        values: rows or texts, as the format gives them.
        about: of their extent.
        numbers: n-ths of its samples that they are, shape (texts,).
    """

    def __init__(self, values: Sequence[Any], maker: Maker, about: Described, numbers: NDArray[np.int64]) -> None:
        self._values, self._maker, self._about, self._numbers = values, maker, about, numbers

    def key_of(self, at: int) -> str:
        """Name a text by its number in what it was fetched with; the empty text where it has a name of its own."""
        about, number = self._about, int(self._numbers[at])
        if about.keys:
            return ""
        return f"{about.key.rpartition(':')[0]}#{about.args[number][-1] if about.args else number}"

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        made = tokens_of(self._values[at], self._maker)
        return {"inputs": made.ids.astype(np.int32), "labels": made.labels.astype(np.int32), "bytes": made.num_bytes}


def tokens_of(value: Any, maker: Maker) -> Made:
    """Return the tokens of a row or a text.

    Raises:
        DataError: it has none; the message says what to do in a step's words.
    """
    try:
        return maker.made(value)
    except DataError as error:
        raise DataError(error.what, fix=_FIXES[maker.called], about=error.about) from error


def packed_maker(maker: Maker) -> str:
    """Write what makes tokens, with its tokenizer where that is small."""
    told = {**asdict(maker), "called": maker.called}
    tokenizer = told["tokenizer"]
    if maker.tokenizer.function is not None:
        told["tokenizer"] = None
    elif len(_packed(tokenizer)) > MOST_KEPT_BYTES:
        told["tokenizer"] = {"place": maker.tokenizer.name, "fingerprint": maker.tokenizer.fingerprint()}
    return _packed(told)


@lru_cache(maxsize=8)
def maker_of(text: str) -> Maker:
    """Return what makes tokens again.

    Raises:
        ConfigError, SourceError: the tokenizer cannot be read.
        DataError: it is another one now, or the text holds something else.
    """
    try:
        told = json.loads(zlib.decompress(base64.b85decode(text)))
        called, tokenizer = told.pop("called"), _tokenizer(told.pop("tokenizer"))
        if called == TextDocument.called:
            return TextDocument(tokenizer=tokenizer, **told)
        template = told.pop("template")
        return ChatDocument(tokenizer=tokenizer, template=None if template is None else Template(**template), **told)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise DataError(
            f"the manifest says of its tokens what cannot be read ({error})", fix="list the dataset again"
        ) from error


def _tokenizer(told: Any) -> Tokenizer:
    if told is None:
        return BYTES
    if "place" not in told:
        return Tokenizer(**told)
    found = load_tokenizer(told["place"])
    if found.fingerprint() != told["fingerprint"]:
        raise DataError(
            f"the tokenizer {found.name} is another one than when the dataset was listed",
            fix="give the tokenizer's revision, like hf://org/name@revision, and list again",
        )
    return found


def _packed(told: Any) -> str:
    return base64.b85encode(zlib.compress(json.dumps(told, sort_keys=True).encode(), 9)).decode()


@lru_cache(maxsize=8)
def opened(format_name: str, options: str) -> Format:
    """Return a format with its options, which are JSON."""
    return open_format(format_name, json.loads(options))
