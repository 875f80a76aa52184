"""Bills of runs of a run root, in a folder and in a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli import main
from penstock.records import encode_record, write_record
from support.moto_s3 import CREDENTIALS, REGION, connect
from unit.cost.test_focus import focus_run


def test_a_run_of_a_run_root_is_read_where_it_lies(
    s3_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    here, there = focus_run(run_id="here", user="ada"), focus_run(run_id="there", user="ben")
    (tmp_path / "runs" / "here" / "records").mkdir(parents=True)
    write_record(tmp_path / "runs" / "here" / "records" / "train.json", here.run)
    write_record(tmp_path / "runs" / "here" / "cost.json", here.cost)
    client = connect(s3_url)
    client.create_bucket(Bucket="bills", CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_object(Bucket="bills", Key="runs/there/records/train.json", Body=encode_record(there.run))
    client.put_object(Bucket="bills", Key="runs/there/cost.json", Body=encode_record(there.cost))
    words = ["cost-report", "--runs-under", str(tmp_path / "runs"), "--run-endpoint-url", s3_url]
    assert main([*words, "--run", "s3://bills/runs/there"]) == 0
    told = capsys.readouterr().out
    assert "total of 2 runs" in told
    assert {line.split(":")[0] for line in told.splitlines() if line.startswith("user ")} == {"user ada", "user ben"}

    assert main([*words, "--run", "s3://bills/runs/nobody"]) == 70
    assert "s3://bills/runs/nobody is no run of a run root with a bill" in capsys.readouterr().err
