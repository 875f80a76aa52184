from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from penstock.cost import CostSetting, bill, load_prices
from penstock.cost.hindsight import in_hindsight
from penstock.records import (
    CostReport,
    Evaluation,
    Interval,
    Meters,
    PictureFigure,
    Prediction,
    RunRecord,
    Saves,
    StepRecord,
)
from penstock.report.cost_charts import lines_chart
from penstock.report.judging import judge
from penstock.report.page import render_markdown, render_report
from penstock.report.summary import cards
from penstock.report.tables import traffic_table
from penstock.tasks.metrics import classification_metrics, metric_value
from penstock.units import MIB
from support.figures import every_figure
from support.runs import make_evaluation, make_list_step, make_run, make_timeline

ATTACK = "</script></title></style></svg><script>alert(1)</script><img src=x onerror=alert(1)> \"' & $x^2$ | --> \x00"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class _Page(HTMLParser):
    """Collects what a page holds, and complains of tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def _cost(run: RunRecord, evaluation: Evaluation | None, steps: list[StepRecord]) -> CostReport:
    setting, prices = CostSetting(today=date(2026, 11, 21)), load_prices()
    made = bill(run, steps=steps, evaluation=evaluation, prices=prices, setting=setting)
    return in_hindsight(made, run=run, steps=steps, prices=prices, setting=setting)


def _render(run: RunRecord, evaluation: Evaluation | None, *steps: StepRecord, title: str = "A run") -> str:
    cost = _cost(run, evaluation, list(steps))
    return render_report(run, evaluation=evaluation, cost=cost, steps=steps, title=title)


def _words(page: _Page) -> str:
    return " ".join(" ".join(page.text).split())


def test_page_is_well_formed_and_small() -> None:
    text = _render(make_run(timeline=make_timeline()), make_evaluation(), make_list_step())
    page = _Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert len(text.encode()) < 400_000
    assert page.count("svg") == 4 + 4 + 1
    assert page.count("h1") == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_page_needs_nothing_beside_itself() -> None:
    text = _render(make_run(), make_evaluation(figures=every_figure()))
    page = _Page(text)
    assert page.count("img") == 5 * 3 + 2 * 10
    assert not {"script", "link", "iframe", "object", "foreignobject"} & {tag for tag, _ in page.tags}
    ids = {attributes.get("id") for _, attributes in page.tags}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href", "data", "action"):
            target = attributes.get(name)
            if tag == "img":
                assert target is None or target.startswith("data:image/png;base64,")
                continue
            assert target is None or (target.startswith("#") and target[1:] in ids)
    assert "@import" not in text
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {f"#{name}" for name in ids}
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}


def test_pictures_and_tables_can_be_read_out() -> None:
    page = _Page(_render(make_run(), make_evaluation()))
    for tag, attributes in page.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-labelledby"]
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
    assert page.count("desc") == page.count("svg")
    assert page.count("caption") == page.count("table")


@pytest.mark.parametrize(
    ("usd", "told"), [(0.0, "$0.00"), (1.2e-10, "< $0.0001"), (0.00031, "$0.00031"), (12.3, "$12.30")]
)
def test_a_cost_of_next_to_nothing_fits_its_card(usd: float, told: str) -> None:
    cost = msgspec.structs.replace(_cost(make_run(), None, []), total_usd=usd, stall_usd=usd)
    [card] = [card for card in cards(make_run(), evaluation=None, cost=cost, steps=[]) if card.label.startswith("Cost")]
    assert card.value == told


def test_headline_figures_are_those_of_the_records() -> None:
    run, evaluation = make_run(), make_evaluation()
    words = _words(_Page(_render(run, evaluation)))
    for told in (
        "0.841",
        "better by 0.159: predicting the mean scores 1.0",
        "115,200",
        "31.6 MiB",
        "of 32.0 MiB allowed",
        "4 min 51 s",
        f"{run.stall_seconds / (run.stall_seconds + run.compute_seconds):.1%}",
        run.manifest_fingerprint,
        "NVIDIA A10G",
        "2026-10-01",
        "AWS EC2 on-demand price list",
    ):
        assert told in words


def _slow(**changes: Any) -> RunRecord:
    """Return a run that waited for as long as it computed."""
    epochs = tuple(
        msgspec.structs.replace(epoch, stall_seconds=epoch.compute_seconds) for epoch in make_run(num_epochs=4).epochs
    )
    return make_run(num_epochs=4, epochs=epochs, **changes)


def test_what_would_help_a_run_that_waited_is_on_its_page_and_in_its_summary() -> None:
    run = _slow()
    cost = _cost(run, None, [])
    assert cost.advice
    words = _words(_Page(_render(run, None)))
    summary = render_markdown(run, evaluation=None, cost=cost, steps=[], title="A run").replace("\\", "")
    for text in (words, summary):
        assert "What would make it faster or cheaper" in text
        assert cost.bottleneck in text
        for each in cost.advice:
            assert each.flag in text
        for line in cost.meanings:
            assert line in text
        for way in cost.ways:
            assert way.told in text


def test_a_run_that_training_held_up_is_told_so_and_nothing_else() -> None:
    run = make_run(epochs=tuple(msgspec.structs.replace(each, stall_seconds=0.1) for each in make_run().epochs))
    assert "Training was the bottleneck" in _words(_Page(_render(run, None)))
    advice = _cost(run, None, []).advice
    assert [each.flag.split()[:2] for each in advice] == [["penstock", "pack"]], "requests are a third of its bill"
    assert all(each.seconds_saved is None for each in advice)


def test_the_timeline_is_drawn_with_its_attempts() -> None:
    words = _words(_Page(_render(make_run(timeline=make_timeline(attempts=3)), None)))
    assert "3 attempts, 2 min 00 s between them idle or unrecorded" in words
    assert words.count("idle, unrecorded") == 1
    for told in ("What the run did with its time", "Throughput", "Window", "Processor, memory and GPU"):
        assert told in words
    assert "GPU" not in _words(_Page(_render(make_run(timeline=make_timeline(gpu=False)), None)))


def test_a_run_without_a_timeline_has_no_charts_of_it() -> None:
    assert "What the run did with its time" not in _words(_Page(_render(make_run(), None)))


def test_broken_bound_is_told() -> None:
    run = make_run(meters=Meters(window_bytes=100, window_high_water_bytes=101))
    assert "bound broken" in _words(_Page(_render(run, None)))


@pytest.mark.parametrize(("kept", "is_told"), [(50_000, True), (6 << 20, False)])
def test_a_window_of_far_more_than_its_samples_says_what_the_rest_is(kept: int, is_told: bool) -> None:
    meters = Meters(window_bytes=256 << 20, window_high_water_bytes=8 << 20, kept_bytes=kept)
    assert ("the rest is slots that stand ready" in _words(_Page(_render(make_run(meters=meters), None)))) is is_told


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_run_that_did_not_succeed_says_so_at_the_top(state: Any) -> None:
    words = _words(_Page(_render(make_run(state=state, error="DiskFull: no space is left for /w"), None)))
    assert words.index("DiskFull: no space is left for /w") < words.index("Samples trained on")
    assert "was not evaluated" in words


def test_an_interrupted_run_counts_what_it_was_trained_on() -> None:
    whole = make_run()
    trained = sum(epoch.num_samples for epoch in whole.epochs)
    words = _words(_Page(_render(make_run(state="interrupted", unfinished_samples=1234), None)))
    assert f"{trained + 1234:,}" in words
    assert "and 1,234 of one that was not finished" in words
    words = _words(_Page(_render(make_run(state="interrupted", epochs=(), unfinished_samples=1234), None)))
    assert "Samples trained on 1,234" in words


def test_times_of_a_resumed_run_say_what_they_are_of() -> None:
    words = _words(_Page(_render(make_run(num_resumes=0), None)))
    assert "Last attempt" not in words
    words = _words(_Page(_render(make_run(num_resumes=2), None)))
    assert "of the trainer's 3 attempts, without what lay between" in words
    assert "Last attempt started" in words
    assert "Last attempt ended" in words


def test_run_that_ended_before_its_first_batch_still_gives_a_page() -> None:
    run = make_run(num_epochs=0, state="failed", error="BucketNotFound: nope", meters=Meters(), wall_seconds=0.0)
    page = _Page(_render(run, None))
    assert page.count("svg") == 0
    assert "BucketNotFound: nope" in _words(page)


def test_page_without_a_bill() -> None:
    text = render_report(make_run(), evaluation=None, cost=None, steps=[], title="A run")
    assert "No bill was made" in _words(_Page(text))


def test_classification_shows_the_confusion() -> None:
    truth, logits = np.repeat([0.0, 1.0], [40, 60]), np.repeat([[1.0, 0], [0, 1], [1, 0], [0, 1]], [30, 10, 15, 45], 0)
    metrics = classification_metrics(truth, logits)
    evaluation = make_evaluation(
        score="accuracy", metrics=metrics, classes=("ad", "game"), confusion=((30, 10), (15, 45))
    )
    words = _words(_Page(_render(make_run(), evaluation)))
    assert "Confusion, test split" in words
    assert "always naming the commonest class scores 0.6" in words
    assert "75.0% of 100 samples lie on the diagonal" in words


def test_no_value_can_become_markup() -> None:
    attack = metric_value(ATTACK, 0.5, higher_is_better=True, baseline=0.1, meaning=ATTACK)
    run = make_run(
        run_id=ATTACK, task=ATTACK, score=ATTACK, model=ATTACK, error=ATTACK, state="failed", checkpoint=ATTACK,
        config={ATTACK: ATTACK, "endpoint-url": ATTACK},
    )  # fmt: skip
    evaluation = make_evaluation(
        score=ATTACK,
        split=ATTACK,
        metrics={ATTACK: attack},
        classes=(ATTACK, "<b>bold</b>"),
        confusion=((3, 1), (0, 4)),
        predictions=(Prediction(key=ATTACK, group=ATTACK, truth=1.0, predicted=2.0),),
    )
    epochs = tuple(
        type(epoch)(**{name: getattr(epoch, name) for name in epoch.__struct_fields__} | {"valid": {ATTACK: attack}})
        for epoch in run.epochs
    )
    run = type(run)(**{name: getattr(run, name) for name in run.__struct_fields__} | {"epochs": epochs})
    page = _Page(_render(run, evaluation, make_list_step(step=ATTACK), title=ATTACK))
    assert not {"script", "img", "b"} & {tag for tag, _ in page.tags}
    assert page.count("svg") == 5
    assert "alert(1)" in _words(page)
    assert not any("\x00" in text for text in page.text)


def test_secrets_stay_out_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    error = "cannot read https://me:pw@host/x?X-Amz-Signature=abc123def with wJalrXUtnFEMI/K7MDENG"
    run = make_run(state="failed", error=error, config={"source": "https://u:hidden@host/"})
    for text in (_render(run, None), render_markdown(run, evaluation=None, cost=None, steps=[], title="A run")):
        assert not [secret for secret in ("wJalrX", "me:pw", "abc123def", "u:hidden") if secret in text]


def test_same_records_give_the_same_page() -> None:
    assert _render(make_run(), make_evaluation()) == _render(make_run(), make_evaluation())


def test_markdown_tells_the_headlines_and_escapes() -> None:
    run = make_run(state="failed", error="a | b\n# <script>")
    evaluation = make_evaluation()
    text = render_markdown(run, evaluation=evaluation, cost=_cost(run, evaluation, []), steps=[], title="*t*")
    assert r"# \*t\*" in text
    assert r"a \| b \# &lt;script&gt;" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows]
    assert cells[:15] == [3] * 15
    assert set(cells[15:]) <= {4, 6}


@pytest.mark.parametrize(
    ("value", "baseline", "higher", "tone", "told"),
    [
        (0.9, 1.0, False, "good", "better by 0.100"),
        (1.2, 1.0, False, "bad", "worse by 0.200"),
        (1.001, 1.0, False, "bad", "no better than guessing scores 1.0"),
        (0.3, 0.0, True, "good", "better by 0.300"),
        (0.4, 0.5, True, "bad", "worse by 0.100"),
        (3.0, None, True, "plain", "no baseline"),
        ("all 3 targets are 2", 1.0, True, "bad", "undefined: all 3 targets are 2"),
    ],
)
def test_score_is_judged_against_its_baseline(
    value: float | str, baseline: float | None, higher: bool, tone: str, told: str
) -> None:
    metric = metric_value("x", value, higher_is_better=higher, baseline=baseline, meaning="guessing")
    said, found = judge(metric)
    assert found == tone
    assert told in said


def test_report_and_progress_load_no_torch() -> None:
    code = "import sys, penstock.report.page, penstock.observe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bill_loads_no_drawing() -> None:
    code = "import sys, penstock.cost, penstock.observe; sys.exit(bool({'matplotlib', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_checkpoints_took_is_told() -> None:
    saves = Saves(count=12, seconds=1.5, size_bytes=3 << 20, writes=35)
    page = render_markdown(
        make_run(wall_seconds=150.0, saves=saves), evaluation=None, cost=None, steps=[], title="A run"
    )
    assert "| Checkpoints | 12 | 1.5 s to save them, 1.0% of the wall time; 35 writes, 3.0 MiB |" in page


def test_what_the_listing_left_out_is_told_as_what_it_counts() -> None:
    """Its entries: one may stand for many samples."""
    for number, told in ((1, "Left out by the listing 1 entry"), (2, "Left out by the listing 2 entries")):
        page = _words(_Page(_render(make_run(), None, make_list_step(details={"left_out": float(number)}))))
        assert told in page


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium to lay the page out")
def test_no_table_is_wider_than_a_page_of_1200(tmp_path: Path) -> None:
    page = re.sub("<meta[^>]*Content-Security-Policy[^>]*>", "", _render(make_run(), None))  # it forbids scripts
    widths = "[...document.querySelectorAll('.scroll')].map(each => each.scrollWidth - each.clientWidth)"
    (tmp_path / "page.html").write_text(
        page.replace("</body>", f"<script>document.body.dataset.beyond = {widths}</script></body>")
    )
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,2000", "--dump-dom"]
    words += [f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "page.html").as_uri()]
    shown = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60).stdout
    beyond = re.search('data-beyond="([0-9,]+)"', shown)
    assert beyond is not None
    assert set(beyond[1].split(",")) == {"0"}


def test_other_ways_are_drawn_where_the_link_was_measured() -> None:
    probe = make_list_step(step="prefetch", details={"rate_bytes_per_second": 2000.0})
    without, measured = (_render(make_run(), None, *steps) for steps in ((), (probe,)))
    assert "Cost by way" not in without
    assert "Cost by way" in measured
    assert "Other ways for the data" in measured


def test_figures_of_every_kind_are_drawn() -> None:
    page = _Page(_render(make_run(), make_evaluation(figures=every_figure("Cardiomegaly"))))
    words = _words(page)
    assert page.count("svg") == 7
    assert "Cardiomegaly AUROC AUPRC Cardiomegaly 0.812 0.4" in words
    assert "Cardiomegaly score 0.4" in words
    assert words.count("anomaly map") == 5
    shown = [attributes for tag, attributes in page.tags if tag == "img"]
    assert all(attributes["alt"] for attributes in shown)
    assert page.count("desc") == page.count("svg")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_text_of_figures_cannot_break_the_page() -> None:
    figures = every_figure(ATTACK)
    text = _render(make_run(), make_evaluation(figures=figures))
    page = _Page(text)
    assert page.count("script") == 0
    assert {attributes.get("src") for tag, attributes in page.tags if tag == "img"} <= {
        f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
        for figure in figures
        if isinstance(figure, PictureFigure)
        for row in figure.rows
        for picture in row.pictures
    }
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_an_interval_is_told_beside_its_metric() -> None:
    interval = Interval(low=0.71, high=0.89, meaning="95 % of 500 bootstrap samples of patients")
    auroc = msgspec.structs.replace(metric_value("AUROC", 0.81, higher_is_better=True), interval=interval)
    words = _words(_Page(_render(make_run(), make_evaluation(metrics={"auroc": auroc}, score="auroc"))))
    assert "AUROC 0.8100 (0.710 to 0.890)" in words
    assert "in brackets 95 % of 500 bootstrap samples of patients" in words


def test_what_a_listing_reads_is_no_miss_of_the_window() -> None:
    run = make_run(meters=Meters(bytes_downloaded=MIB, sample_bytes=4 * MIB))
    shown = traffic_table(run, evaluation=None, steps=[make_list_step()])
    column = shown.header.index("From window")
    assert [row[column] for row in shown.rows] == ["\N{EN DASH}", "75%", "75%"]


def test_a_bill_of_many_lines_is_drawn_with_all_of_its_dollars() -> None:
    run = make_run()
    cost = bill(run, steps=[], evaluation=None, prices=load_prices(), setting=CostSetting(today=date(2026, 11, 21)))
    line = msgspec.structs.replace(cost.lines[0], quantity=Decimal(1), usd=None)
    dear = [msgspec.structs.replace(line, what=f"line {number}", usd=Decimal(number + 1)) for number in range(12)]
    drawn = lines_chart(msgspec.structs.replace(cost, lines=(*dear, msgspec.structs.replace(line, what="open"))))
    assert "2 more lines" in drawn
    assert "$1.00 + ?" in drawn
