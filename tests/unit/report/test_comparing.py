"""Several runs side by side: which is best, what cannot be compared, and a page that shows it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest

from penstock.cli import main
from penstock.cost import load_prices
from penstock.cost.model import bill
from penstock.cost.setting import CostSetting
from penstock.records import CostReport, Evaluation, PictureFigure, read_record, write_record
from penstock.report.comparing import Compared, compared_rows, named, overlaid, same_pictures, warnings_of
from penstock.report.comparing_costs import cost_rows
from penstock.report.comparing_page import render_comparison
from penstock.tasks.metrics import metric_value
from penstock.units import format_usd
from support.figures import every_figure
from support.runs import make_evaluation, make_run


def scored(model: str, auroc: float | str, *, loss: float = 0.5, **changes: object) -> Evaluation:
    metrics = {
        "auroc": metric_value("AUROC", auroc, higher_is_better=True),
        "loss": metric_value("log loss", loss, higher_is_better=False),
    }
    figures = tuple(
        msgspec.structs.replace(
            figure, rows=tuple(msgspec.structs.replace(row, key=f"k{n}") for n, row in enumerate(figure.rows))
        )
        if isinstance(figure, PictureFigure)
        else figure
        for figure in every_figure()[:4]
    )
    fields = {"model": model, "metrics": metrics, "score": "auroc", "figures": figures, "task": "xray"} | changes
    return make_evaluation(**fields)


def compared(*evaluations: Evaluation, places: tuple[str, ...] = ("a", "b", "c")) -> list[Compared]:
    found = [
        Compared(label="", place=place, evaluation=each, run=None)
        for place, each in zip(places, evaluations, strict=False)
    ]
    return named(found)


def test_the_best_of_each_metric_is_marked_whichever_way_it_goes() -> None:
    rows = {row[0]: row[1:] for row in compared_rows(compared(scored("m", 0.7, loss=0.4), scored("n", 0.9, loss=0.6)))}
    assert rows["AUROC"] == ("0.7000", "0.9000 *")
    assert rows["log loss"] == ("0.4000 *", "0.6000")


@pytest.mark.parametrize("values", [(0.5, 0.5), (0.5, "undefined"), ("undefined", "undefined")])
def test_what_has_no_best_has_no_mark(values: tuple[float | str, float | str]) -> None:
    rows = compared_rows(compared(scored("m", values[0]), scored("n", values[1])))
    assert "*" not in "".join(next(row for row in rows if row[0] == "AUROC"))


def test_runs_are_named_by_what_tells_them_apart() -> None:
    assert [each.label for each in compared(scored("m", 1), scored("n", 1))] == ["m", "n"]
    places = ("runs/one", "runs/two")
    assert [each.label for each in compared(scored("m", 1), scored("m", 1), places=places)] == ["one", "two"]
    places = ("a/stage", "b/stage")
    assert [each.label for each in compared(scored("m", 1), scored("m", 1), places=places)] == [
        "1: a/stage",
        "2: b/stage",
    ]


def test_scores_of_other_samples_are_warned_of() -> None:
    same = compared(scored("m", 1), scored("n", 1))
    assert warnings_of(same) == ()
    [told] = warnings_of(compared(scored("m", 1), scored("n", 1, num_samples=7)))
    assert "other numbers of samples (3,120, 7)" in told
    [told] = warnings_of(compared(scored("m", 1), scored("n", 1, manifest_fingerprint="00" * 32)))
    assert "manifests differ" in told


def test_first_lines_are_drawn_over_one_another_and_samples_that_all_show_beside_one_another() -> None:
    runs = compared(scored("m", 1), scored("n", 1))
    [figure] = overlaid(runs)
    assert [series.name for series in figure.series] == ["m", "n"]
    same = same_pictures(runs)
    assert same is not None
    assert [len(row.pictures) for row in same.rows] == [5] * 5
    assert same.heads == ("No Finding", "reconstruction", "anomaly map", "reconstruction", "anomaly map")
    assert same.rows[0].caption.startswith("m\n")


def test_the_page_escapes_what_it_shows() -> None:
    runs = compared(scored("<script>alert(1)</script>", 1), scored("n", 1))
    page = render_comparison(runs, title="<b>")
    assert "<script>" not in page
    assert "<b>" not in page
    assert page.count("data:image/png;base64,") == 5 * 5 + 2 * 5 * 3
    assert page.count("<svg") == 1


def _written(folder: Path, evaluation: Evaluation) -> Path:
    folder.mkdir()
    write_record(folder / "evaluation.json", evaluation)
    write_record(folder / "run.json", make_run())
    return folder


def test_folders_and_files_are_compared_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = _written(tmp_path / "one", scored("m", 0.7)), _written(tmp_path / "two", scored("n", 0.9))
    words = ["compare", "--run", str(one), "--run", str(two / "evaluation.json"), "--html", str(tmp_path / "x.html")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert [line.split() for line in told.splitlines() if line.startswith("AUROC")] == [
        ["AUROC", "0.7000", "0.9000", "*"]
    ]
    assert "Runs compared" in (tmp_path / "x.html").read_text()


@pytest.mark.parametrize(
    ("others", "code", "told"),
    [
        ((), 2, "fewer than two runs"),
        (("nothing",), 70, "cannot read"),
        (("empty",), 70, "there is neither it nor evaluation.json"),
        (("eeg",), 2, "of other tasks: eeg-c1, xray"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], others: tuple[str, ...], code: int, told: str
) -> None:
    words = ["compare", "--run", str(_written(tmp_path / "one", scored("m", 0.7)))]
    _written(tmp_path / "eeg", scored("m", 0.7, task="eeg-c1"))
    (tmp_path / "empty").mkdir()
    for other in others:
        words += ["--run", str(tmp_path / other)]
    assert main(words) == code
    assert told in capsys.readouterr().err


def billed(folder: Path, run_id: str, *, evaluation: Evaluation | None = None, **changes: object) -> Path:
    """Write a run with its bill, evaluated or not."""
    folder.mkdir()
    run = make_run(run_id=run_id, **changes)
    setting = CostSetting(today=date(2026, 11, 28), instance_type="g5.xlarge", source_prices="s3")
    prices = load_prices(today=date(2026, 11, 28))
    write_record(folder / "run.json", run)
    write_record(folder / "cost.json", bill(run, steps=[], evaluation=None, prices=prices, setting=setting))
    if evaluation is not None:
        write_record(folder / "evaluation.json", evaluation)
    return folder


def test_costs_stand_side_by_side_evaluated_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = billed(tmp_path / "one", "one", user="ada", evaluation=scored("m", 0.7))
    two = billed(tmp_path / "two", "two", wall_seconds=2914.0, model="slow")
    page = tmp_path / "x.html"
    assert main(["compare", str(one), str(two), "--html", str(page)]) == 0
    told = capsys.readouterr().out
    rows = {line.split("  ")[0]: line.split()[-4:] for line in told.splitlines()}
    assert rows["AUROC"][-1] == "0.7000"
    cost = {name: read_record(tmp_path / name / "cost.json", CostReport) for name in ("one", "two")}
    totals = [format_usd(cost[name].total_usd) for name in ("one", "two")]
    assert rows["USD, total"][-3:] == [totals[0], "*", totals[1]]
    assert rows["USD, nodes"][-1] != rows["USD, total"][-1]
    assert rows["user"][-2:] == ["ada", "–"]
    assert {"USD, stall", "USD, an epoch", "USD, 1,000 samples", "USD, requests", "USD, transfer"} <= set(rows)
    text = page.read_text()
    assert totals[1] in text
    assert "AUROC" in text

    assert main(["compare", str(two), str(billed(tmp_path / "three", "three")), "--html", str(page)]) == 0
    assert "AUROC" not in capsys.readouterr().out
    assert "<h2>Scores</h2>" not in page.read_text()


def test_a_sum_that_lacks_a_price_is_never_the_least(tmp_path: Path) -> None:
    run = make_run()
    prices = load_prices(today=date(2026, 11, 28))
    costs = [
        bill(run, steps=[], evaluation=None, prices=prices, setting=CostSetting(today=prices.today, instance_type=kind))
        for kind in ("g5.xlarge", "p99.huge")
    ]
    runs = [Compared(label=f"{n}", place="", evaluation=None, run=run, cost=cost) for n, cost in enumerate(costs)]
    rows = {row[0]: row[1:] for row in cost_rows(runs)}
    assert rows["USD, total"][1].endswith(" + ?")
    assert not any("*" in cell for cell in (*rows["USD, total"], *rows["USD, an epoch"]))
    assert rows["USD, stall"][1] == "–"
