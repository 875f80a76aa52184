"""Texts that options give: what is wrong with a URI is told with the option that gave it."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError
from penstock.sources.given_text import read_given


def test_a_secret_in_a_uri_is_told_with_its_option() -> None:
    signature = "abcdef0123456789" * 4
    with pytest.raises(ConfigError, match=r"^--dataset holds a signature, key or token") as caught:
        read_given(f"https://host.invalid/d.yaml?X-Amz-Signature={signature}", option="--dataset", wanted="a file")
    assert signature not in str(caught.value)
