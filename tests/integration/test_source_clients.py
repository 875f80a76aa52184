"""The servers of the tests, asked by the clients that people use: what those take is what the real ones answer.

A client that is not installed is skipped; ``.ci/frameworks`` has an environment of its own for them.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from support.hub_server import COMMIT, serve_hub
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


def test_huggingface_hub_is_content_with_the_hub_of_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub_client = client("huggingface_hub")
    monkeypatch.setattr(client("huggingface_hub.constants"), "HF_HUB_DISABLE_XET", True)  # by the bridge
    files = {"README.md": b"---\n---\n", "data/a b.parquet": DATA, "data/deep/c.bin": DATA[::-1]}
    with serve_hub() as hub:
        hub.files, hub.large, hub.page_entries = files, {"data/a b.parquet"}, 1
        hub.bucket = {"data/a.bin": DATA, "b.bin": b"b"}
        hub.token = "hf_thisisatokenofthetestsalone"
        api = hub_client.HfApi(endpoint=hub.url, token=hub.token)
        assert api.repo_info("org/name", repo_type="dataset").sha == COMMIT
        assert api.repo_info("org/name", repo_type="dataset", revision="refs/convert/parquet").sha == COMMIT
        tree = api.list_repo_tree("org/name", repo_type="dataset", recursive=True)
        assert {each.path: each.size for each in tree if hasattr(each, "size")} == {k: len(v) for k, v in files.items()}
        whole = Path(api.snapshot_download("org/name", repo_type="dataset", cache_dir=tmp_path))
        assert {name: (whole / name).read_bytes() for name in files} == files
        found = {each.path: each.size for each in api.list_bucket_tree("org/files", recursive=True)}
        assert found == {"data/a.bin": len(DATA), "b.bin": 1}
        assert api.get_bucket_file_metadata("org/files", "data/a.bin").size == len(DATA)
        assert not any("authorization" in asked.headers for asked in hub.cdn.requests)
        with pytest.raises(hub_client.errors.RepositoryNotFoundError):
            hub_client.HfApi(endpoint=hub.url, token=False).repo_info("org/name", repo_type="dataset")
        with pytest.raises(hub_client.errors.RevisionNotFoundError):
            api.repo_info("org/name", repo_type="dataset", revision="v9")
