"""The sizes of networks that the documentation tells are those that they have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from penstock.recipes.registry import build_model, recipe_of

DOCS = Path(__file__).parents[3] / "docs"
TOLD = [
    ("clips", "fusion", (40, 3, 96, 96, 32, 100), "clips.md", r"`fusion` \(the default, ([\d,]+) parameters\)"),
    ("images", "small", (3, 128, 128), "images.md", r"a convolutional network of ([\d,]+) parameters"),
    *(
        (
            "xray",
            name,
            (1, 128, 128),
            "xray.md",
            rf"^\| (?:`[\w-]+`, )?`{name}`(?:, `[\w-]+`)? \| ([\d.]+ M(?:, [\d.]+ M)?) \|",
        )
        for name in ("unet", "unet-small", "reversed-autoencoder", "reversed-autoencoder-small")
    ),
]


@pytest.mark.parametrize(("task", "model", "shape", "page", "pattern"), TOLD)
def test_networks_are_as_large_as_is_told(
    task: str, model: str, shape: tuple[int, ...], page: str, pattern: str
) -> None:
    assert model in recipe_of(task).models
    found = re.search(pattern, (DOCS / page).read_text(), re.MULTILINE)
    assert found is not None
    words = found[1].split(", ") if " M" in found[1] else [found[1]]
    word = words[-1] if model.endswith("-small") else words[0]
    told = float(word.removesuffix(" M")) * 1e6 if " M" in word else int(word.replace(",", ""))
    with torch.device("meta"):
        network = build_model(model, task=task, shape=shape, num_outputs=2 if task != "xray" else 1)
    number = sum(each.numel() for each in network.parameters())
    assert number == pytest.approx(told, rel=0.03)
