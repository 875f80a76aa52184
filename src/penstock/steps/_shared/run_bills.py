"""Bills of runs, read where the runs left them: a folder of `penstock run`, or a run's folder in a run root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from penstock.cost.focus import FocusRun, as_focus
from penstock.errors import ObjectNotFound, PenstockError, RecordError, SourceError
from penstock.records import CostReport, RunRecord, decode_record, read_record
from penstock.sources import is_local, open_blobs
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.problems import kept
from penstock.steps._shared.run_figures import TOO_LARGE, untrue

__all__ = ["check_same_run", "files_of", "places_of", "read_bill", "read_bills"]

_ROUNDED = Decimal("0.000001")
"""USD that a bill of an earlier version may be off by, whose sums were rounded."""
_MOST_BYTES = 1 << 30
_COST, _TRAINED = "cost.json", "records/train.json"
"""Where a run root has them."""


def places_of(runs: Sequence[str], under: Sequence[Path], problems: list[PenstockError]) -> tuple[str, ...]:
    """Return the places of runs, each once: those named, then those with a bill in some folders.

    Args:
        problems: where that of a folder is put that is none, or that no run with a bill is in.
    """
    found = [run if not is_local(run) else str(Path(run.removeprefix("file://")).absolute()) for run in runs]
    for folder in under:
        inside = sorted(_runs_in(folder))
        if not inside:
            told, fix = f"no run with a bill is in {folder}", "name a folder that runs are in, each with its run.json"
            problems.append(RecordError(told, fix=f"{fix} and cost.json", about=str(folder)))
        found += [str(place.absolute()) for place in inside]
    return tuple(dict.fromkeys(found))


def _runs_in(folder: Path) -> Iterator[Path]:
    for cost in folder.rglob(_COST):
        if JobFiles(cost.parent).run_record.exists() or (cost.parent / _TRAINED).exists():
            yield cost.parent


def files_of(place: str) -> tuple[Path, ...]:
    """Return the files that are read of a run, which nobody may write over; none of one in a store."""
    folder = Path(place)
    return (folder, *JobFiles(folder).records, folder / _TRAINED) if is_local(place) else ()


def read_bills(
    places: Sequence[str], *, endpoint_url: str | None, problems: list[PenstockError]
) -> dict[str, FocusRun]:
    """Read runs and their bills; give those that can be read, by their places.

    Args:
        problems: where that of a run is put that cannot be read.
    """
    found = {}
    for place in places:
        with kept(problems, RecordError, SourceError, about=place):
            found[place] = read_bill(place, endpoint_url=endpoint_url)
    return found


def read_bill(place: str, *, endpoint_url: str | None) -> FocusRun:
    """Read a run and its bill.

    Raises:
        RecordError: there is no such record, they are not of the same run, or their figures cannot be true.
        SourceError: the store could not be read.
    """
    found = _from_folder(Path(place)) if is_local(place) else _from_store(place, endpoint_url)
    check_same_run(found.run, found.cost, place)
    if wrong := _wrong(found):
        raise RecordError(
            f"what is recorded in {place} cannot be true: {wrong}", fix="make its report again", about=place
        )
    return found


def check_same_run(run: RunRecord, cost: CostReport, place: str) -> None:
    """Refuse a bill of another run than the record beside it.

    Raises:
        RecordError: it is of one.
    """
    if run.run_id != cost.run_id:
        raise RecordError(
            f"the bill in {place} is of the run {cost.run_id}, its record of {run.run_id}",
            fix="make its report again",
            about=place,
        )


def _from_folder(folder: Path) -> FocusRun:
    files = JobFiles(folder)
    trained = folder / _TRAINED
    record = trained if trained.exists() and not files.run_record.exists() else files.run_record
    if not record.exists() or not files.cost.exists():
        missing = record if not record.exists() else files.cost
        raise RecordError(
            f"{folder} is no run with a bill: there is no {missing}",
            fix="name a folder that `penstock run` ended in, or one of a run root with a bill of `penstock report`",
            about=str(folder),
        )
    return FocusRun(run=read_record(record, RunRecord), cost=read_record(files.cost, CostReport))


def _from_store(place: str, endpoint_url: str | None) -> FocusRun:
    blobs = open_blobs(place.rstrip("/"), endpoint_url=endpoint_url)
    try:
        run, cost = (blobs.read(name, most_bytes=_MOST_BYTES) for name in (_TRAINED, _COST))
    except ObjectNotFound as error:
        raise RecordError(
            f"{place} is no run of a run root with a bill: {error.what}",
            fix=f"name a run's folder, with {_TRAINED} and {_COST}, which `penstock report` puts there",
            about=place,
        ) from error
    return FocusRun(
        run=decode_record(run, RunRecord, origin=blobs.locate(_TRAINED)),
        cost=decode_record(cost, CostReport, origin=blobs.locate(_COST)),
    )


def _wrong(found: FocusRun) -> str:
    """Return what of a run's figures cannot be; empty where they can."""
    run, cost = found.run, found.cost
    usd = [line.usd for line in cost.lines if line.usd is not None]
    try:
        as_focus([found], account="", tags={})
        if wrong := untrue(run):
            return wrong
        if any(each < 0 for each in usd):
            return "it counts less than nothing"
        if abs(sum(usd, Decimal(0)) - cost.total_usd) > _ROUNDED:
            return f"its bill comes to {cost.total_usd} USD, and its lines to {sum(usd, Decimal(0))}"
    except (ValueError, ArithmeticError) as error:
        return str(error) if isinstance(error, ValueError) else TOO_LARGE
    return ""
