"""Text in files that describe datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import penstock
from penstock.dataset.mixing import Mixed
from penstock.dataset.packed import PackedDataset
from penstock.dataset.schema import dataset_schema
from penstock.errors import ConfigError
from support.chats import CHATML, tokenizer

pytestmark = pytest.mark.usefixtures("children_are_forked")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>", "chat_template": CHATML}))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_text('{"text": "Hello there.", "prompt": "1 + 1 =", "completion": " 2"}\n')
    return tmp_path


def opened(folder: Path, text: str) -> Any:
    file = folder / "text.yaml"
    file.write_text(text.replace("HERE", str(folder)))
    jsonschema.validate(yaml.safe_load(file.read_text()), dataset_schema())
    return penstock.open(file)


def test_a_file_tokenises_and_packs(folder: Path) -> None:
    packed = opened(
        folder,
        "format: jsonl\nsource: HERE/a\ntokenize: {tokenizer: HERE, column: text, bos: <s>}\n"
        "pack: {length: 32, method: best_fit}\nbatch: 1\n",
    )
    assert isinstance(packed, PackedDataset)
    with packed.loader() as loader:
        (batch,) = loader
    ids = batch["input_ids"][0][batch["document_ids"][0] == 0].tolist()
    want = tokenizer().encode("<s>Hello there.</s>").ids
    assert ids == want
    assert batch["input_ids"][0, -1] == tokenizer().token_to_id("</s>")


def test_a_file_of_chats_in_a_mix(folder: Path) -> None:
    member = "{format: jsonl, source: HERE/NAME, chat: {tokenizer: HERE, train_on: completion}}"
    members = "".join(f"  - {member.replace('NAME', name)}\n" for name in ("a", "b"))
    packed = opened(folder, f"mix:\n{members}stop: once\npack: {{length: 16}}\n")
    assert isinstance(packed.documents, Mixed)
    with packed.loader(2) as loader:
        (batch,) = loader
    assert int((batch["labels"] != -100).sum()) == 2 * len(tokenizer().encode(" 2</s>").ids)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("tokenize: {column: text}", r":3: tokenizer is missing"),
        ("tokenize: {tokenizer: HERE, colum: text}", r":3: there is no 'colum' here: did you mean column"),
        ("tokenize: HERE", r":3: tokenize is no mapping"),
        ("tokenize: {tokenizer: HERE/nowhere}", r":3: there is no .*/nowhere"),
        ("chat: {tokenizer: HERE, train_on: everything}", r":3: train_on 'everything'"),
        ("chat: {tokenizer: HERE, template_options: 5}", r":3: template_options 5"),
        ("pack: {length: many}", r":3: length 'many'"),
        ("pack: {}", r":3: length is missing"),
        ("tokenize:", r":3: tokenize is empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(folder: Path, lines: str, says: str) -> None:
    file = folder / "text.yaml"
    file.write_text(f"format: jsonl\nsource: HERE/a\n{lines}\n".replace("HERE", str(folder)))
    with pytest.raises(ConfigError, match=says):
        penstock.open(file)
