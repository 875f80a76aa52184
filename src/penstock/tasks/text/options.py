"""Options of the tasks ``text`` and ``chat``."""

from __future__ import annotations

from typing import Final

from penstock.tasks.protocols import TaskOption
from penstock.tokens import FORMATS, LONG, METHODS, TRAIN_ON

__all__ = ["CHAT_OPTIONS", "OF_TOKENIZERS", "TEXT_OPTIONS", "UNITS"]

UNITS: Final = ("auto", "rows", "blocks")
OF_TOKENIZERS: Final = ("tokenizer", "vocab_size")
"""Options that an earlier listing has answered."""


def _text(name: str, default: str | None, text: str, metavar: str) -> TaskOption:
    return TaskOption(name=name, kind=str, default=default, help=text, metavar=metavar)


def _whole(name: str, default: int, text: str) -> TaskOption:
    return TaskOption(name=name, kind=int, default=default, help=text, metavar="N")


def _one_of(names: tuple[str, ...]) -> str:
    return f"{{{','.join(names)}}}"


_TOKENS: Final = (
    _text(
        "tokenizer",
        "bytes",
        "bytes: each byte of UTF-8 is a token; bpe: byte pairs, trained on the training split; or a tokenizer.json, "
        "its folder or URI, like hf://org/name@revision",
        "NAME",
    ),
    _whole("vocab_size", 2048, "tokens that bpe is trained to, 300 to 65536"),
    _text("like", None, "manifest of an earlier listing of text or chat, whose tokenizer is taken", "FILE"),
    _text("eos", None, "token behind each text, none for none (default: the tokenizer's own)", "TOKEN"),
    _whole("length", 256, "tokens of a sequence, 2 to 1048576"),
)
_FILES: Final = (
    _text("long", "split", "what becomes of a text longer than a sequence", _one_of(LONG)),
    _text("format", "auto", "format of the objects, like jsonl, parquet, csv, text; auto is by their names", "NAME"),
    _text("match", None, "take the objects that fit this pattern (default: by their endings)", "PATTERN"),
    _text("by", "document", "of plain text, what is a text: line, document (behind an empty line), file", "NAME"),
    _text("separator", None, "of plain text, what lies between documents in place of an empty line", "TEXT"),
    _text("group_column", None, "column of what stays whole in a split, like authors", "COLUMN"),
    _text(
        "split_unit",
        "auto",
        "what is split where there is no group-column: rows, blocks (what is fetched as one), or auto, by size",
        _one_of(UNITS),
    ),
    TaskOption(
        name="split_files",
        kind=bool,
        default=False,
        help="files are of the splits that their names say, like train-00000-of-00005.parquet and validation/a.jsonl",
    ),
    _text("statistics", "16Mi", "about how much is read to train a tokenizer, and to count tokens by", "SIZE"),
)
TEXT_OPTIONS: Final = (
    _text("column", "text", "column of the text", "COLUMN"),
    *_TOKENS,
    _text("pack", "concat", "how texts are put into sequences", _one_of(METHODS)),
    *_FILES,
)
CHAT_OPTIONS: Final = (
    _text("messages", None, "column of the conversations (default: messages, or conversations)", "COLUMN"),
    _text("conversation", None, "what rows are (default: by their columns)", _one_of(FORMATS)),
    _text("template", None, "file of Jinja, or name of one of the tokenizer's (default: its own, or ChatML)", "FILE"),
    _text("train_on", "assistant", "what is learnt", _one_of(TRAIN_ON)),
    *_TOKENS,
    _text("pack", "best_fit", "how conversations are put into sequences", _one_of(METHODS)),
    *_FILES,
)
