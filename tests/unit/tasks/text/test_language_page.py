"""docs/language-models.md is true: its options, its sizes, its lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import penstock
from penstock.recipes.text.names import SIZES
from penstock.recipes.text.networks import Transformer
from penstock.tasks.registry import get_task
from support.texts import jsonl, real_texts

PAGE = (Path(__file__).parents[4] / "docs" / "language-models.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_every_option_is_in_the_page_as_it_is() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ((?:`\w+` ?)+) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    told = {(task, name): (default, what) for name, of, default, what in rows for task in re.findall(r"`(.*?)`", of)}
    for task in ("text", "chat"):
        for option in get_task(task).options:
            default, what = told.pop((task, option.name.replace("_", "-")))
            if option.default is None:
                assert option.help == what + (f" (default: {default})" if default else "")
            else:
                assert default == f"`{'false' if option.default is False else option.default}`"
                assert what == option.help
    assert not told


def test_the_sizes_are_those_of_the_networks() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \| ([\d,]+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == list(SIZES)
    for name, width, layers, heads, of_bytes, of_many in rows:
        size = SIZES[name]
        assert (size.width, size.num_layers, size.num_heads) == (int(width), int(layers), int(heads))
        with torch.device("meta"):
            model = Transformer(size, num_tokens=257)
        number = sum(each.numel() for each in model.parameters())
        assert f"{number:,}" == of_bytes
        assert f"{number + (32_000 - 257) * size.width:,}" == of_many


def test_the_lines_of_the_page_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()
    Path("texts", "a.jsonl").write_bytes(jsonl(real_texts(10, 800)))
    (code,) = (text for kind, text in BLOCKS if kind == "python" and "ds.loader" in text)
    found: dict[str, Any] = {}
    torch.manual_seed(0)
    exec(code, found)
    assert found["loss"].item() < 5
    assert len(code.strip().splitlines()) <= 14


def test_the_file_of_the_page_describes_a_dataset(tmp_path: Path) -> None:
    (text,) = (text for kind, text in BLOCKS if kind == "yaml")
    (tmp_path / "texts.yaml").write_text(text)
    made = penstock.open(tmp_path / "texts.yaml")
    assert isinstance(made, penstock.Dataset)
    assert made.task == "text"
