"""Where the results of `penstock run` lie, and what they come to."""

from __future__ import annotations

from pathlib import Path

from penstock.manifest import ManifestReader
from penstock.observe.labels import metric_text, metrics_line
from penstock.records import CostReport, Evaluation, Meters, RunRecord, StepRecord, read_record
from penstock.steps._shared.mix_told import mix_lines
from penstock.texts import counted
from penstock.units import format_bytes, format_seconds, format_usd

__all__ = ["JobFiles", "describe"]


class JobFiles:
    """Where a job's results lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = folder / "job.json"
        self.manifest = folder / "manifest.parquet"
        self.plan = folder / "plan.json"
        self.list_record = folder / "list.json"
        self.window = folder / "window"
        self.cache = folder / "cache"
        self.store = folder / "store"
        self.store_record = folder / "pack.json"
        self.meters = folder / "meters"
        self.attempts = folder / "attempts.json"
        self.checkpoints = folder / "checkpoints"
        self.run_record = folder / "run.json"
        self.metrics = folder / "evaluation.json"
        self.stopped_record = folder / "evaluate-stopped.json"
        self.plot = folder / "truth.svg"
        self.cost = folder / "cost.json"
        self.html = folder / "report.html"
        self.forecast = folder / "forecast.json"
        self.forecast_page = folder / "forecast.html"
        self.probe_record = folder / "probe.json"
        self.markdown = folder / "report.md"

    @property
    def records(self) -> tuple[Path, ...]:
        """What other steps read of a job, and nobody may write over."""
        made = self.job, self.manifest, self.plan, self.run_record, self.metrics, self.cost, self.forecast
        return (*made, *self.all_step_records, self.attempts)

    @property
    def step_records(self) -> tuple[Path, ...]:
        """Where steps other than training and evaluation tell what they took, those that there are."""
        return tuple(path for path in self.all_step_records if path.exists())

    @property
    def all_step_records(self) -> tuple[Path, ...]:
        """Where they tell it, whether they were done or not."""
        return self.list_record, self.probe_record, self.store_record, self.stopped_record


def describe(files: JobFiles) -> str:
    """Sum up a job for a person."""
    with ManifestReader(files.manifest) as reader:
        info = reader.info
    record = read_record(files.run_record, RunRecord)
    found = read_record(files.metrics, Evaluation)
    steps = [read_record(path, StepRecord).meters for path in files.step_records]
    downloaded = sum(each.bytes_downloaded for each in (record.meters, found.meters, *steps))
    metrics = metrics_line(found.metrics)
    rows = [
        ("samples", f"{info.num_samples} in {counted(info.num_objects, 'object')} ({format_bytes(info.object_bytes)})"),
        ("trained on", _trained(record)),
        ("downloaded", format_bytes(downloaded)),
        ("peak window", _window(record.meters)),
        ("stall", _stall(record)),
        ("wall", format_seconds(record.wall_seconds)),
        (f"{found.split} score", f"{found.score} {metric_text(found.metrics.get(found.score))}"),
        ("metrics", metrics),
        *(("note", note) for note in found.notes),
        *(("drawn", line.removeprefix("drawn ")) for line in mix_lines(record)),
        *_skipped_rows(record, found),
        ("cost", _cost(read_record(files.cost, CostReport))),
        ("report", str(files.html)),
    ]
    return "".join(f"{name:>14}  {value}\n" for name, value in rows)


def _trained(record: RunRecord) -> str:
    if not record.epochs:
        return f"{record.num_trained_samples}; no epoch was finished"
    part = f" and {record.unfinished_samples} of one that was not finished" if record.unfinished_samples else ""
    return f"{record.num_trained_samples} in {counted(len(record.epochs), 'epoch')}{part}"


def _stall(record: RunRecord) -> str:
    if not record.epochs:  # it is measured by epochs
        return "– (no epoch was finished)"
    return f"{format_seconds(record.stall_seconds)} ({100 * record.stall_share:.1f} % of training)"


def _cost(bill: CostReport) -> str:
    """Tell the total, what waiting was of it, and what is not in it."""
    from penstock.report.bill_figures import told_total  # here: whoever looks for files does without bills
    from penstock.report.tables import lower

    waited = "" if not bill.stall_usd else f", of it waiting for data {format_usd(bill.stall_usd)}"
    hours = [line.what for line in bill.lines if line.unit == "hour" and line.usd is None and line.quantity]
    open_ones = ["node hours (name the node with --instance-type)"] if hours else []
    open_ones += [lower(what) for what in bill.unpriced if what not in hours]
    without = f"; no price is known of {', '.join(open_ones)}" if open_ones else ""
    return f"{told_total(bill)}{waited}{without}" if bill.lines else "nothing that could be billed"


def _window(meters: Meters) -> str:
    taken = f"{format_bytes(meters.window_high_water_bytes)} of {format_bytes(meters.window_bytes)}"
    kept = f" (of samples {format_bytes(meters.kept_bytes)}; the rest is slots that stand ready)"
    return f"{taken}{kept if meters.stands_ready else ''}"


def _skipped_rows(record: RunRecord, found: Evaluation) -> list[tuple[str, str]]:
    """Tell what was left out, where anything was."""
    meters = record.meters.plus(found.meters)
    if not meters.num_skipped:
        return []
    named = ", ".join(sample.key for sample in meters.skipped[:3])
    return [("left out", f"{meters.num_skipped} times a bad sample: {named}{', …' if len(meters.skipped) > 3 else ''}")]
