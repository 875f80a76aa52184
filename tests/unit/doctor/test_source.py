"""Access to the bucket: essential where training is to run, a note elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.doctor import findings
from penstock.doctor.inside import CHECK as INSIDE
from penstock.doctor.source import CHECK, eased
from penstock.records import Finding
from penstock.steps import doctor

HERE = findings.missing("bucket", CHECK, "denied", fix="check the key")


def inside(state: str) -> Finding:
    return Finding(place="bucket", check=INSIDE, state=state, found="x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "state"),
    [
        ([inside("ok")], "note"),
        ([inside("missing")], "missing"),
        ([inside("unknown")], "missing"),
        ([], "missing"),
        ([findings.ok("machine", "torch", "there")], "missing"),
    ],
)
def test_access_from_here_is_a_note_where_the_cluster_has_it(others: list[Finding], state: str) -> None:
    for found in (eased([HERE, *others], inside=INSIDE), eased([*others, HERE], inside=INSIDE)):
        (here,) = [finding for finding in found if finding.check == CHECK]
        assert here.state == state
        assert (here.found, "check the key" in here.fix) == ("denied", True)
        assert [finding for finding in found if finding.check != CHECK] == others


def test_access_that_there_is_stays_as_it_is() -> None:
    ok = findings.ok("bucket", CHECK, "can be read")
    assert eased([ok, inside("ok")], inside=INSIDE) == [ok, inside("ok")]
    assert [finding.state for finding in eased([ok, inside("missing")], inside=INSIDE)] == ["ok", "missing"]


def test_the_step_counts_it_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bucket is not there from here; the cluster's answer is made up."""
    words = ["doctor", "--json", "--source", str(tmp_path / "none")]
    monkeypatch.setattr(doctor, "_look_at_cluster", lambda args: [inside("ok")])
    assert main(words) == 0
    assert {item["state"] for item in json.loads(capsys.readouterr().out)["findings"]} == {"note", "ok"}
    monkeypatch.setattr(doctor, "_look_at_cluster", lambda args: [inside("missing")])
    assert main(words) == 81
