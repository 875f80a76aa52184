"""Documents: tokens of a row, and for each the token that is learnt there, or that none is.

These are functions of a dataset's values, which run in the loading workers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.texts import did_you_mean
from penstock.tokens.conversations import conversation_of
from penstock.tokens.templates import Template
from penstock.tokens.tokenizer import Tokenizer
from penstock.tokens.turns import learnt_text

__all__ = ["UNLEARNT", "AsDocument", "ChatDocument", "Document", "Made", "TextDocument", "text_of"]

UNLEARNT: Final = -100
"""Label of a token that is not learnt, as the losses of torch and transformers leave it out."""
_MOST_ID: Final = 2**31 - 1


class Document(NamedTuple):
    """Tokens that belong together.

    Attributes:
        ids: numbers of tokens, int32, shape (tokens,).
        labels: those that are learnt, else ``UNLEARNT``, int32, shape (tokens,).
    """

    ids: NDArray[np.int32]
    labels: NDArray[np.int32]


class Made(NamedTuple):
    """Tokens of a value.

    Attributes:
        ids: numbers of tokens, int64, shape (tokens,).
        labels: those that are learnt, else ``UNLEARNT``, int64, shape (tokens,).
        num_bytes: of the text that is learnt, as UTF-8.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    num_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TextDocument:
    """Makes tokens of text.

    Attributes:
        column: that the text lies in, where a value is a row.
        bos: token that is put before it.
        eos: token that is put behind it.
    """

    called: ClassVar[str] = "tokenize"

    tokenizer: Tokenizer
    column: str
    bos: int | None
    eos: int | None

    def __call__(self, value: Any) -> dict[str, NDArray[np.int64]]:
        """Return ``input_ids`` and ``labels``, int64, shape (tokens,), of a value.

        Raises:
            DataError: it has no text.
        """
        made = self.made(value)
        return {"input_ids": made.ids, "labels": made.labels}

    def made(self, value: Any) -> Made:
        """Return the tokens of a value, as ``__call__`` does, with what they stand for."""
        text = text_of(value, self.column)
        ids = self.tokenizer.encode(text).ids.astype(np.int64)
        ends = [np.array([token], np.int64) for token in (self.bos, self.eos) if token is not None]
        before = ends[:1] if self.bos is not None else []
        whole = np.concatenate([*before, ids, *ends[len(before) :]])
        return Made(whole, whole.copy(), len(text.encode(errors="surrogatepass")))

    def fingerprint(self) -> str:
        """Name what it makes of values."""
        return repr((self.called, self.tokenizer.fingerprint(), self.column, self.bos, self.eos))


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatDocument:
    """Makes tokens of conversations, and tells which are learnt.

    Attributes:
        template: None where rows are prompts and completions of plain text.
        column: that conversations lie in; None is the usual one of their kind.
        kind: of the rows; None finds it.
        tools: the column of tools.
        eos: token behind plain text; None leaves it out.
    """

    called: ClassVar[str] = "chat"

    tokenizer: Tokenizer
    template: Template | None
    column: str | None
    kind: str | None
    tools: str | None
    train_on: str
    eos: int | None

    def __call__(self, value: Any) -> dict[str, NDArray[np.int64]]:
        """Return ``input_ids`` and ``labels``, int64, shape (tokens,), of a value.

        Raises:
            DataError: it is no conversation, or it cannot be told what of it is learnt.
        """
        made = self.made(value)
        return {"input_ids": made.ids, "labels": made.labels}

    def made(self, value: Any) -> Made:
        """Return the tokens of a value, as ``__call__`` does, with what those that are learnt stand for."""
        conversation = conversation_of(value, column=self.column, kind=self.kind, tools=self.tools)
        text, learnt = learnt_text(conversation, self.template, self.train_on)
        ids, is_learnt = self._encoded(text, learnt)
        labels = np.where(is_learnt, ids, UNLEARNT)
        if conversation.plain is not None and self.eos is not None:
            ids, labels = np.append(ids, self.eos), np.append(labels, self.eos)
        return Made(ids, labels, sum(len(text[begin:end].encode(errors="surrogatepass")) for begin, end in learnt))

    def fingerprint(self) -> str:
        """Name what it makes of values."""
        how = (self.column, self.kind, self.tools, self.train_on, self.eos)
        return repr((self.called, self.tokenizer.fingerprint(), self.template, *how))

    def _encoded(self, text: str, learnt: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return tokens, and whether each is learnt: those that any of its characters is of."""
        if self.tokenizer.function is not None:
            return self._encoded_apart(text, learnt)
        found = self.tokenizer.encode(text, with_spans=True)
        assert found.spans is not None
        begins, ends = found.spans[:, 0], found.spans[:, 1]
        is_learnt = np.zeros(len(found.ids), np.bool_)
        for begin, end in learnt:
            is_learnt |= (begins < end) & ((ends > begin) | ((begins == ends) & (begins >= begin)))
        return found.ids.astype(np.int64), is_learnt

    def _encoded_apart(self, text: str, learnt: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Encode what is learnt and what is not one after the other: a function does not tell what a token is of."""
        borders = [0, *(each for span in learnt for each in span), len(text)]
        parts = [self.tokenizer.encode(text[begin:end]).ids for begin, end in itertools.pairwise(borders)]
        flags = [np.full(len(part), bool(number % 2)) for number, part in enumerate(parts)]
        return np.concatenate(parts).astype(np.int64), np.concatenate(flags)


class AsDocument:
    """Takes whatever has tokens for a document: ``input_ids`` of a mapping, or an array of whole numbers."""

    called: ClassVar[str] = "pack"

    def __call__(self, value: Any) -> Document:
        """Return the document.

        Raises:
            DataError: the value has no tokens.
        """
        if isinstance(value, Document):
            return value
        if not isinstance(value, Mapping):
            ids = _numbers(value, "the value", least=0)
            return Document(ids, ids.copy())
        if "input_ids" not in value:
            columns = ", ".join(map(str, value))[:80] or "(none)"
            raise DataError(
                f"no input_ids in {columns}", fix="make tokens first, by tokenize, chat or a map of your own"
            )
        ids = _numbers(value["input_ids"], "input_ids", least=0)
        labels = ids.copy() if value.get("labels") is None else _numbers(value["labels"], "labels", least=UNLEARNT)
        mask = value.get("attention_mask")
        kept = np.ones(len(ids), np.int32) if mask is None else _numbers(mask, "attention_mask", least=0)
        for name, each in (("labels", labels), ("attention_mask", kept)):
            if len(each) != len(ids):
                raise DataError(f"{len(each)} {name} of {len(ids)} input_ids", fix="give one for each")
        return Document(ids[kept != 0], labels[kept != 0])


def _numbers(value: Any, name: str, *, least: int) -> NDArray[np.int32]:
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        found = np.empty((0, 0))
    if found.ndim == 1 and not len(found):
        return np.empty(0, np.int32)
    if found.ndim != 1 or found.dtype.kind not in "iu" or found.min() < least or found.max() > _MOST_ID:
        raise DataError(
            f"{name} {' '.join(repr(value).split())[:80]}", fix="give a list of whole numbers, as tokenize or chat does"
        )
    return found.astype(np.int32)


def text_of(value: Any, column: str) -> str:
    """Return the text of a row's column, or the value itself; bytes are UTF-8.

    Raises:
        DataError: it is no text.
    """
    found = value
    if isinstance(value, Mapping):
        if column not in value:
            meant = did_you_mean(column, [str(each) for each in value])
            columns = ", ".join(map(str, value))[:80] or "(none)"
            raise DataError(f"there is no column {column!r}", fix=f"{meant}give column=, the row has: {columns}")
        found = value[column]
    if isinstance(found, bytes | bytearray | memoryview):
        try:
            return bytes(found).decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{column} is no UTF-8 text ({error.reason})", fix="decode it by map first") from error
    if not isinstance(found, str):
        raise DataError(
            f"{column} is no text, but {' '.join(repr(found).split())[:80]}",
            fix="leave it out by filter, or mend it by map",
        )
    return found
