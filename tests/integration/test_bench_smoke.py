"""The benchmark of feeds, at its smallest: it runs, its counts are right, and its report is made of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
NGINX = [Path("/usr/sbin/nginx"), Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")]


def _tmpfs() -> bool:
    return Path("/dev/shm").is_dir()


@pytest.mark.skipif(
    not all(path.exists() for path in NGINX) or not _tmpfs(),
    reason="needs nginx with its lua module (apt-get install nginx libnginx-mod-http-lua) and /dev/shm",
)
def test_quick_run_gives_every_sample_and_a_report(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.feeds", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    (raw_path,) = tmp_path.glob("feeds_*.json")
    runs = json.loads(raw_path.read_text())["runs"]
    assert {(run["contender"], run["latency_seconds"]) for run in runs} == {
        (name, latency) for name in ("penstock", "penstock-stream", "boto3") for latency in (0.0, 0.03)
    }
    for run in runs:
        assert run["error"] == ""
        assert run["right"]
        assert run["result"]["stopped"] or run["result"]["num_samples"] == 128
        assert run["result"]["seconds"] >= run["result"]["first_seconds"] > 0
        assert run["result"]["cpu_seconds"] > 0
    for run in runs:
        if run["contender"] in ("penstock", "penstock-stream"):
            assert 0 < run["peak_disk_bytes"] <= run["limit_bytes"]
            assert run["result"]["cpu_children_seconds"] > 0
        if run["latency_seconds"] and run["contender"] == "boto3":
            assert run["result"]["num_samples"] / run["result"]["seconds"] < 1 / 0.03
    report = raw_path.with_suffix(".md").read_text()
    assert "64 KiB samples, 30 ms added latency" in report
    assert "## Goals" in report
