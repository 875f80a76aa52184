"""The lines of docs/text.md run, as they stand."""

from __future__ import annotations

import json
import lzma
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import penstock
from support.chats import CHATML, tokenizer

pytestmark = pytest.mark.usefixtures("children_are_forked")

PAGE = (Path(__file__).parents[3] / "docs" / "text.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("tokenizer", "texts", "chats"):
        Path(name).mkdir()
    tokenizer().save("tokenizer/tokenizer.json")
    Path("tokenizer/tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>", "chat_template": CHATML}))
    words = PAGE.split("\n\n")
    texts = [{"text": part} for part in words]
    pairs = zip(words[::2], words[1::2], strict=False)
    chats = [
        {"messages": [{"role": "user", "content": one}, {"role": "assistant", "content": other}]}
        for one, other in pairs
    ]
    for name, rows in (("texts", texts), ("chats", chats)):
        Path(name, "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_the_lines_of_the_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, Any] = {}
    blocks = [text for kind, text in BLOCKS if kind == "python"]
    exec("\n".join(blocks), found)
    assert found["batch"]["input_ids"].shape[1] == 256
    assert found["learnt"].shape == found["batch"]["labels"].shape
    (chat,) = found["chats"].functions
    labels = chat(json.loads(Path("chats/a.jsonl").read_text().splitlines()[0]))["labels"]
    assert 0 < (labels != -100).sum() < len(labels)
    with found["ds"].pack(256).loader(4, seed=0) as loader:
        want = [batch["input_ids"] for batch, _ in zip(loader, range(2), strict=False)]
    assert torch.equal(found["first"]["input_ids"], want[0])
    assert torch.equal(found["second"]["input_ids"], want[1])
    assert "documents of" in capsys.readouterr().out


def test_the_file_of_the_page(folder: Path) -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "yaml")
    Path("text.yaml").write_text(text)
    assert yaml.safe_load(text)["batch"] == 4
    with penstock.open("text.yaml").loader() as loader:
        batches = list(loader)
        counts = loader.packed.counts
    rows = sum(len(Path(name, "a.jsonl").read_text().splitlines()) for name in ("texts", "chats"))
    assert counts.documents == rows
    tokens = sum(int((batch["document_ids"] >= 0).sum()) for batch in batches)
    assert tokens + counts.tokens_dropped == counts.tokens


@pytest.mark.skipif("PENSTOCK_TEST_DATA" not in os.environ, reason="needs real text: PENSTOCK_TEST_DATA=../shared/data")
def test_real_speeches_are_packed_whole(tmp_path: Path) -> None:
    data = Path(os.environ["PENSTOCK_TEST_DATA"], "text", "sotu.jsonl.xz")
    if not data.exists():
        pytest.skip(f"there is no {data}")
    with lzma.open(data, "rt") as lines:
        texts = [json.loads(line)["text"][:2_000] for line in lines]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    ds = penstock.jsonl(tmp_path).tokenize(tokenizer(), eos="<|endoftext|>")
    with ds.pack(512).loader(8, shuffle=False) as loader:
        batches = list(loader)
        counts = loader.packed.counts
    ids = [batch["input_ids"][batch["document_ids"] >= 0] for batch in batches]
    assert counts.tokens == sum(map(len, ids)) == sum(len(tokenizer().encode(text).ids) + 1 for text in texts)
    assert counts.documents == len(texts)
    ends = sum(int((each == tokenizer().token_to_id("<|endoftext|>")).sum()) for each in ids)
    assert ends == len(texts)
