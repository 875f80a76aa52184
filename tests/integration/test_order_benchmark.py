"""The benchmark of orders, at its smallest: it runs, and what it reports is what any reader can check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_quick_run_gives_a_report_with_its_picture(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.order", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("order_*.md")
    text = path.read_text()
    assert (tmp_path / f"{path.stem}.png").read_bytes().startswith(b"\x89PNG")
    assert f"({path.stem}.png)" in text
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    randomness = {row[0]: row[1:] for row in rows if len(row) == 7}
    locality = {
        row[0]: [float(cell.split()[0]) for cell in row[1:]] for row in rows[1:] if len(row) == 5 and "(" in row[1]
    }
    # The manifest's order: neighbours are together but at the borders of batches, and labels are too.
    assert float(randomness["none"][0].split()[0]) > 99
    assert randomness["none"][2] == "+1.000"
    assert float(randomness["full"][3]) < float(randomness["16 x 32"][3]) < float(randomness["none"][3])
    # A range a sample of a full shuffle but for chance, and few of whole packs.
    assert 200 < locality["full"][0] <= 256
    assert locality["none"][0] < 0.3
    assert locality["16 x 8"][0] < locality["16 x 32"][0] < locality["16 x 128"][0] < locality["full"][0]
    assert all(strict >= loose for loose, strict, *_ in locality.values())
