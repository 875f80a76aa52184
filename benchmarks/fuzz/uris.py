"""URIs, patterns and sizes: what they are fed with."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

__all__ = ["uris"]

Made = tuple[list[bytes], Callable[[bytes], None]]

MOST_LETTERS = 1 << 14
"""Of a pattern that is written out, in the place of Penstock's own bound: inputs that take seconds would be most."""
KEY = "a/b-001.c"


def uris() -> Made:
    """Of what a person writes: sizes, patterns, and URIs of every scheme."""
    from penstock import patterns
    from penstock.errors import PenstockError
    from penstock.manifest import SourceSpec
    from penstock.sources.registry import find_scheme
    from penstock.tasks.globs import glob_matcher
    from penstock.units import parse_bytes

    def locate(text: str) -> None:
        find_scheme(text).locate(SourceSpec(uri=text))

    def match(text: str) -> None:
        patterns.matcher(text)(KEY)

    def match_of_card(text: str) -> None:
        glob_matcher(text)(KEY)

    def feed(data: bytes) -> None:
        text = data.decode(errors="replace")
        with mock.patch.object(patterns, "MOST_LETTERS", MOST_LETTERS):
            for asked in (parse_bytes, match, match_of_card, locate):
                try:
                    asked(text)
                except PenstockError:
                    continue

    words = [
        "1.5Gi",
        "s3://b/p",
        "hf://datasets/a/b@r/c",
        "az://box/p?x",
        "abfss://box@account.dfs.core.windows.net/p",
        "https://h:1/a%20b",
        "**/{a,b}-{000..009}.[ch]",
    ]
    return [word.encode() for word in words], feed
