"""`penstock doctor` on this machine, and where there is no cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path

from penstock.errors import NotReady
from penstock.records import Finding, Readiness, decode_record
from support.cli import Bucket, penstock


def looked(done: subprocess.CompletedProcess[str]) -> dict[str, Finding]:
    return {finding.check: finding for finding in decode_record(done.stdout, Readiness).findings}


def test_machine_with_a_bucket_is_ready(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("data/empty", b"")
    bucket.put("data/object.bin", b"123")
    words = ("--here", "--json", "--window", tmp_path, "--window-size", "32Mi", "--source", f"{bucket.uri}/data")
    done = penstock("doctor", *words, *bucket.options)
    assert done.returncode == 0, done.stderr
    found = looked(done)
    assert found["room for a window"].state == found["means for a window"].state == "ok"
    assert found["access from here"].found == f"{bucket.uri}/data can be listed, and object.bin can be read"


def test_what_is_missing_is_in_the_table_with_what_to_do(bucket: Bucket, tmp_path: Path) -> None:
    words = ("--here", "--window", tmp_path, "--window-size", "900Ti", "--source", f"{bucket.uri}/nothing")
    done = penstock("doctor", *words, *bucket.options, environment={"COLUMNS": "500"})
    assert done.returncode == NotReady.exit_code
    rows = {line[:60]: line for line in done.stdout.splitlines() if " missing " in line}
    assert len(rows) == 2
    assert any("ask for a smaller --window-size" in row for row in rows.values())
    assert any("nothing lies under" in row for row in rows.values())
    assert "2 essential of 6 checks failed (room for a window, access from here)" in done.stderr


def test_bucket_that_denies_is_told_with_its_reason(bucket: Bucket) -> None:
    done = penstock("doctor", "--here", "--json", "--source", "s3://no-such-bucket-of-ours", *bucket.options)
    found = looked(done)["access from here"]
    assert (done.returncode, found.state) == (NotReady.exit_code, "missing")
    assert "no-such-bucket-of-ours does not exist" in found.found
    assert found.fix


def test_folder_that_nobody_may_write_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = penstock("doctor", "--here", "--json", "--window", tmp_path / "file" / "none")
    found = looked(done)
    assert (done.returncode, found["room for a window"].state) == (NotReady.exit_code, "missing")
    assert found["means for a window"].state == "missing"


def test_folder_that_a_step_would_make_is_no_fault(tmp_path: Path) -> None:
    done = penstock("doctor", "--here", "--json", "--window", tmp_path / "not" / "yet", "--window-size", "1Mi")
    found = looked(done)
    assert done.returncode == 0, done.stderr
    assert found["room for a window"].state == found["means for a window"].state == "ok"
    assert not list(tmp_path.iterdir())


def test_no_cluster_says_what_to_do(tmp_path: Path) -> None:
    done = penstock("doctor", "--json", environment={"KUBECONFIG": str(tmp_path / "none"), "PATH": "/nonexistent"})
    found = looked(done)["connection"]
    assert (done.returncode, found.state) == (NotReady.exit_code, "missing")
    assert "kubectl is not on the PATH" in found.found
    assert "--here" in found.fix
