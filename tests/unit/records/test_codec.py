"""Every record as JSON and back, and everything that is no record."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.errors import OutputUnwritable, RecordError
from penstock.records import (
    BlockShuffle,
    JobRecord,
    LossPoint,
    Plan,
    Record,
    RunRecord,
    StepRecord,
    decode_record,
    encode_record,
    read_record,
    write_record,
)
from unit.records.values import KINDS, values

PLAN = Plan(manifest_fingerprint="f" * 64, seed=7, num_lanes=64, shuffle="full", mix=1)
KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


def fields(record: Record) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_record(record))
    return body


@KIND
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_record_reads_back_as_it_was(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(values(kind))
    encoded = encode_record(record)
    assert decode_record(encoded, kind) == record
    assert decode_record(encoded.decode(), kind) == record
    assert encode_record(decode_record(encoded, kind)) == encoded
    assert json.loads(encoded)["record"] == kind.kind
    assert encoded.endswith(b"}\n")


@KIND
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_record_of_other_fields_is_refused_by_name(kind: type[Record], data: st.DataObject) -> None:
    body = fields(data.draw(values(kind)))
    unknown = {**body, "colour": "red"}
    with pytest.raises(RecordError, match="colour"):
        decode_record(json.dumps(unknown), kind, origin="x.json")
    for field in msgspec.structs.fields(kind):
        missing = json.dumps({key: value for key, value in body.items() if key != field.name})
        if not field.required:  # later releases added it: what an earlier one wrote is read
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            assert getattr(decode_record(missing, kind, origin="x.json"), field.name) == default
            continue
        with pytest.raises(RecordError, match=f"x.json does not fit.*{field.name}"):
            decode_record(missing, kind, origin="x.json")


def test_kinds_have_names_of_their_own() -> None:
    assert len({kind.kind for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("version", [0, 1, 99, -1, True, 1.0, "1", None, [1]])
def test_another_version_is_refused(version: object) -> None:
    data = json.dumps({**fields(PLAN), "version": version})
    with pytest.raises(RecordError, match=r"x.json is a plan record of version .*, this Penstock reads 3"):
        decode_record(data, Plan, origin="x.json")


@pytest.mark.parametrize("kind", [None, "run", "Plan", 1, ["plan"]])
def test_another_kind_is_refused(kind: object) -> None:
    with pytest.raises(RecordError, match=r"x.json is not a Penstock plan record(, but .*)?: pass a plan file"):
        decode_record(json.dumps({**fields(PLAN), "record": kind}), Plan, origin="x.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", "7"), ("seed", 7.5), ("seed", None), ("seed", True), ("shuffle", 1), ("num_lanes", [1])],
)
def test_a_value_of_another_type_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(RecordError, match=rf"\$\.{field}"):
        decode_record(json.dumps({**fields(PLAN), field: value}), Plan, origin="x.json")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" ", b"{", b"plan", b'{"record": "plan"', b"\xff\xfe\x00", b'{"record": "\xff"}', b"PAR1\x00\x00PAR1"),
        *(b'{"record": NaN}', b"[" * 100_000, b'{"a":' * 100_000, b'{"record": "plan", "seed": 1e999}'),
        encode_record(PLAN)[:-10],
        encode_record(PLAN).decode().encode("utf-16"),
    ],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError, match=r"x\.json is not JSON") as caught:
        decode_record(data, Plan, origin="x.json")
    assert caught.value.about == "x.json"


@pytest.mark.parametrize("data", [b"[]", b"null", b"7", b'"plan"', b"{}"])
def test_json_that_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError, match="not a Penstock plan record"):
        decode_record(data, Plan)


@given(st.binary(max_size=60))
def test_bytes_are_a_record_or_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        decode_record(data, Plan)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_hold_is_refused_by_its_field(value: float, run_record: RunRecord) -> None:
    step = StepRecord(
        step="prefetch",
        started_at="",
        wall_seconds=1.0,
        host=run_record.host,
        meters=run_record.meters,
        details={"rate_bytes_per_second": value},
    )
    with pytest.raises(RecordError, match=r"step record: details\.rate_bytes_per_second is not a finite number"):
        encode_record(step)


def test_a_number_deep_in_a_run_is_named(run_record: RunRecord, tmp_path: Path) -> None:
    points = [LossPoint(step=n, epoch=0.0, loss=loss, learning_rate=0.1) for n, loss in enumerate([1.0, math.nan])]
    bad = RunRecord(**{**{name: getattr(run_record, name) for name in run_record.__struct_fields__}, "losses": points})
    with pytest.raises(RecordError, match=r"run record: losses\[1\]\.loss"):
        write_record(tmp_path / "run.json", bad)
    assert not list(tmp_path.iterdir())


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(RecordError, match="not Unicode text"):
        encode_record(JobRecord(run_id="run", options={"source": "/data/\udcff"}))


def test_a_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "made" / "plan.json"
    write_record(path, PLAN)
    assert read_record(path, Plan) == PLAN
    assert [item.name for item in path.parent.iterdir()] == ["plan.json"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, reason in [
        (tmp_path / "nothing.json", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "file" / "below", "Not a directory"),
    ]:
        with pytest.raises(RecordError, match=reason) as caught:
            read_record(path, Plan)
        assert str(path) in str(caught.value)
        assert "pass the path of a plan file" in str(caught.value)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputUnwritable, match="file/below"):
        write_record(tmp_path / "file" / "below", PLAN)


def test_the_fingerprint_of_a_plan_is_of_its_content() -> None:
    same = Plan(manifest_fingerprint="f" * 64, seed=7, num_lanes=64, shuffle="full", mix=1)
    assert same.fingerprint == PLAN.fingerprint
    others = [
        Plan(manifest_fingerprint="e" * 64, seed=7, num_lanes=64, shuffle="full", mix=1),
        Plan(manifest_fingerprint="f" * 64, seed=8, num_lanes=64, shuffle="full", mix=1),
        Plan(manifest_fingerprint="f" * 64, seed=7, num_lanes=32, shuffle="full", mix=1),
        Plan(manifest_fingerprint="f" * 64, seed=7, num_lanes=64, shuffle="none", mix=1),
        Plan(
            manifest_fingerprint="f" * 64,
            seed=7,
            num_lanes=64,
            shuffle=BlockShuffle(block_samples=8, blocks_mixed=4),
            mix=1,
        ),
    ]
    assert len({plan.fingerprint for plan in [PLAN, *others]}) == 6
