"""A tokenizer as every process needs it: what makes numbers of text, and the names of its special tokens.

Nothing is added that was not asked for (no special tokens of a post-processor), and nothing is cut: a truncation or a
padding that a ``tokenizer.json`` says is left out. The same text gives the same tokens in any process.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.extras import import_extra

__all__ = ["Encoded", "Tokenizer", "built"]

MOST_ID = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """Text as tokens.

    Attributes:
        ids: numbers of the tokens, int32, shape (tokens,).
        spans: characters that each stands for, from and to, int64, shape (tokens, 2); None where that is not known.
    """

    ids: NDArray[np.int32]
    spans: NDArray[np.int64] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokenizer:
    """A tokenizer; ``load_tokenizer`` makes it.

    Attributes:
        name: for messages.
        json: text of a ``tokenizer.json``; empty where ``function`` is the tokenizer.
        function: makes numbers of text.
        special: texts of special tokens, by names such as ``eos_token``.
        templates: of chats, by name; ``default`` is the one that is taken unasked.
    """

    name: str
    json: str = field(default="", repr=False)
    function: Callable[[str], Sequence[int] | NDArray[np.integer[Any]]] | None = None
    special: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict, repr=False)

    def encode(self, text: str, *, with_spans: bool = False) -> Encoded:
        """Return the tokens of a text.

        Raises:
            DataError: the function gives something else, or the text holds what is no Unicode.
        """
        if self.function is not None:
            return Encoded(ids=_checked(self.function(text), self.name), spans=None)
        try:
            found = built(self.json).encode(text, add_special_tokens=False)
        except TypeError as error:
            raise DataError(
                "the text is no Unicode: it has half of a surrogate pair", fix="mend it, or leave it out by filter"
            ) from error
        ids = np.asarray(found.ids, np.int32)
        return Encoded(ids=ids, spans=np.asarray(found.offsets, np.int64).reshape(-1, 2) if with_spans else None)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, special ones by their names; of a ``tokenizer.json`` alone."""
        found: str = built(self.json).decode(list(ids), skip_special_tokens=False)
        return found

    def token_id(self, token: str) -> int | None:
        """Return the number of a token, None where there is none of that name or it is not known."""
        if not self.json:
            return None
        found: int | None = built(self.json).token_to_id(token)
        return found

    def special_id(self, name: str) -> int | None:
        """Return the number of a special token, by a name such as ``eos_token``; None where none is named.

        Raises:
            ConfigError: one is named that is not in the vocabulary.
        """
        token = self.special.get(name)
        if token is None:
            return None
        found = self.token_id(token)
        if found is None and self.json:
            raise ConfigError(
                f"the tokenizer {self.name} names its {name} {token!r}, which is not in its vocabulary",
                fix="add it to tokenizer.json, name another in tokenizer_config.json, or give the token as an argument",
            )
        return found

    def check_id(self, name: str, number: int) -> int:
        """Return the number of a token, that an argument gives.

        Raises:
            ConfigError: it is not in the vocabulary, as far as that is known.
        """
        if not self.json or built(self.json).id_to_token(number) is not None:
            return number
        raise ConfigError(
            f"{name} {number} is no token of the tokenizer {self.name}, whose vocabulary has "
            f"{built(self.json).get_vocab_size():,}",
            fix="give the number or the text of one that it has",
        )

    def fingerprint(self) -> str:
        """Name what it makes of text: by content, and functions by their names."""
        function = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        told = repr((self.json, function, sorted(self.special.items())))
        return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()


@functools.lru_cache(maxsize=8)
def built(json: str) -> Any:
    """Return the tokenizer of a ``tokenizer.json``, one a process.

    Raises:
        ConfigError: it is none, or the library is not installed.
    """
    tokenizers = import_extra("tokenizers", "text", what="text is tokenized by tokenizers")
    try:
        made = tokenizers.Tokenizer.from_str(json)
    except Exception as error:  # the library raises Exception itself
        raise ConfigError(
            f"tokenizer.json cannot be read: {str(error)[:200]}", fix="give one that tokenizers has written"
        ) from error
    made.no_truncation()
    made.no_padding()
    return made


def _checked(found: Any, name: str) -> NDArray[np.int32]:
    """Refuse what are no numbers of tokens."""
    try:
        ids = np.asarray(found)
    except (TypeError, ValueError):
        ids = np.empty((0, 0))
    if ids.ndim == 1 and not len(ids):
        return np.empty(0, np.int32)
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or int(ids.min()) < 0 or int(ids.max()) > MOST_ID:
        raise DataError(
            f"the tokenizer {name} gave {repr(found)[:80]}", fix="it must give a list of whole numbers from 0 on"
        )
    return ids.astype(np.int32)
