"""The commands of docs/forecast.md and the README: each prints what stands below it, which the text reckons with."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from penstock.cli import main

PAGES = tuple(Path(__file__).parents[2] / name for name in ("docs/forecast.md", "README.md"))
EXAMPLE = re.compile(r"```\n(penstock forecast --size [^`]+)```\n\n```text\n([^`]+)```\n")
STATED = {
    "window": ["12.05", "87.02", "19.90", "3.82", "582.36", "1,566.22"],
    "stream": ["12.12", "90.62", "3.08", "1,637.57"],
    "download-gp3": ["37.88", "45.82", "10.75", "97.60", "196.52"],
    "hybrid-50": ["15.81"],
    "pack": ["74.81"],
    "staged": ["4.18"],
    "download-nvme": ["2.69"],
    "nat+cross-region": ["1,168.26"],
    "internet": ["1,566.22"],
}
"""Dollars that the text reckons with, by the way, in the order of the page."""


@cache
def examples(page: Path = PAGES[0]) -> list[tuple[str, str]]:
    return EXAMPLE.findall(page.read_text())


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Run a command as it stands; give its lines by their first words."""
    program, *words = shlex.split(command.replace("\\\n", " "))
    assert program == "penstock"
    assert main(words) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    return {line.split()[0]: line for line in reversed(lines)}


@pytest.mark.parametrize(("page", "number"), [(PAGES[0], 7), (PAGES[1], 1)], ids=["page", "readme"])
def test_every_command_prints_what_stands_below_it(
    page: Path, number: int, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    text = page.read_text()
    assert len(examples(page)) == number
    for command, below in examples(page):
        found = printed(command, capsys)
        told = "".join(f"{found[line.split()[0]]}\n" for line in below.splitlines())
        if request.config.getoption("--regenerate", default=False):
            text = text.replace(f"{command}```\n\n```text\n{below}", f"{command}```\n\n```text\n{told}")
        else:
            assert below == told, "run again with --regenerate, and read what it changes in the text around it"
    if text != page.read_text():
        page.write_text(text)


def test_the_lines_say_what_the_text_reckons() -> None:
    rows = [line.split("  ") for _, below in examples() for line in below.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    for way, dollars in STATED.items():
        told = [row[4].lstrip("$") for row in cells if row[0].removesuffix(" *") == way and len(row) == 9]
        assert told == dollars, way
    lines = [line for _, below in examples() for line in below.splitlines()]
    assert [line for line in lines if line.startswith("Up to")] == [
        f"Up to {epochs - 1} epoch{'s' if epochs > 2 else ''} streaming costs less; from {epochs} epochs on (E*) "
        f"downloading first ({disk}) does."
        for epochs, disk in ((3, "download-gp3"), (2, "download-nvme"), (2, "download-gp3"), (2, "download-gp3"))
    ]


def test_the_sums_of_the_text_are_right() -> None:
    """Each is written out here as it is there."""
    assert round(20 * 0.526 + 400_000 * (1 + 9 * 0.95) * 0.0004 / 1000, 2) == 12.05
    assert round(51.46 * (0.526 + 1862.6 * 0.08 / 720), 2) == 37.72
    assert round((2 + 9 * 1.9) * 1e12 / 2**30) == 17_788
    assert round(2e12 / 2**30 * 0.03, 2) == 55.88
    assert round(2e12 / 2**30 * 0.03 * (1 + 9 * 0.95), 1) == 533.6
    assert round(400_000 * (1 + 9 * 0.95) * 0.01 / 1000, 2) == 38.20
    assert round(17_788 * (0.045 + 0.02), 2) == 1156.22
    assert round(10_140 * 0.09 + 7_548 * 0.085, 2) == 1554.18
    assert round(10.5 + 200e6 * 0.0004 / 1000 + 20_000 * 0.005 / 1000, 2) == 90.6
    assert round(710e9 / 10e6 / 3600 * 1.006, 2) == 19.84
    assert round((710e9 / 10e6 / 3600 - 3.75) * 1.006, 2) == 16.07
    hours = 24_000 / 3600 + 3.75
    assert round(hours * (1.006 + 223.5 * 0.08 / 720), 2) == 10.74
    parts = (3.75 * 1.006, 24_000 / 3600 * 0.02, hours * 223.5 * 0.08 / 720, 36_000 * 0.0004 / 1000)
    assert [round(part, 4) for part in parts] == [3.7725, 0.1333, 0.2587, 0.0144]
    assert round(sum(parts), 3) == 4.179
    assert round(sum(parts) + hours * 240 * 0.08 / 720 - parts[2], 3) == 4.198
    assert round(5.02 * 0.526, 2) == 2.64
