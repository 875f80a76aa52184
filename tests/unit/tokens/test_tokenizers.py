"""Tokenizers from whatever is given, and what they add and cut."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers

import penstock
from penstock.errors import ConfigError, DataError, PenstockError
from penstock.tokens import AsDocument, load_tokenizer
from support.chats import CHATML, tokenizer

CONFIG = {"eos_token": {"content": "</s>", "lstrip": False}, "bos_token": "<s>", "add_bos_token": True}


def folder(at: Path, **files: Any) -> Path:
    tokenizer().save(str(at / "tokenizer.json"))
    for name, content in files.items():
        at.joinpath(name.replace("__", ".")).write_text(content if isinstance(content, str) else json.dumps(content))
    return at


class Fast:
    """What a fast tokenizer of transformers has."""

    def __init__(self) -> None:
        self.backend_tokenizer = tokenizer()
        self.special_tokens_map = {"eos_token": "</s>"}
        self.chat_template = CHATML

    def __call__(self, text: str) -> dict[str, list[int]]:
        raise AssertionError("special tokens would be added")


def test_one_tokenizer_from_each_place(tmp_path: Path) -> None:
    folder(tmp_path, tokenizer_config__json=CONFIG)
    want = tokenizer().encode("Hello there").ids
    for given in (tokenizer(), Fast(), tmp_path, str(tmp_path), tmp_path / "tokenizer.json", tmp_path.as_uri()):
        loaded = pickle.loads(pickle.dumps(load_tokenizer(given)))
        assert loaded.encode("Hello there").ids.tolist() == want
    loaded = load_tokenizer(tmp_path)
    assert (loaded.special_id("eos_token"), loaded.special_id("bos_token")) == (
        tokenizer().token_to_id("</s>"),
        tokenizer().token_to_id("<s>"),
    )


@pytest.mark.parametrize("kind", ["text", "list", "file", "object"])
def test_templates_of_a_tokenizer(tmp_path: Path, kind: str) -> None:
    config: dict[str, Any] = dict(CONFIG)
    files: dict[str, Any] = {}
    if kind == "text":
        config["chat_template"] = CHATML
    elif kind == "list":
        config["chat_template"] = [{"name": "default", "template": CHATML}, {"name": "tool_use", "template": "x"}]
    elif kind == "file":
        config["chat_template"] = "another"
        files["chat_template__jinja"] = CHATML
    given: Any = Fast() if kind == "object" else folder(tmp_path, tokenizer_config__json=config, **files)
    assert load_tokenizer(given).templates["default"] == CHATML
    penstock.objects(".").chat(given)
    if kind == "list":
        penstock.objects(".").chat(given, template="tool_use")


def test_nothing_is_cut_or_padded_that_was_not_asked_for(tmp_path: Path) -> None:
    made = tokenizers.Tokenizer.from_str(tokenizer().to_str())
    made.enable_truncation(3)
    made.enable_padding(length=100)
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(each, made.token_to_id(each)) for each in ("<s>", "</s>")]
    )
    text = "a text of more than three tokens"
    assert load_tokenizer(made).encode(text).ids.tolist() == tokenizer().encode(text).ids


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"tokenizer.json": "{"}, "tokenizer.json cannot be read"),
        ({"tokenizer.json": "{}"}, "tokenizer.json cannot be read"),
        ({"tokenizer.model": "x"}, "there is no tokenizer.json"),
        ({"tokenizer.json": b"\xff\xfe"}, "is no UTF-8 text"),
        ({}, "there is no tokenizer.json"),
    ],
)
def test_a_folder_without_a_tokenizer(tmp_path: Path, files: dict[str, Any], says: str) -> None:
    for name, content in files.items():
        tmp_path.joinpath(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=says):
        penstock.objects(".").tokenize(tmp_path)


@pytest.mark.parametrize("config", ["{", "[]", "5"])
def test_a_config_that_is_none_is_told(tmp_path: Path, config: str) -> None:
    with pytest.raises(ConfigError, match=r"tokenizer_config.json in .* is no JSON"):
        load_tokenizer(folder(tmp_path, tokenizer_config__json=config))


@pytest.mark.parametrize("given", [5, None, "", "nowhere", tokenizers.Tokenizer, "hf://", "gopher://a/b", ["a"]])
def test_what_is_no_tokenizer_is_refused(given: Any) -> None:
    with pytest.raises(PenstockError, match=r".") as error:
        penstock.objects(".").tokenize(given)
    assert error.value.fix


def test_tokens_that_the_vocabulary_lacks_are_refused(tmp_path: Path) -> None:
    """Numbers of it, and those that a config names: none would be what a model was trained with."""
    objects, size = penstock.objects("."), tokenizer().get_vocab_size()
    for name in ("bos", "eos"):
        with pytest.raises(ConfigError, match=f"{name} {size} is no token of the tokenizer .*has {size:,}: give"):
            objects.tokenize(tokenizer(), **{"eos": False, name: size})
    mixed = penstock.mix([objects] * 2)
    for made in (each.tokenize(tokenizer(), eos=False) for each in (objects, mixed)):
        with pytest.raises(ConfigError, match=f"pad_id {size} is no token"):
            made.pack(8, pad_id=size)
        assert made.pack(8, pad_id=size - 1).packing.pad_id == size - 1
    folder(tmp_path, tokenizer_config__json={"bos_token": "<a>", "eos_token": "<gone>", "pad_token": "<pad0>"})
    for ends in ({}, {"eos": False, "bos": True}):
        with pytest.raises(ConfigError, match=r"names its .os_token '<.*>', which is not in its vocabulary"):
            objects.tokenize(tmp_path, **ends)
    with pytest.raises(ConfigError, match="names its pad_token '<pad0>', which is not in its vocabulary"):
        objects.tokenize(tmp_path, eos=False).pack(8)
    for template in ("{{ messages[0].content }}{{ eos_token }}", "{{ messages[0].content + bos_token }}"):
        with pytest.raises(ConfigError, match=r"names its .os_token '<.*>', which is not in its vocabulary"):
            objects.chat(tmp_path, template=template, eos=False)
    objects.chat(tmp_path, template="{{ messages[0].content }}", eos=False)
    with pytest.raises(ConfigError, match=r"names its .os_token '<gone>'"):
        objects.chat(tmp_path, template="{{ messages[0].content }}")
    assert objects.tokenize(lambda text: [1], eos=10**6)  # of a function no vocabulary is known


def test_ends_are_told_apart(tmp_path: Path) -> None:
    folder(tmp_path, tokenizer_config__json=CONFIG)
    ids = tokenizer().token_to_id
    plain = tokenizer().encode("abc").ids

    def of(**ends: Any) -> list[int]:
        (function,) = penstock.objects(".").tokenize(tmp_path, **ends).functions
        found: list[int] = function({"text": "abc"})["input_ids"].tolist()
        return found

    assert of() == [*plain, ids("</s>")]
    assert of(bos=True) == [ids("<s>"), *plain, ids("</s>")]
    assert of(eos=False) == plain
    assert of(bos=7, eos="<|endoftext|>") == [7, *plain, ids("<|endoftext|>")]
    assert of(bos=True, eos=False) == [ids("<s>"), *plain]
    with pytest.raises(ConfigError, match="does not name its eos token"):
        penstock.objects(".").tokenize(tokenizer())
    with pytest.raises(ConfigError, match="is no token of"):
        penstock.objects(".").tokenize(tokenizer(), eos="<nothing>")
    with pytest.raises(ConfigError, match="does not name its eos token"):
        penstock.objects(".").tokenize(lambda text: [1])


def test_text_wherever_it_lies() -> None:
    (function,) = penstock.objects(".").tokenize(tokenizer(), "txt", eos=False).functions
    want = tokenizer().encode("naïve").ids
    for value in ("naïve", "naïve".encode(), memoryview("naïve".encode()), {"txt": "naïve"}, {"txt": "naïve".encode()}):
        assert function(value)["input_ids"].tolist() == want
    assert function("")["input_ids"].shape == (0,)
    for value, says in (
        ({"text": "a"}, "there is no column 'txt'"),
        ({"txt": None}, "txt is no text, but None"),
        ({"txt": b"\xff"}, "txt is no UTF-8"),
        (5, "txt is no text, but 5"),
        ("\ud800", "no Unicode"),
    ):
        with pytest.raises(DataError, match=says):
            function(value)


@pytest.mark.parametrize("given", [[1.5], [-1], [[1]], "ab", None, [2**40], ["a"], {"input_ids": [1]}])
def test_a_function_that_gives_no_tokens_is_told(given: Any) -> None:
    (function,) = penstock.objects(".").tokenize(lambda text: given, eos=False).functions
    with pytest.raises(DataError, match=r"the tokenizer .* gave"):
        function("a")


def test_whatever_has_tokens_is_a_document() -> None:
    take = AsDocument()
    assert take([3, 4]).ids.tolist() == take(np.array([3, 4], np.uint16)).labels.tolist() == [3, 4]
    assert take({"input_ids": [1, 2, 0], "attention_mask": [1, 1, 0]}).ids.tolist() == [1, 2]
    assert take({"input_ids": [1, 2], "labels": [-100, 2]}).labels.tolist() == [-100, 2]
    assert take({"input_ids": []}).ids.dtype == np.int32
    for value, says in (
        ({"text": "a"}, "no input_ids in text"),
        ({"input_ids": [1], "labels": [1, 2]}, "2 labels of 1 input_ids"),
        ("abc", "the value 'abc'"),
        ({"input_ids": [1.0]}, "input_ids"),
    ):
        with pytest.raises(DataError, match=says):
            take(value)
