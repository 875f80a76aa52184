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
import msgspec
import numpy as np
import pytest

from penstock.cost import CostSetting, bill, load_prices
from penstock.cost.forecasting import Demand, Link, Places, forecast_ways
from penstock.cost.forecasting.inputs import node_of
from penstock.cost.forecasting.market import Market
from penstock.cost.hindsight import in_hindsight
from penstock.report.comparing import Compared
from penstock.report.comparing_page import render_comparison
from penstock.report.forecast_page import forecast_page
from penstock.report.page import render_report
from penstock.sources import find_scheme
from support.figures import every_figure
from support.runs import make_evaluation, make_list_step, make_run, make_timeline

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE_WIDTHS = (375, 390)
LONG_NAME = "resnet50_lr_0.0003_wd_0.05_bs_256_randaugment_ema_0.9999_seed_12345_"
MEASURE = """<script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {
  const page = frame.contentDocument.documentElement;
  document.body.dataset.measured = page.scrollWidth + "x" + page.scrollHeight;
  const wide = [...page.querySelectorAll("body *")].filter((each) => {
    const box = each.getBoundingClientRect();
    return !each.closest("svg") && !each.closest(".hidden") && box.width > 0 && box.right > page.clientWidth + 1;
  });
  const outside = [...page.querySelectorAll("svg text")].filter((each) => {
    const box = each.getBoundingClientRect(), chart = each.closest("svg").getBoundingClientRect();
    return box.left < chart.left - 1 || box.right > chart.right + 1 || box.bottom > chart.bottom + 1;
  });
  const scrolled = [...page.querySelectorAll(".wide, .scroll")].filter((each) => each.scrollWidth > each.clientWidth);
  document.body.dataset.scrolled = scrolled.map((each) => each.textContent.trim().slice(0, 40)).join("; ");
  document.body.dataset.outside = outside.map((each) => each.textContent.trim()).join("; ");
  document.body.dataset.wide = wide.map((each) => each.tagName + " " + each.textContent.slice(0, 40)).join("; ");
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
    epochs = tuple(msgspec.structs.replace(each, stall_seconds=each.compute_seconds) for each in make_run().epochs)
    run = make_run(epochs=epochs, timeline=make_timeline())
    evaluation, steps = make_evaluation(figures=every_figure()), [make_list_step()]
    setting, prices = CostSetting(today=date(2026, 11, 21)), load_prices()
    made = bill(run, steps=steps, evaluation=evaluation, prices=prices, setting=setting)
    cost = in_hindsight(made, run=run, steps=steps, prices=prices, setting=setting)
    assert cost.advice
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


def _on_a_phone(page: str, browse: Callable[..., str], width: int) -> int:
    """Check that nothing of a page is wider than a phone, and return how high it is."""
    framed = _framed(page, width=width, height=800, more=MEASURE)
    dom = browse(framed, "--dump-dom", "--virtual-time-budget=5000")
    told = re.search(r'data-measured="(\d+)x(\d+)"', dom)
    assert told, "the page did not load"
    assert int(told[1]) <= width
    wide = re.search(r'data-wide="([^"]*)"', dom)
    assert wide is not None
    assert wide[1] == "", "cut off, or to be scrolled to"
    assert 'data-scrolled=""' in dom, "a table that is to be scrolled"
    outside = re.search(r'data-outside="([^"]*)"', dom)
    assert outside is not None
    assert outside[1] == "", "words of a chart that reach beyond it"
    return int(told[2])


@pytest.mark.parametrize("width", PHONE_WIDTHS)
def test_nothing_is_cut_off_on_a_phone(report: str, browse: Callable[..., str], width: int) -> None:
    assert _on_a_phone(report, browse, width) > 2000


@pytest.mark.parametrize("width", [*PHONE_WIDTHS, 1280])
def test_nothing_of_a_forecast_is_cut_off(browse: Callable[..., str], width: int) -> None:
    prices = load_prices()
    demand = Demand(epoch_bytes=2e12, epoch_requests=2e5, pages=200, num_objects=2e5, epochs=10, compute_seconds=7200)
    found = forecast_ways(
        demand,
        Link(bytes_per_second=80e6),
        node_of("Standard_NC24ads_A100_v4", prices),
        Places(window_bytes=100 << 30),
        Market(prices=prices, tariff=find_scheme("s3://").tariff),
        paths=("nat+cross-region", "internet"),
    )
    assert _on_a_phone(forecast_page([found]), browse, width) > 1000


@pytest.mark.parametrize("width", PHONE_WIDTHS)
def test_nothing_of_a_comparison_is_cut_off_on_a_phone(browse: Callable[..., str], width: int) -> None:
    evaluation = make_evaluation(figures=every_figure())
    runs = [
        Compared(label=f"{LONG_NAME}{name}", place=f"/runs/{LONG_NAME}{name}", run=make_run(), evaluation=evaluation)
        for name in ("first", "second", "third", "fourth")
    ]
    page = render_comparison(runs, title="Four runs")
    assert _on_a_phone(page, browse, width) > 1000
    assert all(f"_{name}</text>" in page for name in ("first", "second", "third", "fourth")), "how a name ends"


def test_a_wide_comparison_is_scrolled_in_its_table_and_draws_every_run(browse: Callable[..., str]) -> None:
    evaluation = make_evaluation(figures=every_figure())
    runs = [
        Compared(label=f"run-{number}", place=f"/runs/{number}", run=make_run(), evaluation=evaluation)
        for number in range(20)
    ]
    page = render_comparison(runs, title="Twenty runs")
    dom = browse(_framed(page, width=1280, height=800, more=MEASURE), "--dump-dom", "--virtual-time-budget=5000")
    assert 'data-measured="1280x' in dom
    assert 'data-outside=""' in dom
    curves = page[page.index("<svg") : page.rindex("</svg>")]
    assert all(f"run-{number}" in curves for number in range(18))
    assert "Curves are those of the first 18 runs: 2 more would not be told apart." in page


def test_a_page_is_printed_as_it_is_seen(report: str, browse: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    browse(report, f"--print-to-pdf={tmp_path / 'out' / 'page.pdf'}", "--no-pdf-header-footer")
    assert (tmp_path / "out" / "page.pdf").read_bytes().startswith(b"%PDF")
