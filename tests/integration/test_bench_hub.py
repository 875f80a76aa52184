"""The benchmark of others' examples, at its smallest and without the others: its Hub serves, and rows are right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
NGINX = [Path("/usr/sbin/nginx"), Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")]


@pytest.mark.skipif(
    not all(path.exists() for path in NGINX) or not Path("/dev/shm").is_dir(),
    reason="needs nginx with its lua module (apt-get install nginx libnginx-mod-http-lua) and /dev/shm",
)
def test_examples_give_their_rows_and_a_report(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.hub", "--quick", "--alone", "--examples", "resume", "shard-at-row"]
    done = subprocess.run(
        [*words, "--rows", "2000", "--latency", "0.001", "--out", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (raw_path,) = tmp_path.glob("hub_*.json")
    runs = {run["example"]: run for run in json.loads(raw_path.read_text())["runs"]}
    resumed, shard = runs["resume"], runs["shard-at-row"]
    assert resumed["result"]["num_rows"] == 2000
    assert resumed["left_keys"] == resumed["result"]["first_keys"]
    assert resumed["left_keys"][0] == "<urn:uuid:a-00002000>"
    assert shard["result"]["num_rows"] == 500
    assert shard["num_requests"] > 0
    assert "row <urn:uuid:a-00002000> was next" in raw_path.with_suffix(".md").read_text()
