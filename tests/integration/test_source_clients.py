"""The servers of the tests, asked by the clients that people use: what those take is what the real ones answer.

A client that is not installed is skipped; ``.ci/frameworks`` has an environment of its own for them.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from support.kaggle_server import KEY, TOKEN, USER, Kaggle, serve_kaggle

DATA = bytes(range(256)) * 100


def client(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed: .ci/frameworks has it")


@pytest.mark.parametrize("by", ["nothing", "token", "key"])
def test_kagglehub_is_content_with_the_kaggle_of_the_tests(
    by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kagglehub = client("kagglehub")
    environments = client("kagglesdk.kaggle_env")
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    given = {"nothing": {}, "token": {"KAGGLE_API_TOKEN": TOKEN}, "key": {"KAGGLE_USERNAME": USER, "KAGGLE_KEY": KEY}}
    for name, value in {**given[by], "HOME": str(tmp_path), "KAGGLEHUB_CACHE": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    with serve_kaggle() as kaggle:
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        monkeypatch.setitem(environments._env_to_endpoint, environments.KaggleEnv.LOCAL, kaggle.url)
        kaggle.is_private = by != "nothing"
        kaggle.files = {1: {"old.bin": b"old", "packed.csv": b"x,y\n"}, 2: {"deep/a.bin": DATA, "b.csv": b"x,y\n"}}
        kaggle.competition = {"train.bin": DATA}
        kaggle.packed.add("packed.csv")
        _take_all(kagglehub, kaggle, is_known=by != "nothing")


def _take_all(kagglehub: Any, kaggle: Kaggle, *, is_known: bool) -> None:
    whole = Path(kagglehub.dataset_download("owner/name"))
    found = {str(path.relative_to(whole)): path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert found == kaggle.files[2]
    assert Path(kagglehub.dataset_download("owner/name/versions/1", path="old.bin")).read_bytes() == b"old"
    assert Path(kagglehub.dataset_download("owner/name/versions/1", path="packed.csv")).read_bytes() == b"x,y\n"
    if is_known:
        assert Path(kagglehub.competition_download("contest", path="train.bin")).read_bytes() == DATA
    with pytest.raises(Exception, match="403"):
        kagglehub.dataset_download("owner/other")
    assert not any("authorization" in asked.headers for asked in kaggle.store.requests)
