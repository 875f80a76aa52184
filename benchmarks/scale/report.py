"""The report of a run in Markdown, made from its raw figures alone."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import machine_words, table

BOUND_BYTES = 600_000_000

METHOD = """\
Each figure is of a process of its own. **list** is the whole `penstock list --task objects` against a server that
computes pages of ListObjectsV2 (1,000 objects a page, each with an ETag of its own, 1,000 objects a folder): listing,
splits by group, manifest and plan. **read** opens that manifest and takes chunks of a shuffled epoch of its
training split by `ManifestReader.take`, the first chunk (nothing cached) told apart from the median of the others.

- **CPU**: user and system time; of reading, of `take` alone.
- **seconds**: by the wall, the server on the same cores included.
- **peak MB**: most memory resident, libraries included (millions of bytes); the goal is below 600."""


def _million(number: float) -> str:
    return f"{number / 1e6:g} M"


def _listing(runs: list[dict[str, Any]]) -> list[str]:
    rows = [["objects", "CPU s", "CPU s a million", "seconds a million", "peak MB", "manifest MB"]]
    rows += [
        [
            _million(run["num_objects"]),
            f"{run['cpu_seconds']:.1f}",
            f"{run['cpu_seconds'] / run['num_objects'] * 1e6:.1f}",
            f"{run['wall_seconds'] / run['num_objects'] * 1e6:.1f}",
            f"{run['peak_bytes'] / 1e6:.0f}",
            f"{run['manifest_bytes'] / 1e6:.1f}",
        ]
        for run in runs
    ]
    return table(rows)


def _reading(runs: list[dict[str, Any]]) -> list[str]:
    rows = [["objects, rows a chunk", "chunks", "CPU us a row", "CPU us a row, first chunk", "peak MB"]]
    rows += [
        [
            f"{_million(run['num_objects'])}, {cell['chunk_rows']}",
            str(cell["chunks"]),
            f"{cell['cpu_us_a_row']:.1f}",
            f"{cell['first_cpu_us_a_row']:.1f}",
            f"{cell['peak_bytes'] / 1e6:.0f}",
        ]
        for run in runs
        for cell in run["reading"]
    ]
    return table(rows)


def _verdicts(runs: list[dict[str, Any]]) -> list[str]:
    largest = max(runs, key=lambda run: run["num_objects"])
    told = []
    peaks = [run["peak_bytes"] for run in runs] + [cell["peak_bytes"] for run in runs for cell in run["reading"]]
    kept = "kept" if max(peaks) < BOUND_BYTES else "**missed**"
    told.append(f"peak below {BOUND_BYTES / 1e6:.0f} MB: {kept}, {max(peaks) / 1e6:.0f} MB at most")
    rates = [run["cpu_seconds"] / run["num_objects"] * 1e6 for run in runs]
    told.append(
        f"CPU seconds a million objects: {', '.join(f'{rate:.1f}' for rate in rates)} for "
        f"{', '.join(_million(run['num_objects']) for run in runs)}; linear time is a flat row"
    )
    told.append(f"largest listing: {largest['num_objects']:,} objects, {largest['num_samples']:,} rows in the manifest")
    return told


def write_report(raw: dict[str, Any]) -> str:
    """Return the report's text."""
    runs = raw["runs"]
    words = ["# Scale: listing, planning and reading manifests", ""]
    words += [f"- {line}" for line in _verdicts(runs)]
    words += ["", "## Listing", "", *_listing(runs), "", "## Reading", "", *_reading(runs)]
    words += ["", "## Method", "", METHOD, "", "## Machine", "", *(f"- {line}" for line in machine_words(raw))]
    return "\n".join(words) + "\n"
