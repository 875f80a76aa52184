"""Codecs as manifests hold them."""

from __future__ import annotations

from typing import ClassVar

import pytest

from penstock.errors import DataError
from penstock.formats.codec import Codec


class _Toy(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: ClassVar[str] = "toys"

    names: tuple[str, ...]


def test_what_is_written_is_read() -> None:
    assert _Toy.read(_Toy(names=("a", "ü")).encode()) == _Toy(names=("a", "ü"))


@pytest.mark.parametrize("text", ["", "{", '{"names": 3}', '{"names": [], "more": 1}', "[" * 100_000, "\ud800"])
def test_what_is_no_codec_is_told_as_that(text: str) -> None:
    with pytest.raises(DataError, match=r"none of toys .*: list the dataset again"):
        _Toy.read(text)
