"""The table of what works with what, made of the tests that ran: docs/support.md.

A test that shows a cell of it carries a mark, which ``proved`` gives for each that the registries say can be. Cells
that are left out have a reason. In any run of tests a cell whose test was skipped fails the run, and so does one that
is not in the table; with ``--regenerate`` the table is written of the tests that passed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from support.every_format import DATASETS, EveryFormat
from support.every_source import PLACES

__all__ = ["FEATURES", "OF_SOURCES", "PAGE", "Cell", "all_cells", "proved", "proved_sources", "rendered", "why_not"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "support.md"

HEAD: Final = """# What works with what

Made of the tests that passed, by `make golden`: each `yes` is a test that ran with a server of that kind, each number a
reason, told at the end. The suite fails where these tables say more than its tests, or less. How formats are asked for
is in [formats](formats.md), sources in [sources](sources.md).

## Formats out of sources

The same files through each source: the same samples in the same order with the same fingerprint of their content, while
each seventh answer fails (not of `local`). `web` is an index page and those below it, `urls` a list of URLs; `ftp`
stands for all that fsspec reaches. Of `zarr`, `litdata`, `lance` and `recordings` a dataset is several objects.
"""

Cell = tuple[str, str]
"""A row and a column: a format and a feature, a source and a feature, or a format and ``from`` with a source."""

FEATURES: Final = {
    "columns": "`select` gives the columns that are asked for and no other",
    "where": "`where` takes samples by their keys",
    "split": "`split(by=a column)` keeps samples of one value together",
    "shuffle": "an epoch has another order than the listing, the same samples, each once",
    "resume": "after `load_state_dict` the next batches are those that would have come",
    "row": "`open_shard_at_row` goes on at any row",
    "ranges": "a sample is read without the rest of its object, counted at the server",
    "packed": "files that are packed by gzip or Zstandard are read as they are",
    "early": "an epoch begins before the source is listed to its end (`stream_listing`)",
    "pack": "`penstock pack` writes its samples anew, verified",
}
"""What is asked of each format."""

OF_SOURCES: Final = {
    "window": "two epochs through the window, in the order that a folder gives",
    "ranges": "row groups of chosen columns, by range",
    "rows": "shards from any row on",
    "faults": "servers that are busy, connections that are reset and bodies that are cut in mid-iteration leave "
    "samples as they are, and are counted",
    "changed": "an object that changed after it was listed is refused",
    "early": "an epoch begins before the source is listed to its end",
}
"""What is asked of each source."""


def why_not(name: str, feature: str) -> str:
    """Return why a format has no such feature, empty where it has."""
    kind: EveryFormat = DATASETS[name]
    found: Any = {
        "columns": kind.columns,
        "split": kind.group_by,
        "packed": kind.packed,
        "ranges": kind.ranges,
        "pack": kind.pack,
    }.get(feature, True)
    if kind.needs and feature not in ("where",):
        return f"it needs {kind.needs}, which is too large for the tests' own packages"
    return found if isinstance(found, str) and " " in found else ""


def proved(feature: str, *more: str) -> list[Any]:
    """Return the formats that have a feature, as parameters of the test that shows it; it may show more at once."""
    return [
        pytest.param(name, marks=pytest.mark.covers(row=name, columns=(feature, *more)))
        for name in DATASETS
        if not why_not(name, feature)
    ]


def proved_sources(feature: str = "") -> list[Any]:
    """Return the sources that have a feature, all where none is named, as parameters of tests that show it."""
    return [
        pytest.param(name, marks=pytest.mark.covers(source=name)) for name in PLACES if not why_no_source(name, feature)
    ]


def all_cells() -> list[Cell]:
    """Return all cells of which the table says yes."""
    formats = [(name, feature) for name in DATASETS for feature in FEATURES if not why_not(name, feature)]
    sources = [(name, feature) for name in PLACES for feature in OF_SOURCES if not why_no_source(name, feature)]
    between = [(name, f"from {source}") for name in DATASETS for source in PLACES if not why_not(name, "from")]
    return [*formats, *sources, *between]


def why_no_source(name: str, feature: str) -> str:
    """Return why a source has no such feature, empty where it has."""
    if feature == "changed" and name in ("hf", "kaggle"):
        return "a commit or version is pinned, whose files stay what they are: other bytes fail by their checksum"
    return "a disk that fails is an error at once" if (name, feature) == ("local", "faults") else ""


def rendered(cells: Iterable[Cell]) -> str:
    """Return the page of some cells."""
    held = set(cells)
    notes: dict[str, int] = {}

    def cell(row: str, column: str, reason: str) -> str:
        if (row, column) in held:
            return "yes"
        return f"[{notes.setdefault(reason, len(notes) + 1)}]" if reason else ""

    def table(rows: Iterable[str], columns: Mapping[str, str], why: Any, of: str) -> list[str]:
        lines = [f"| {of} | {' | '.join(columns.values())} |", f"|---|{'---|' * len(columns)}"]
        return lines + [
            f"| `{row}` | {' | '.join(cell(row, column, why(row, column)) for column in columns)} |" for row in rows
        ]

    from_sources = {f"from {source}": source for source in PLACES}
    parts = [
        HEAD,
        *table(DATASETS, from_sources, lambda name, column: why_not(name, "from"), "format"),
        "",
        "## Features of formats",
        "",
        *(f"- *{name}*: {told}." for name, told in FEATURES.items()),
        "",
        *table(DATASETS, {name: name for name in FEATURES}, why_not, "format"),
        "",
        "## Features of sources",
        "",
        *(f"- *{name}*: {told}." for name, told in OF_SOURCES.items()),
        "",
        *table(PLACES, {name: name for name in OF_SOURCES}, why_no_source, "source"),
        "",
        *(f"{number}. {reason}" for reason, number in notes.items()),
        "",
    ]
    return "\n".join(parts)


def _cells_of(item: pytest.Item) -> list[Cell]:
    told: dict[str, Any] = {}
    for mark in item.iter_markers("covers"):
        told |= mark.kwargs
    rows = told.get("row") or told.get("source")
    if rows is None:
        return []
    columns = tuple(
        column for column in told.get("columns", ()) if "source" not in told or not why_no_source(rows, column)
    )
    if "row" in told and "source" in told:
        columns = [f"from {told['source']}"]
    return [(rows, column) for column in columns]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write down what a test shows, in its report, which workers send."""
    report = yield
    if report.when == "call" or report.skipped:
        item.user_properties += [("covers", list(cell)) for cell in _cells_of(item)]
        report.user_properties = list(item.user_properties)
    return report


class Proofs:
    """Gathers what tests showed, where reports of all workers come."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._passed: set[Cell] = set()
        self._skipped: set[Cell] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        cells = {(str(row), str(column)) for name, (row, column) in _covers(report)}
        if report.when == "call" and report.passed:
            self._passed |= cells
        elif report.skipped:
            self._skipped |= cells

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        wanted = set(all_cells())
        if self._config.getoption("--regenerate") and self._passed:
            if missing := wanted - self._passed:
                self._fail(session, f"not written, for no test that passed shows {sorted(missing)[:8]}")
            else:
                PAGE.write_text(rendered(self._passed))
        elif self._skipped & wanted:
            self._fail(session, f"says yes to what no test showed: {sorted(self._skipped & wanted)[:8]} were skipped")
        elif self._passed - wanted:
            self._fail(session, f"lacks what tests show: {sorted(self._passed - wanted)[:8]}")

    def _fail(self, session: pytest.Session, what: str) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"docs/{PAGE.name} {what}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _covers(report: pytest.TestReport) -> list[Any]:
    return [each for each in report.user_properties if each[0] == "covers"]
