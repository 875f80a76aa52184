"""The pages of tasks are true: their lines train, their files are read, and every command that a page shows is one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import penstock
from penstock.cli import build_parser
from penstock.steps.options.challenge import with_challenge
from penstock.steps.options.config_file import file_of, with_config
from penstock.steps.options.steps import STEPS, options_of
from support.captioned import archives_of
from support.clips import write_pairs
from support.eeg import into, write_releases
from support.xrays import make_studies, write_folder

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MOST_LINES = 14


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / "docs" / f"{page}.md").read_text(), re.DOTALL | re.MULTILINE)


class Flat(nn.Module):
    """A layer of what a batch has first, whatever its shape."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.LazyLinear(outputs)

    def forward(self, inputs: Any) -> Any:
        values = inputs["frames"] if isinstance(inputs, dict) else inputs
        return self.layer(values.flatten(1).float())


class Pixels(nn.Module):
    """A convolution that gives images again."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, images: Any) -> Any:
        return self.layer(images)


def _eeg(folder: Path) -> None:
    write_releases(folder, num_subjects=8)
    (folder / "R3_L100_bdf").rename(folder / "R5_L100_bdf")


def _videos(folder: Path) -> None:
    put = into(folder)
    for name, data in archives_of(10, 2).items():
        put(name.replace("0_30_s_made", "0_30_s_academic"), data)


def _xrays(folder: Path) -> None:
    write_folder(folder / "x", make_studies(60))


def _clips(folder: Path) -> None:
    write_pairs(folder, 20)


LEARN: Any = lambda scores, targets: nn.functional.cross_entropy(scores, targets.long() % 2)  # noqa: E731
PAGES_OF_TASKS: dict[str, tuple[Callable[[Path], None], Callable[[], nn.Module]]] = {
    "eeg": (_eeg, lambda: Flat(1)),
    "xray": (_xrays, Pixels),
    "clips": (_clips, lambda: Flat(2)),
    "video-text": (_videos, lambda: Flat(2)),
}


@pytest.mark.usefixtures("children_are_forked")
@pytest.mark.parametrize("page", PAGES_OF_TASKS)
def test_the_lines_of_a_page_train(page: str, tmp_path: Path) -> None:
    write, make = PAGES_OF_TASKS[page]
    write(tmp_path)
    (code,) = (text for text in blocks(page, "python") if ".loader(" in text)
    assert len(code.strip().splitlines()) <= MOST_LINES
    here = re.sub(r'"(s3|kaggle|hf)://[^"]*"', f'"{tmp_path}"', code)
    here = re.sub(r", (storage_options=.*?|region=.*?, anonymous=True)\)", ")", here)
    few = (
        re.sub(r"range\(\d+\)", "range(1)", here)
        .replace("epochs=3", "epochs=1")
        .replace("1Gi", "8Mi")
        .replace("Gi", "Mi")
    )
    model = make()
    found: dict[str, Any] = {"model": model, "learn": LEARN, "optimiser": torch.optim.SGD(model.parameters(), lr=1e-9)}
    exec(few, found)
    assert torch.isfinite(found["loss"])


@pytest.mark.parametrize("page", PAGES_OF_TASKS)
def test_the_files_of_a_page_are_read(page: str, tmp_path: Path) -> None:
    for number, text in enumerate(blocks(page, "yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        if "--config" in text:
            words = ["run", *file_of(["--config", str(path)])[0], "--config", str(path)]
            build_parser(["run"], words).parse_args(with_config(words, options_of("run")))
        else:
            made = penstock.open(path, part="train")
            assert isinstance(made, penstock.Dataset)
            assert made.task.startswith(page)
    assert blocks(page, "yaml")


def commands(page: Path) -> Iterator[str]:
    """Give the commands of a page that are whole, each in one line."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    for line in re.findall(r"^(?:    )?penstock (?=\w)(.*)$", text, re.MULTILINE):
        words = re.sub(r"\s#\s.*$", "", line)
        if words.split()[0] in STEPS and not re.search(r"…|\.\.\.|[<|>&$]|\bSTEP\b", words):
            yield words


COMMANDS = [(page.stem, words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_every_command_of_a_page_has_options_that_there_are(page: str, words: str) -> None:
    given = with_challenge(shlex.split(words))
    others = file_of(given)[0]
    build_parser([others[0]], others).parse_args(others)
