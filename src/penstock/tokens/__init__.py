"""Text as tokens: tokenizers, conversations, what of them is learnt, and sequences packed of documents; no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.tokens.conversations import FORMATS
    from penstock.tokens.documents import UNLEARNT, AsDocument, ChatDocument, Document, Made, TextDocument
    from penstock.tokens.loading import load_tokenizer
    from penstock.tokens.packing import LONG, METHODS, PackCounts, Packing
    from penstock.tokens.tokenizer import Tokenizer
    from penstock.tokens.turns import TRAIN_ON
    from penstock.tokens.utf8 import BYTES, BYTES_EOS
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "conversations": "FORMATS",
            "documents": "UNLEARNT AsDocument ChatDocument Document Made TextDocument",
            "loading": "load_tokenizer",
            "packing": "LONG METHODS PackCounts Packing",
            "tokenizer": "Tokenizer",
            "turns": "TRAIN_ON",
            "utf8": "BYTES BYTES_EOS",
        },
    )

__all__ = ["BYTES", "BYTES_EOS", "FORMATS", "LONG", "METHODS", "TRAIN_ON", "UNLEARNT", "AsDocument", "ChatDocument"]
__all__ += ["Document", "Made", "PackCounts", "Packing", "TextDocument", "Tokenizer", "load_tokenizer"]
