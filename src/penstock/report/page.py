"""The report: one HTML page that needs nothing beside itself, and a short Markdown summary.

The page has no script, link, font or picture from elsewhere, so that it opens from a mail, in a sandboxed
frame and in ten years. Every value is escaped and freed of secrets on its way into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

import penstock
from penstock.records import CostReport, Evaluation, RunRecord, StepRecord
from penstock.report.bill_figures import attempts_table, bill_figures, figures_table
from penstock.report.charts import confusion_chart, loss_chart, score_chart, stall_chart, truth_chart
from penstock.report.cost_charts import lines_chart, ways_chart
from penstock.report.cost_tables import advice_table, cost_table, ways_table
from penstock.report.figures import ShownPictures, charts_of, pictures_of, tables_of
from penstock.report.judging import choose_score
from penstock.report.markdown import escape_markdown, tidy
from penstock.report.progress import Progress
from penstock.report.summary import cards
from penstock.report.tables import DASH, Table, epoch_table, metric_table, mix_table, skipped_table, traffic_table
from penstock.report.timeline_charts import timeline_charts
from penstock.units import format_usd

__all__ = ["Drawn", "draw", "environment", "render_markdown", "render_report"]

_FLAGS = {
    "checkpoint_every_steps": "checkpoint_every",
    "num_epochs": "epochs",
    "num_threads": "threads",
    "warmup_fraction": "warmup",
}
"""Settings that options call otherwise."""

_STATES = {
    "succeeded": "Succeeded",
    "interrupted": "Interrupted before it was finished",
    "failed": "Failed",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """What a page shows of a run beside its bill, which takes most of the time of a page.

    Attributes:
        charts: headings and pictures.
        pictures: of the evaluation's samples.
    """

    charts: Sequence[tuple[str, Markup]]
    pictures: Sequence[ShownPictures]


def draw(run: RunRecord, evaluation: Evaluation | None) -> Drawn:
    """Draw what can be drawn before there is a bill, which may so have the time of it."""
    return Drawn(charts=_charts(run, evaluation), pictures=pictures_of(evaluation.figures) if evaluation else ())


def render_report(
    run: RunRecord,
    *,
    evaluation: Evaluation | None,
    cost: CostReport | None,
    steps: Sequence[StepRecord],
    title: str,
    forecast: Table | None = None,
    drawn: Drawn | None = None,
) -> str:
    """Write the page, as a whole HTML document.

    Args:
        run: the training run, however it ended.
        evaluation: its evaluation, None where it got none.
        cost: its bill.
        steps: records of its other steps.
        title: heading of the page.
        forecast: what was forecast beside what came of it; None where nothing was.
        drawn: of the same run and evaluation, where that was done before; None draws it.
    """
    drawn = drawn or draw(run, evaluation)
    return environment().get_template("report.html").render(
        title=title,
        run=run,
        evaluation=evaluation,
        cost=cost,
        state=_STATES[run.state],
        cards=cards(run, evaluation=evaluation, cost=cost, steps=steps),
        charts=drawn.charts,
        pictures=drawn.pictures,
        tables=tables_of(evaluation.figures) if evaluation else (),
        metrics=metric_table(evaluation) if evaluation else None,
        traffic=traffic_table(run, evaluation=evaluation, steps=steps),
        skipped=skipped_table(run, evaluation=evaluation, steps=steps),
        mix=mix_table(run),
        epochs=epoch_table(run) if run.epochs else None,
        bill=cost_table(cost) if cost else None,
        forecast=forecast,
        cost_charts=_cost_charts(cost) if cost else (),
        ways=ways_table(cost) if cost else None,
        advice=advice_table(cost) if cost else None,
        bill_figures=figures_table(cost) if cost else None,
        attempts=attempts_table(cost) if cost else None,
        config=sorted((_flag(name), _shown(value)) for name, value in run.config.items()),
        provenance=_provenance(run, evaluation),
    )  # fmt: skip


def render_markdown(
    run: RunRecord,
    *,
    evaluation: Evaluation | None,
    cost: CostReport | None,
    steps: Sequence[StepRecord],
    title: str,
    forecast: Table | None = None,
) -> str:
    """Write the headline figures as Markdown: a heading, how the run ended, and one table."""
    lines = [f"# {escape_markdown(title)}", ""]
    lines.append(
        f"**{_STATES[run.state]}**: {escape_markdown(run.task or DASH)}, {escape_markdown(run.model or DASH)}, "
        f"run {escape_markdown(run.run_id)}"
    )
    if run.error:
        lines.append(f"\n{escape_markdown(run.error)}")
    lines += ["", "| Figure | Value | Note |", "|---|---:|---|"]
    for card in cards(run, evaluation=evaluation, cost=cost, steps=steps):
        lines.append(
            f"| {escape_markdown(card.label)} | {escape_markdown(card.value)} | {escape_markdown(card.note)} |"
        )
    for name, value in bill_figures(cost) if cost else ():
        lines.append(f"| {escape_markdown(name)} | {escape_markdown(value)} | |")
    for name, each in zip(run.mix_names, run.mix, strict=True):
        drawn = f"{each.share:.1%} by its weight; {each.given / max(sum(one.given for one in run.mix), 1):.1%} drawn"
        lines.append(f"| Drawn of {escape_markdown(name)} | {each.given:,} | {escape_markdown(drawn)} |")
    if forecast is not None:
        lines += ["", escape_markdown(forecast.caption), "", *_rows(forecast)]
    lines += _advice_lines(cost) if cost else []
    warnings = cost.warnings if cost else ()
    if warnings:
        lines += ["", *(f"- {escape_markdown(warning)}" for warning in warnings)]
    return "\n".join(lines) + "\n"


def _advice_lines(cost: CostReport) -> list[str]:
    """Say what held the run up, what the break-evens mean, and give the tables of ways and of what to do."""
    heading = ["", "## What would make it faster or cheaper", "", escape_markdown(cost.bottleneck)]
    lines = heading if cost.bottleneck else []
    lines += [part for shown in (advice_table(cost), ways_table(cost)) if shown for part in ("", *_rows(shown))]
    return lines + (["", *(f"- {escape_markdown(line)}" for line in cost.meanings)] if cost.meanings else [])


def _rows(shown: Table) -> list[str]:
    """Write a table as Markdown."""
    marks = ("---" if column in shown.text_columns else "---:" for column in range(len(shown.header)))
    head = [f"| {' | '.join(map(escape_markdown, shown.header))} |", f"|{'|'.join(marks)}|"]
    return head + [f"| {' | '.join(map(escape_markdown, row))} |" for row in shown.rows]


def _charts(run: RunRecord, evaluation: Evaluation | None) -> list[tuple[str, Markup]]:
    """Return headings and pictures; only what was recorded is drawn."""
    found: list[tuple[str, str]] = []
    if run.losses or run.epochs:
        found.append(("Loss", loss_chart(run)))
    score = choose_score(run, evaluation)
    valid = [*(epoch.valid for epoch in run.epochs), *(each.valid for each in run.evaluations)]
    shown = [metrics[score] for metrics in valid if score in metrics]
    if any(metric.value is not None for metric in shown):
        found.append((f"Validation {shown[0].label} by {Progress.of([run]).noun}", score_chart(run, score)))
    if run.epochs:
        found.append(("Compute and stall", stall_chart(run)))
    found += timeline_charts(run)
    if evaluation and evaluation.confusion:
        found.append((f"Confusion, {evaluation.split} split", confusion_chart(evaluation)))
    elif evaluation and evaluation.predictions:
        found.append((f"Truth and prediction, {evaluation.split} split", truth_chart(evaluation)))
    found += charts_of(evaluation.figures) if evaluation else ()
    return [(heading, Markup(svg)) for heading, svg in found]  # noqa: S704 - serialised by ElementTree, which escapes


def _flag(name: str) -> str:
    """Write a setting's name as the option is called."""
    return _FLAGS.get(name, name).replace("_", "-")


