"""A tokenizer that needs no library and no file: each byte of UTF-8 is a token, and one more ends a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.tokens.tokenizer import Tokenizer

__all__ = ["BYTES", "BYTES_EOS", "decode_utf8", "encode_utf8"]

BYTES_EOS: Final = 256
"""Number of the token behind a text; there are 257 with it."""


def encode_utf8(text: str) -> NDArray[np.uint8]:
    """Return the bytes of a text, shape (bytes,).

    Raises:
        DataError: it is no Unicode.
    """
    try:
        return np.frombuffer(text.encode(), np.uint8)
    except UnicodeEncodeError as error:
        raise DataError(
            "the text is no Unicode: it has half of a surrogate pair", fix="mend it, or leave it out by filter"
        ) from error


def decode_utf8(ids: Sequence[int]) -> str:
    """Return the text of bytes, with what is none of it replaced, and the end of a text left out."""
    return bytes(number for number in ids if number < BYTES_EOS).decode(errors="replace")


BYTES: Final = Tokenizer(name="bytes", function=encode_utf8)
