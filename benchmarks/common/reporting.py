"""From a benchmark's options to its report: the server is looked for, a scratch folder made and removed."""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import server
from benchmarks.common.machine import cpu_slug, machine, plain_options

__all__ = ["SKIPPED", "measure", "report_with_picture"]

SKIPPED = 3
"""Exit code where the server is missing."""

_log = logging.getLogger(__name__)


def measure(
    options: argparse.Namespace, theme: str, work: Callable[[Path], dict[str, Any]]
) -> tuple[dict[str, Any], Path] | None:
    """Measure in a scratch folder; give what the report tells, and where it goes. None where the server is missing.

    Args:
        options: with ``work`` and ``out``, folders of scratch files and reports.
        theme: name of the benchmark's package.
        work: measures in a folder.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    server.install()
    if missing := server.missing_parts():
        _log.error("skipped: %s", missing)
        return None
    about = machine(f"benchmarks.{theme}")
    started = datetime.datetime.now(datetime.UTC)
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-", dir=options.work))
    try:
        measured = work(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raw = {
        "date": started.strftime("%Y-%m-%d"),
        "started_at": started.isoformat(timespec="seconds"),
        "machine": about,
        "server": server.version(),
        "options": plain_options(vars(options)),
        **measured,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{theme}_{cpu_slug(str(about['cpu']))}_{raw['date']}.md"
    path.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n")
    return raw, path


def report_with_picture(
    found: tuple[dict[str, Any], Path] | None,
    *,
    draw: Callable[[dict[str, Any], Path], None],
    render: Callable[[dict[str, Any], str], str],
) -> int:
    """Write the report of ``measure`` with its picture; give the exit code: 0 where every run was right."""
    if found is None:
        return SKIPPED
    raw, path = found
    if not any(told["result"] for told in raw["runs"]):
        _log.error("nothing could be measured: %s", path.with_suffix(".json"))
        return 1
    draw(raw, path.with_suffix(".svg"))
    path.write_text(render(raw, path.with_suffix(".svg").name))
    _log.info("report: %s", path)
    return 0 if all(told["right"] for told in raw["runs"]) else 1
