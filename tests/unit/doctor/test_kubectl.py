"""Asking through kubectl, with a program of that name that does what a test wants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.doctor.examine import CONNECTION, Wanted, current_namespace, examine_cluster
from penstock.doctor.kubectl import Kubectl, parse_documents
from penstock.errors import ClusterError

WANTED = Wanted(namespace="training", needs=frozenset(), window_bytes=None, in_memory=False)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a script that stands for kubectl is to be written."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = tmp_path / "kubectl"
    path.touch(mode=0o755)
    return path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")


def test_words_and_objects_arrive_as_they_are(program: Path) -> None:
    script(program, 'input=$(cat); printf \'{"words": "%s", "input": %s}\' "$*" "$input"')
    found = Kubectl(kubeconfig="/some where/config", context="c").ask("get", "$(whoami)", given={"a": "b"})
    assert found == {"words": "--kubeconfig /some where/config --context c get $(whoami)", "input": {"a": "b"}}


def test_failure_tells_the_last_line_without_warnings(program: Path) -> None:
    script(program, "echo 'WARNING: skew' >&2; echo 'error: no such context' >&2; echo 'WARNING: x' >&2; exit 1")
    with pytest.raises(ClusterError, match=r"kubectl get failed \(error: no such context\)"):
        Kubectl().ask("get")


def test_silence_is_not_waited_for(program: Path) -> None:
    script(program, "exec sleep 60")
    with pytest.raises(ClusterError, match="no answer"):
        Kubectl().ask("get", timeout_seconds=0.2)


def test_no_kubectl_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="not on the PATH") as raised:
        current_namespace(Kubectl())
    assert "kubernetes.io/docs" in raised.value.fix


def test_watch_gives_objects_while_they_come(program: Path) -> None:
    script(program, 'printf \'{\\n "n": 1\\n}\\n{\\n "n": 2\\n}\\n\'; exec sleep 60')
    seen = []
    for found in Kubectl().watch("get", "pods", timeout_seconds=30):
        seen.append(found["n"])
        if len(seen) == 2:
            break
    assert seen == [1, 2]


def test_watch_ends_when_its_time_is_over(program: Path) -> None:
    script(program, "exec sleep 60")
    assert list(Kubectl().watch("get", "pods", timeout_seconds=0.2)) == []


def test_cluster_that_does_not_answer_is_one_finding(program: Path) -> None:
    script(program, "echo 'Unable to connect to the server: dial tcp' >&2; exit 1")
    (found,) = examine_cluster(Kubectl(), WANTED)
    assert (found.check, found.state) == (CONNECTION, "missing")
    assert "Unable to connect" in found.found


def test_what_may_not_be_looked_at_is_told_and_the_rest_is_looked_at(program: Path) -> None:
    apis = {"groups": []}
    version = {"serverVersion": {"gitVersion": "v1.36.3"}}
    script(
        program,
        f"case \"$*\" in version*) echo '{json.dumps(version)}';; *--raw*) echo '{json.dumps(apis)}';; "
        "*) echo 'Error from server (Forbidden): nodes is forbidden' >&2; exit 1;; esac",
    )
    found = {finding.check: finding for finding in examine_cluster(Kubectl(), WANTED)}
    assert found["Kubernetes"].state == "ok"
    assert found["policy API"].state == "note"
    assert found["nodes"].state == "unknown"
    assert "Forbidden" in found["nodes"].found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(), JSON), max_size=4), st.sampled_from(["", "\n", " \n "]), st.integers(0, 3))
def test_objects_that_follow_each_other_are_all_read(
    objects: list[dict[str, object]], between: str, indent: int
) -> None:
    text = between.join(json.dumps(made, indent=indent or None) for made in objects)
    assert parse_documents(text) == objects
    assert parse_documents(f"{text}{between}{{broken") == objects
