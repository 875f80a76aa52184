"""``python -m benchmarks.order``: randomness and locality of the shuffles, as a dated report with a picture."""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common.machine import REPORTS, cpu_slug, machine
from benchmarks.order.measure import QUICK, Setting, measure_all
from benchmarks.order.report import make_report, plot

_log = logging.getLogger("benchmarks.order")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.order", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to see that it runs")
    parser.add_argument("--out", type=Path, default=REPORTS, metavar="DIR", help="folder of the report")
    args = parser.parse_args()
    setting = QUICK if args.quick else Setting()
    described = machine("benchmarks.order")
    figures = measure_all(setting)
    name = f"order_{cpu_slug(str(described['cpu']))}_{datetime.now(UTC).date().isoformat()}"
    args.out.mkdir(parents=True, exist_ok=True)
    plot(figures, args.out / f"{name}.png")
    report = args.out / f"{name}.md"
    report.write_text(make_report(figures, setting, described, f"{name}.png"))
    _log.info("wrote %s", report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
