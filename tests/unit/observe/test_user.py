"""Who runs a step, as it is recorded."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from penstock.observe.user import this_user

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.mark.parametrize(
    ("environ", "namespace", "user"),
    [
        ({"PENSTOCK_USER": " ada "}, None, "ada"),
        ({"PENSTOCK_USER": "ada", **POD}, "team-a", "ada"),
        ({"PENSTOCK_USER": "a\nb"}, None, "a\\x0ab"),
        ({"PENSTOCK_USER": "x" * 1000}, None, "x" * 128),
        (POD, "team-a\n", "team-a"),
        ({"PENSTOCK_USER": "", **POD}, "team-a", "team-a"),
        (POD, None, None),  # the user of a pod's image is nobody's name
    ],
)
def test_who_runs_a_step(tmp_path: Path, environ: dict[str, str], namespace: str | None, user: str | None) -> None:
    path = tmp_path / "namespace"
    if namespace is not None:
        path.write_text(namespace)
    assert this_user(environ, namespace=path) == user


def test_it_is_the_system_s_user_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert this_user({}, namespace=tmp_path / "none") == getpass.getuser()