def _cost_charts(cost: CostReport) -> list[tuple[str, Markup]]:
    """Return headings and pictures of what costs how much."""
    found = [("Cost by line", lines_chart(cost))] if any(line.usd for line in cost.lines) else []
    found += [("Cost by way", ways_chart(cost))] if cost.ways else []
    return [(heading, Markup(svg)) for heading, svg in found]  # noqa: S704 - serialised by ElementTree, which escapes


def _provenance(run: RunRecord, evaluation: Evaluation | None) -> list[tuple[str, str]]:
    host = run.host
    instance = host.instance_type or "instance type not known"
    devices = f"{host.num_devices} x {host.device}" if host.num_devices > 1 else host.device
    pairs: Mapping[str, str | None] = {
        "Run": run.run_id,
        "Last attempt started" if run.num_resumes else "Started": run.started_at or DASH,
        "Last attempt ended" if run.num_resumes else "Ended": run.ended_at or DASH,
        "Resumed": "never" if run.num_resumes == 0 else f"{run.num_resumes} x, from a checkpoint",
        "Task": run.task or DASH,
        "Model": f"{run.model}, {run.num_parameters:,} parameters" if run.model else DASH,
        "Host": f"{host.num_cpus} CPUs, {devices}, {instance}" if host.num_cpus else DASH,
        "Manifest": run.manifest_fingerprint,
        "Plan": run.plan_fingerprint,
        "Checkpoint": run.checkpoint,
        "Weights (SHA-256)": run.weights_sha256,
        "Evaluated checkpoint (SHA-256)": evaluation.checkpoint_sha256 if evaluation else None,
        "Evaluated manifest": evaluation.manifest_fingerprint if evaluation else None,
        "Evaluated on": "; ".join(evaluation.notes) if evaluation else None,
        "Report made by": f"Penstock {penstock.__version__}, run record version {run.version}",
    }
    return [(name, value) for name, value in pairs.items() if value]


def _shown(value: str | int | float | bool | None) -> str:
    if value is None:
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _finalize(value: object) -> object:
    return tidy(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def environment() -> jinja2.Environment:
    """Return what renders pages: every value is escaped, freed of secrets, and cut where it is very long."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("penstock.report", "templates"),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["usd"] = format_usd
    return made
