"""Text as tokens: tokenizers, conversations, what of them is learnt, and sequences packed of documents; no torch."""

from __future__ import annotations

from penstock.tokens.conversations import FORMATS
from penstock.tokens.documents import AsDocument, ChatDocument, Document, TextDocument
from penstock.tokens.loading import load_tokenizer
from penstock.tokens.packing import LONG, METHODS, PackCounts, Packing
from penstock.tokens.tokenizer import Tokenizer
from penstock.tokens.turns import TRAIN_ON

__all__ = ["FORMATS", "LONG", "METHODS", "TRAIN_ON", "AsDocument", "ChatDocument", "Document", "PackCounts"]
__all__ += ["Packing", "TextDocument", "Tokenizer", "load_tokenizer"]
