"""The compiled pipeline that packs a dataset first, run by what stands in for the backend: a loop over the parts."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from integration.pipelines.conftest import Bucket, make_backend
from integration.pipelines.test_general_pipeline import small
from penstock.manifest import ManifestReader
from penstock.records import RunRecord, read_record
from pipelines.compile import compile_all
from pipelines.files import PACK_PIPELINE
from support.moto_s3 import connect
from support.tables import people

ROWS = 240
PARTS = 3


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "penstock-pack.yaml"
    path.write_text(compile_all(window_size="1Mi")[PACK_PIPELINE])
    return path


@pytest.fixture(scope="module")
def rows(bucket: Bucket) -> str:
    """A table as lines of JSON in a bucket, and an empty bucket ``shards``."""
    client = connect(bucket.url)
    for name in ("rows", "shards"):
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    lines = [json.dumps(row) for row in people(ROWS).to_pylist()]
    for number in range(4):
        text = "\n".join(lines[number * 60 : number * 60 + 60])
        client.put_object(Bucket="rows", Key=f"data/{number}.jsonl", Body=f"{text}\n".encode())
    return "s3://rows/data"


def given(bucket: Bucket, rows: str, into: str, **options: Any) -> dict[str, Any]:
    packing = {"format": "jsonl", "to": "parquet", "shard_size": "5k", "endpoint_url": bucket.url}
    return small(
        bucket,
        data_source=rows,
        data_region="us-east-2",
        data_task="table",
        data_task_options={"target": "label"},
        pack_into=into,
        pack_parts=[f"{part + 1}/{PARTS}" for part in range(PARTS)],
        pack_options={**packing, "into_endpoint_url": bucket.url, **options},
        options={"endpoint_url": bucket.url, "batch_size": 64},
    )


def test_parts_are_packed_and_what_they_made_is_trained_on(
    bucket: Bucket, compiled: Path, rows: str, tmp_path: Path
) -> None:
    run = make_backend(tmp_path).run(compiled, given(bucket, rows, "s3://shards/people"), job_id="packed")
    assert run.succeeded, "\n".join(done.stderr for done in run.executions.values())
    parts = [f"pack[{number}]" for number in range(PARTS)]
    assert list(run.executions) == [*parts, "list", "prefetch", "train", "evaluate", "report", "report-exit"]
    assert not [word for done in run.executions.values() for word in done.argv if "{{" in word]
    client = connect(bucket.url)
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="shards", Prefix="people/")["Contents"]]
    shards = sorted(key for key in keys if key.endswith(".parquet"))
    assert len(shards) > PARTS
    tables = [pq.read_table(io.BytesIO(client.get_object(Bucket="shards", Key=key)["Body"].read())) for key in shards]
    assert [row for table in tables for row in table.to_pylist()] == people(ROWS).to_pylist()
    with ManifestReader(run.executions["list"].artifacts["manifest"]) as reader:
        assert reader.info.num_samples == ROWS
    trained = read_record(run.executions["train"].artifacts["record"], RunRecord)
    assert (trained.run_id, trained.state) == ("packed", "succeeded")


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ({"to": "parket"}, 2, "option 'to' is \"parket\""),
        ({"shard_sise": "5k"}, 2, "did you mean 'shard_size'?"),
        ({"part": "1/1"}, 2, "there is no option 'part'"),
        ({"format": "csv", "to": "arrays"}, 2, "arrays hold numbers alone"),
    ],
)
def test_a_part_that_fails_ends_the_run_and_nothing_is_trained_on(
    bucket: Bucket, compiled: Path, rows: str, tmp_path: Path, options: dict[str, Any], code: int, told: str
) -> None:
    into = f"s3://shards/wrong-{options.get('to', 'x')}"
    parameters = given(bucket, rows, into, **options) | {"pack_parts": ["1/1"]}
    run = make_backend(tmp_path, retries=False).run(compiled, parameters, job_id="wrong")
    assert list(run.executions) == ["pack[0]", "report-exit"]
    assert run.executions["pack[0]"].command_code == code, run.executions["pack[0]"].stderr
    assert told in run.executions["pack[0]"].stderr
    assert run.executions["report-exit"].returncode == 0
