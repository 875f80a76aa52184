"""URIs, taken exactly as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.sources import find_scheme, locate
from penstock.sources.local.uris import local_folder
from penstock.sources.s3.uris import split_s3
from penstock.sources.stores.lending import NoLender, ask_lender

NO_URLS = ["https://[x", "https://h]", "http://[::1]x", "https://[1.2/a"]
PART = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(PART, st.lists(PART, max_size=4), st.sampled_from(["", "/", "//"]))
def test_an_s3_uri_is_split_where_it_was_joined(bucket: str, parts: list[str], end: str) -> None:
    assert split_s3("/".join([f"s3://{bucket}", *parts]) + end) == (bucket, "/".join(parts))


@pytest.mark.parametrize("uri", ["/data", "data", "file:///data", "gs://bucket", "s3", "s3:/bucket", ""])
def test_what_is_no_s3_uri(uri: str) -> None:
    assert split_s3(uri) is None


@pytest.mark.parametrize("uri", ["s3://", "s3:///prefix", "S3://"])
def test_an_s3_uri_without_a_bucket(uri: str) -> None:
    with pytest.raises(ConfigError, match="names no bucket"):
        split_s3(uri)


def test_local_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert local_folder("a b#c?d%20") == tmp_path / "a b#c?d%20"
    assert local_folder("/a/b") == Path("/a/b")
    assert local_folder("file:///a%20b") == Path("/a b")
    for uri in ("/a\0b", "file:///a%00b", "gs://bucket/x", "file://host/x", "https://host/x", "://x"):
        with pytest.raises(ConfigError, match="cannot use"):
            local_folder(uri)


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_is_refused_wherever_one_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"BlobEndpoint={url};SharedAccessSignature=sig")
    for uri in (url, f"urls+{url}", "az://container/p"):
        with pytest.raises(ConfigError):
            locate(SourceSpec(uri=uri))
    for uri in ("s3://bucket/p", "gs://bucket/p", "az://container/p", "hf://datasets/a/b", "kaggle://datasets/a/b"):
        with pytest.raises(ConfigError):
            locate(SourceSpec.of(uri, endpoint_url=url))
        assert find_scheme(uri).payee(uri, url) in ("own", "unknown", "nobody")
    with pytest.raises(NoLender):
        ask_lender(url)


@pytest.mark.parametrize("uri", ["~a\0", "/a\0b", "file:///a%00b", "urls+file:///a%00b", "https://h/\0", "s3://b/\0"])
def test_a_nul_is_of_no_name(uri: str) -> None:
    with pytest.raises(ConfigError):
        locate(SourceSpec(uri=uri))
