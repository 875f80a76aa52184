"""Low-rank adaptation of a model of transformers, as docs/language-models.md has it, by `penstock run`.

transformers is skipped where it is not installed; ``.ci/frameworks`` has an environment of its own for it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from penstock.records import Evaluation, RunRecord, read_record
from support.cli import penstock
from support.texts import conversations, jsonl

PAGE = (Path(__file__).parents[2] / "docs" / "language-models.md").read_text()


def transformers() -> Any:
    """Import transformers, which may not be installed."""
    return pytest.importorskip("transformers", reason="transformers is not installed: .ci/frameworks has it")


def test_thin_matrices_are_learnt_and_the_rest_stays_as_it_is(tmp_path: Path) -> None:
    of = transformers()
    torch.manual_seed(0)
    config = of.LlamaConfig(
        vocab_size=257,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
    )
    base = of.LlamaForCausalLM(config)
    base.save_pretrained(tmp_path / "base")
    (code,) = (text for text in re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) if "Lora" in text)
    (tmp_path / "lora.py").write_text(code)
    (tmp_path / "chats").mkdir()
    (tmp_path / "chats" / "a.jsonl").write_bytes(jsonl(conversations(200)))
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = penstock(
        *("run", "--source", tmp_path / "chats", "--task", "chat", "--option", "length=72", "--model", "lora:tuned"),
        *("--learning-rate", 0.05, "--batch-size", 8, "--epochs", 2, "--threads", 1, "--window-size", "2Mi"),
        *("--out", tmp_path / "out"),
        environment={"PYTHONPATH": path, "BASE_MODEL": str(tmp_path / "base"), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    ran = read_record(tmp_path / "out" / "run.json", RunRecord)
    assert ran.num_parameters == 2 * 8 * ((64 + 64) + (64 + 32))
    assert ran.losses[-1].loss < 0.95 * ran.losses[0].loss
    # Logits of a network that counts nothing are compared with naming all tokens alike.
    loss = read_record(tmp_path / "out" / "evaluation.json", Evaluation).metrics["loss"]
    assert loss.baseline is not None
    assert loss.baseline.value == pytest.approx(torch.tensor(257.0).log().item(), rel=1e-5)
    (best,) = (tmp_path / "out" / "checkpoints").glob("*best*.pt")
    kept = torch.load(best, weights_only=True)["model"]
    for name, weight in base.state_dict().items():
        own = name.replace("q_proj.", "q_proj.layer.").replace("v_proj.", "v_proj.layer.")
        assert torch.equal(kept[f"base.{own}"], weight), name
