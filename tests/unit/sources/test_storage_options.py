"""Storage options by fsspec's names, and options of a scheme's own as a step takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore
import pytest

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.options.source import SourceOptions
from penstock.sources import locate
from penstock.sources.asking import read_storage_options, source_options, spec_of
from support.azure_server import KEY

SECRETS = ("hunter2", "hf_hunter2", "ya29.hunter2", KEY)
CONNECTION = f"AccountName=mine;AccountKey={KEY};EndpointSuffix=core.windows.net"


@pytest.mark.parametrize(
    ("uri", "given", "options", "environment"),
    [
        ("s3://b", {}, {}, {}),
        ("s3://b", {"anon": True, "key": None}, {"anonymous": True}, {}),
        (
            "s3://b",
            {"key": "AKID", "secret": "hunter2", "endpoint_url": "http://h:1", "requester_pays": True},
            {"endpoint_url": "http://h:1", "requester_pays": True},
            {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_SESSION_TOKEN": None},
        ),
        (
            "s3://b",
            {
                "client_kwargs": {
                    "aws_access_key_id": "AKID",
                    "aws_secret_access_key": "hunter2",
                    "aws_session_token": "hunter2",
                    "endpoint_url": "http://h:1",
                    "region_name": "eu-west-1",
                }
            },
            {"endpoint_url": "http://h:1", "region": "eu-west-1"},
            {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_SESSION_TOKEN": "hunter2"},
        ),
        ("s3://box", {"addressing": "path"}, {"addressing": "path"}, {}),
        (
            "s3://box",
            {
                "config_kwargs": {"s3": {"addressing_style": "virtual"}, "signature_version": "s3v4"},
                "s3_additional_kwargs": {"RequestPayer": "requester"},
            },
            {"addressing": "virtual", "requester_pays": True},
            {},
        ),
        ("s3://b", {"config_kwargs": {"signature_version": botocore.UNSIGNED}}, {"anonymous": True}, {}),
        ("s3://b", {"profile": "mine"}, {}, {"AWS_PROFILE": "mine", "AWS_ACCESS_KEY_ID": None}),
        ("gs://bucket", {"token": "anon"}, {"anonymous": True}, {}),
        ("gs://bucket", {"token": "google_default", "project": "my-project"}, {"project": "my-project"}, {}),
        (
            "gs://bucket",
            {"requester_pays": "my-project", "endpoint_url": "https://h"},
            {"requester_pays": True, "project": "my-project", "endpoint_url": "https://h"},
            {},
        ),
        (
            "gs://bucket",
            {"token": "ya29.hunter2", "requester_pays": True},
            {"requester_pays": True},
            {"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.hunter2", "GOOGLE_APPLICATION_CREDENTIALS": None},
        ),
        (
            "gs://bucket",
            {"token": {"type": "service_account", "private_key": "hunter2"}},
            {},
            {
                "GOOGLE_APPLICATION_CREDENTIALS_JSON": '{"type":"service_account","private_key":"hunter2"}',
                "GOOGLE_OAUTH_ACCESS_TOKEN": None,
            },
        ),
        (
            "az://box",
            {"account_name": "mine", "account_key": KEY},
            {"account": "mine"},
            {"AZURE_STORAGE_KEY": KEY, "AZURE_STORAGE_ACCOUNT": "mine", "AZURE_STORAGE_SAS_TOKEN": None},
        ),
        (
            "az://box",
            {"account_name": "mine", "credential": "?sv=1&sig=hunter2"},
            {"account": "mine"},
            {"AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=hunter2", "AZURE_STORAGE_KEY": None},
        ),
        (
            "az://box",
            {"connection_string": CONNECTION},
            {"account": "mine"},
            {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION},
        ),
        (
            "abfss://box@mine.dfs.core.windows.net/x",
            {"tenant_id": "t", "client_id": "c", "client_secret": "hunter2"},
            {},
            {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "hunter2"},
        ),
        ("az://box", {"anon": True, "account_name": "mine"}, {"account": "mine", "anonymous": True}, {}),
        (
            "hf://datasets/o/n",
            {"token": "hf_hunter2", "endpoint": "https://h"},
            {"endpoint_url": "https://h"},
            {"HF_TOKEN": "hf_hunter2"},
        ),
        ("hf://datasets/o/n", {"token": False}, {"anonymous": True}, {}),
        (
            "kaggle://datasets/o/n",
            {"username": "me", "key": "hunter2", "endpoint": "https://h", "archive": True},
            {"endpoint_url": "https://h", "archive": True},
            {"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "hunter2", "KAGGLE_API_TOKEN": None},
        ),
        ("kaggle://competitions/n", {"token": "KGAT_hunter2"}, {}, {"KAGGLE_API_TOKEN": "KGAT_hunter2"}),
        ("kaggle://datasets/o/n", {"token": False}, {"anonymous": True}, {}),
        ("/folder", {}, {}, {}),
    ],
)
def test_what_options_mean(
    uri: str, given: dict[str, Any], options: dict[str, Any], environment: dict[str, str | None]
) -> None:
    found = read_storage_options(uri, given)
    assert found.options == options
    assert {name: found.environment.get(name, "missing") for name in environment} == environment
    assert not any(secret in repr(found) for secret in SECRETS)
    assert locate(SourceSpec.of(uri, **found.options)).options == options


@pytest.mark.parametrize(
    ("uri", "given", "told"),
    [
        ("s3://b", {"kye": "hunter2"}, "has 'kye', which means nothing for an S3 bucket"),
        ("s3://b", {"secrt": "hunter2"}, "'secrt'"),
        ("s3://b", {"key": "AKID"}, r"\['secret'\] is missing"),
        ("s3://b", {"token": "hunter2"}, r"\['key'\] is missing"),
        ("s3://b", {"key": 12, "secret": "hunter2"}, "is no text but of type int"),
        ("s3://b", {"key": "AKID", "secret": ""}, "is no text"),
        ("s3://b", {"anon": "yes"}, "neither True nor False"),
        ("s3://b", {"client_kwargs": {"verify": False}}, r"storage_options\['client_kwargs'\] has 'verify'"),
        ("s3://b", {"client_kwargs": "x"}, "is no dictionary"),
        ("s3://b", {"key": "a", "secret": "hunter2", "profile": "p"}, "beside key and secret"),
        ("s3://b", {"key": "a", "secret": "hunter2", "client_kwargs": {"aws_access_key_id": "b"}}, "client_kwargs too"),
        ("s3://b", {"addressing": "hunter2"}, r"storage_options\['addressing'\] is no way to name a bucket"),
        ("s3://b", {"config_kwargs": {"s3": {"addressing_style": "hunter2"}}}, r"\['s3'\]\['addressing_style'\] is no"),
        ("s3://b", {"config_kwargs": {"s3": {"adressing_style": "path"}}}, "did you mean 'addressing_style'"),
        ("s3://b", {"config_kwargs": {"s3": "virtual"}}, "is no dictionary"),
        ("s3://b", {"config_kwargs": {"signature_version": "hunter2"}}, "signature_version"),
        ("s3://b", {"config_kwargs": {"proxies": {"http": "hunter2"}}}, "has 'proxies'"),
        ("s3://b", {"addressing": "path", "config_kwargs": {"s3": {"addressing_style": "virtual"}}}, "config_kwargs"),
        ("s3://b", {"s3_additional_kwargs": {"SSECustomerKey": "hunter2"}}, "has 'SSECustomerKey'"),
        ("s3://b", {"s3_additional_kwargs": {"RequestPayer": "hunter2"}}, "is not requester"),
        ("s3://b", "hunter2", "is no dictionary of options"),
        ("s3://b", {1: "hunter2"}, "is no dictionary of options"),
        ("gs://bucket", {"token": 12}, "is of type int"),
        ("gs://bucket", {"token": "/nowhere/hunter.json"}, "does not exist"),
        ("gs://bucket", {"token": "browser"}, "needs a person"),
        ("gs://bucket", {"token": {"x": object()}}, "no dictionary of what JSON has"),
        ("gs://bucket", {"requester_pays": 1}, "nor a project"),
        ("az://box", {"account_key": KEY, "sas_token": "sig=hunter2"}, "more than once"),
        ("az://box", {"credential": object()}, "which no other process can be given"),
        ("az://box", {"connection_string": "hunter2"}, "is no connection string"),
        ("hf://datasets/o/n", {"token": 3}, "is no text"),
        ("kaggle://datasets/o/n", {"token": 3}, "is no text"),
        ("kaggle://datasets/o/n", {"key": "hunter2"}, "stands alone"),
        ("kaggle://datasets/o/n", {"username": "me", "key": "hunter2", "token": "KGAT_hunter2"}, "beside username"),
        ("kaggle://datasets/o/n", {"archive": "yes"}, "neither True nor False"),
        ("https://h/x", {"headers": {"Authorization": "hunter2"}}, "means nothing for a web server"),
        ("/folder", {"auto_mkdir": True}, "means nothing for a local folder"),
        ("quux://x", {"a": 1}, "no scheme"),
    ],
)
def test_options_that_cannot_be(uri: str, given: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        read_storage_options(uri, given)
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_a_near_name_is_told() -> None:
    with pytest.raises(ConfigError, match="did you mean 'account_key'"):
        read_storage_options("az://box", {"acount_key": KEY})


def test_a_file_of_google_credentials(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps({"type": "service_account"}))
    found = read_storage_options("gs://bucket", {"token": str(path)})
    assert found.environment["GOOGLE_APPLICATION_CREDENTIALS"] == str(path)
    assert found.environment["GOOGLE_APPLICATION_CREDENTIALS_JSON"] is None


def test_options_of_a_schemes_own_go_to_a_step_and_back() -> None:
    spec = SourceSpec.of("az://box/x", account="mine", anonymous=True)
    asked = source_options(spec)
    assert asked.source_option == ("account=mine",)
    assert any("account=mine" in word for word in asked.to_argv())
    assert spec_of(asked.source, asked) == spec


@pytest.mark.parametrize(
    ("uri", "pairs", "told"),
    [
        ("az://box", ("acount=mine",), "did you mean 'account'"),
        ("az://box", ("account",), "has no value"),
        ("az://box", ("account_key=hunter2",), "--source-option account_key means nothing"),
        ("s3://b", ("account=hunter2",), "means nothing for an S3 bucket: there is addressing=…, inventory=…"),
        ("/folder", ("account=hunter2",), "means nothing for a local folder: leave it out"),
        ("az://box", ("endpoint_url=http://h",), "means nothing"),
    ],
)
def test_options_of_a_schemes_own_that_cannot_be(uri: str, pairs: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        spec_of(uri, SourceOptions(source=uri, source_option=pairs))
    assert "hunter2" not in str(caught.value)
