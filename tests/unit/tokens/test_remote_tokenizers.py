"""Tokenizers that lie in a store, read as everything else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock
from penstock.errors import ConfigError, PenstockError
from penstock.tokens import load_tokenizer
from support.chats import CHATML, tokenizer
from support.hub_server import COMMIT, Hub, serve_hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("HF_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with serve_hub() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        served.files = {
            "tokenizer.json": tokenizer().to_str().encode(),
            "tokenizer_config.json": json.dumps({"eos_token": "</s>"}).encode(),
            "chat_template.jinja": CHATML.encode(),
            "pytorch_model.bin": b"never read",
            "other/vocab.txt": b"a",
        }
        served.large = {"tokenizer.json"}
        yield served


@pytest.mark.parametrize("place", ["", "/tokenizer.json"])
@pytest.mark.parametrize("revision", ["", f"@{COMMIT}"])
def test_one_of_the_hub(hub: Hub, place: str, revision: str) -> None:
    loaded = load_tokenizer(f"hf://datasets/org/name{revision}{place}")
    assert loaded.encode("Hello").ids.tolist() == tokenizer().encode("Hello").ids
    assert loaded.special_id("eos_token") == tokenizer().token_to_id("</s>")
    assert loaded.templates == {"default": CHATML}
    fetched = [asked.path for asked in (*hub.hub.requests, *hub.cdn.requests)]
    assert any("tokenizer.json" in path for path in fetched)
    assert not any("pytorch_model" in path for path in fetched)


def test_it_retries_as_everything_does(hub: Hub) -> None:
    hub.limited = 1
    assert load_tokenizer("hf://datasets/org/name").encode("a").ids.tolist() == tokenizer().encode("a").ids


def test_what_is_not_there_is_told(hub: Hub) -> None:
    with pytest.raises(ConfigError, match=r"there is no tokenizer.json in hf://datasets/org/name/other"):
        penstock.objects(".").tokenize("hf://datasets/org/name/other")
    for place in ("hf://datasets/org/nothing", "hf://datasets/org/name@nothing", "hf://datasets/org/name/nowhere"):
        with pytest.raises(PenstockError) as error:
            penstock.objects(".").tokenize(place)
        assert error.value.fix
