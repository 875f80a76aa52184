"""The report in a headless browser: drawn in both themes, in a sandboxed frame, and no wider than a phone."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from penstock.cost import CostSetting, bill, load_prices
from penstock.report.page import render_report
from support.figures import every_figure
from support.runs import make_evaluation, make_list_step, make_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE_WIDTH = 375
MEASURE = """<script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {
  const page = frame.contentDocument.documentElement;
  document.body.dataset.measured = page.scrollWidth + "x" + page.scrollHeight;
});
</script>"""


@pytest.fixture(name="browse")
def _browse(tmp_path: Path) -> Callable[..., str]:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.skip(f"no browser on PATH (looked for {', '.join(BROWSERS)})")

    def run(page: str, *options: str) -> str:
        (tmp_path / "page.html").write_text(page, encoding="utf-8")
        command = [
            found, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            f"--user-data-dir={tmp_path / 'profile'}", *options, (tmp_path / "page.html").as_uri(),
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return run


@pytest.fixture(name="report")
def _report() -> str:
    run, evaluation, steps = make_run(), make_evaluation(figures=every_figure()), [make_list_step()]
    setting = CostSetting(today=date(2026, 11, 21))
    cost = bill(run, steps=steps, evaluation=evaluation, prices=load_prices(), setting=setting)
    return render_report(run, evaluation=evaluation, cost=cost, steps=steps, title="EEG challenge 1: reaction time")


def _framed(report: str, *, width: int, height: int, attributes: str = "", more: str = "") -> str:
    frame = f'<iframe {attributes} style="border:0;width:{width}px;height:{height}px" srcdoc="{html.escape(report)}">'
    return (
        f'<!DOCTYPE html><meta name="color-scheme" content="light dark"><body style="margin:0">{frame}</iframe>{more}'
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_is_drawn_in_a_sandboxed_frame(
    report: str, browse: Callable[..., str], tmp_path: Path, theme: str
) -> None:
    page = _framed(report, width=1200, height=1200, attributes="sandbox")
    preferred = f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}"
    # In a process of its own the frame may be painted only after the picture was taken.
    whole = ("--disable-features=IsolateSandboxedIframes", "--virtual-time-budget=5000")
    browse(page, preferred, *whole, "--window-size=1200,1200", f"--screenshot={tmp_path / 'shot.png'}")
    pixels = np.asarray(matplotlib.image.imread(tmp_path / "shot.png"))[:, :, :3]
    brightness = pixels.mean(axis=2)
    background = float(np.median(brightness))
    assert background < 0.2 if theme == "dark" else background > 0.9
    text = brightness > 0.7 if theme == "dark" else brightness < 0.3
    assert text.mean() > 0.01
    red, blue = pixels[:, :, 0], pixels[:, :, 2]
    assert ((blue - red) > 0.3).mean() > 0.01, "the first series of the charts"
    assert ((red - blue) > 0.3).mean() > 0.002, "the second series of the charts"


def test_page_is_no_wider_than_a_phone(report: str, browse: Callable[..., str]) -> None:
    page = _framed(report, width=PHONE_WIDTH, height=800, more=MEASURE)
    told = re.search(r'data-measured="(\d+)x(\d+)"', browse(page, "--dump-dom", "--virtual-time-budget=5000"))
    assert told, "the page did not load"
    assert int(told[1]) <= PHONE_WIDTH
    assert int(told[2]) > 2000
