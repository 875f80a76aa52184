"""Datasets that the demo generates: the same for a seed, as large as asked for, with the effect asked for."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import zipfile
from typing import get_args

import pytest

from penstock.cli import main
from penstock.demo.kinds import KINDS
from penstock.demo.texts import bound_perplexity
from penstock.recipes.registry import choose_model
from penstock.steps.options.demo import DemoOptions, DemoTask

SMALL = ("xray", "clips", "video-text", "text")


def made(task: str, *, seed: int = 0, effect: float = 1.0, size_bytes: int | None = None) -> dict[str, bytes]:
    if task in ("clips", "video-text"):
        pytest.importorskip("av", reason="clips need PyAV")
    found: dict[str, bytes] = {}
    size = size_bytes or round(KINDS[task].least_bytes)
    told = KINDS[task].generate(found.__setitem__, seed=seed, effect=effect, size_bytes=size)
    assert told[0].isdigit()
    return found


def test_every_task_that_can_be_asked_for_has_a_kind_whose_model_there_is() -> None:
    assert set(KINDS) == set(get_args(DemoTask))
    for task, kind in KINDS.items():
        assert choose_model(task, kind.model) == kind.model


@pytest.mark.parametrize("task", SMALL)
def test_a_seed_gives_a_dataset_of_the_size(task: str) -> None:
    kind, found = KINDS[task], made(task)
    assert found == made(task)
    assert found != made(task, seed=1)
    assert list(found) == list(made(task, seed=1)) or task != "clips"
    size = sum(map(len, found.values()))
    assert 0.7 * kind.least_bytes < size < 1.4 * kind.least_bytes
    larger = made(task, size_bytes=round(3 * kind.least_bytes))
    assert 2 * size < sum(map(len, larger.values())) < 4 * size


@pytest.mark.parametrize("task", [*SMALL, "eeg-c1"])
def test_what_would_be_much_larger_than_asked_for_is_refused(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--task", task, "--size", "5k"]) == 2
    assert "--size of 4.9 KiB: the smallest dataset," in capsys.readouterr().err


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_findings_are_seen_as_much_as_was_asked_for(effect: float) -> None:
    with zipfile.ZipFile(io.BytesIO(made("xray", effect=effect)["archive.zip"])) as archive:
        names = archive.namelist()
        table = list(csv.reader(io.StringIO(archive.read("Data_Entry_2017.csv").decode())))
        pictures = {name.rpartition("/")[2]: archive.read(name) for name in names if name.endswith(".png")}
    assert {name.partition("/")[0] for name in names if "/" in name} == {"images_001", "images_002", "images_003"}
    assert {row[0] for row in table[1:]} == set(pictures)
    with zipfile.ZipFile(io.BytesIO(made("xray", effect=0.0)["archive.zip"])) as archive:
        plain = {name.rpartition("/")[2]: archive.read(name) for name in names if name.endswith(".png")}
    ill = {row[0] for row in table[1:] if row[1] != "No Finding"}
    assert len(ill) > 10
    assert {name for name in pictures if pictures[name] != plain[name]} == (ill if effect else set())


@pytest.mark.parametrize("effect", [0.0, 0.6, 1.0])
def test_letters_come_again_as_surely_as_was_asked_for(effect: float) -> None:
    lines = b"".join(made("text", effect=effect, size_bytes=90_000).values()).splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    pairs = [(a, b) for text in texts for a, b in zip(text, text[8:], strict=False)]
    share = sum(a == b for a, b in pairs) / len(pairs)
    assert share == pytest.approx(effect + (1 - effect) / 16, abs=0.01)


def test_the_bound_of_texts_is_what_letters_cost() -> None:
    assert bound_perplexity(0) == pytest.approx(math.exp(31 * math.log(16) / 32))
    assert bound_perplexity(1) == pytest.approx(math.exp(7 * math.log(16) / 32))
    assert bound_perplexity(1) < bound_perplexity(0.9) < bound_perplexity(0.1) < bound_perplexity(0)


def test_an_effect_is_from_nothing_to_all(capsys: pytest.CaptureFixture[str]) -> None:
    read = DemoOptions.declared()["effect"].read
    with pytest.raises(argparse.ArgumentTypeError):
        read("1.1")
    assert main(["demo", "--task", "images"]) == 2
    assert "invalid choice: 'images'" in capsys.readouterr().err
