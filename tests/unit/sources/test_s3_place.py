"""Where a bucket is: arguments win over the environment, that over the profile, as botocore has it."""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest
from botocore.configprovider import ConfiguredEndpointProvider
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.sources.s3.place import S3Address, s3_place, source_place
from unit.sources.ways import clean_aws

CONFIG = """
[default]
region = ap-south-1
[profile store]
region = eu-north-1
endpoint_url = https://store.example
[profile services]
services = mine
endpoint_url = https://general.example
[services mine]
s3 =
  endpoint_url = https://s3.example/
[profile missing]
services = nothing
[profile certificates]
ca_bundle = {folder}/ca.pem
[profile ignoring]
endpoint_url = https://store.example
ignore_configured_endpoint_urls = true
"""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    clean_aws(monkeypatch, tmp_path)
    return monkeypatch


@pytest.fixture
def profiles(aws: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    (tmp_path / "config").write_text(CONFIG.format(folder=tmp_path))
    (tmp_path / "ca.pem").write_text("")
    return aws


def place(uri: str = "s3://bucket/prefix", *, endpoint_url: str | None = None, region: str | None = None) -> S3Address:
    found = s3_place(uri, endpoint_url=endpoint_url, region=region)
    assert found is not None
    return found


def test_without_any_setting_it_is_aws(aws: pytest.MonkeyPatch) -> None:
    assert place().url == "https://bucket.s3.us-east-1.amazonaws.com"
    assert place(region="us-west-2").url == "https://bucket.s3.us-west-2.amazonaws.com"
    assert place(region="cn-north-1").url == "https://bucket.s3.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize("bucket", ["with.dots", "Upper", "under_score"])
def test_a_bucket_that_fits_no_host_is_named_in_the_path(aws: pytest.MonkeyPatch, bucket: str) -> None:
    assert place(f"s3://{bucket}/x").url == "https://s3.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("endpoint", "moved"),
    [
        (None, "https://bucket.s3.eu-west-1.amazonaws.com"),
        ("https://s3.amazonaws.com", "https://bucket.s3.eu-west-1.amazonaws.com"),
        ("https://s3.us-west-2.amazonaws.com", "https://bucket.s3.eu-west-1.amazonaws.com"),
        ("https://store.example", "https://store.example"),
        ("http://s3.us-west-2.amazonaws.com", "http://s3.us-west-2.amazonaws.com"),
        ("https://s3.us-west-2.amazonaws.com.evil.org", "https://s3.us-west-2.amazonaws.com.evil.org"),
    ],
)
def test_another_region_has_another_host_at_aws_alone(
    aws: pytest.MonkeyPatch, endpoint: str | None, moved: str
) -> None:
    found = place(endpoint_url=endpoint).in_region("eu-west-1")
    assert (found.url, found.region) == (moved, "eu-west-1")
    assert found.virtual_hosted == moved.startswith("https://bucket.")


def test_a_folder_is_no_place(aws: pytest.MonkeyPatch) -> None:
    assert source_place(SourceSpec(uri="/folder")) is None


@pytest.mark.parametrize(
    ("environment", "region", "endpoint"),
    [
        ({}, "ap-south-1", None),
        ({"AWS_PROFILE": "store"}, "eu-north-1", "https://store.example"),
        ({"AWS_DEFAULT_PROFILE": "store", "AWS_PROFILE": "services"}, "eu-north-1", "https://store.example"),
        ({"AWS_PROFILE": "store", "AWS_REGION": "us-west-1"}, "us-west-1", "https://store.example"),
        ({"AWS_PROFILE": "store", "AWS_DEFAULT_REGION": "us-west-1"}, "us-west-1", "https://store.example"),
        ({"AWS_PROFILE": "store", "AWS_ENDPOINT_URL": "http://a:1"}, "eu-north-1", "http://a:1"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_S3": "http://b:2/"}, "ap-south-1", "http://b:2"),
        ({"AWS_PROFILE": "services"}, "us-east-1", "https://s3.example"),
        ({"AWS_PROFILE": "services", "AWS_ENDPOINT_URL": "http://a:1"}, "us-east-1", "http://a:1"),
        ({"AWS_PROFILE": "ignoring"}, "us-east-1", None),
        ({"AWS_PROFILE": "store", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "eu-north-1", None),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE"}, "ap-south-1", None),
        ({"AWS_ENDPOINT_URL": "", "AWS_REGION": ""}, "ap-south-1", None),
    ],
)
def test_environment_and_profile_say_where_it_is(
    profiles: pytest.MonkeyPatch, environment: dict[str, str], region: str, endpoint: str | None
) -> None:
    for name, value in environment.items():
        profiles.setenv(name, value)
    found = place()
    assert (found.region, found.endpoint) == (region, endpoint)
    session = botocore.session.Session()
    provider = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "s3")
    ignored = session.get_config_variable("ignore_configured_endpoint_urls")
    assert ((None if ignored else provider.provide()) or "").rstrip("/") == (endpoint or "")
    given = place(endpoint_url="http://given:9", region="us-gov-west-1")
    assert (given.region, given.endpoint) == ("us-gov-west-1", "http://given:9")


def test_certificates_are_found_as_botocore_finds_them(profiles: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert place().ca_file is None
    other, third = tmp_path / "other.pem", tmp_path / "third.pem"
    for path in (other, third):
        path.write_text("")
    profiles.setenv("REQUESTS_CA_BUNDLE", str(third))
    assert place().ca_file == third
    profiles.setenv("AWS_PROFILE", "certificates")
    assert place().ca_file == tmp_path / "ca.pem"
    profiles.setenv("AWS_CA_BUNDLE", str(other))
    assert place().ca_file == other
    profiles.setenv("AWS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match=r"AWS_CA_BUNDLE names .*none\.pem"):
        place()


@pytest.mark.parametrize(("profile", "why"), [("nobody", "nobody"), ("missing", "nothing")])
def test_a_profile_that_cannot_be_used_is_named(profiles: pytest.MonkeyPatch, profile: str, why: str) -> None:
    profiles.setenv("AWS_PROFILE", profile)
    with pytest.raises(ConfigError, match=why):
        place()


def test_a_file_that_is_no_configuration_is_named(aws: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default\nregion")
    with pytest.raises(ConfigError, match="AWS profile"):
        place()


@pytest.mark.parametrize(
    "uri",
    [
        "s3://",
        "s3:///x",
        "s3://a..b/x",
        "s3://-a/x",
        "s3://büro/x",
        "s3://a b/x",
        "s3://a\x00b",
        "s3://a?x",
        "s3://b/a\nb",
        "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/x",
        "s3://" + "a" * 300,
    ],
)
def test_a_uri_that_names_no_bucket_is_refused(aws: pytest.MonkeyPatch, uri: str) -> None:
    with pytest.raises(ConfigError):
        place(uri)


@pytest.mark.parametrize("region", ["us east 1", "us-east-1\n", "évry", "a/b", "-x", "x" * 70, "us-east-1@evil"])
def test_what_is_no_region_is_refused(aws: pytest.MonkeyPatch, region: str) -> None:
    with pytest.raises(ConfigError, match="--region"):
        place(region=region)
    aws.setenv("AWS_REGION", region)
    with pytest.raises(ConfigError, match="AWS_REGION"):
        place()


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9000", "http://h:port", "http://h:99999", "http://u:p@h", "ftp://h", "http://h ö"]
)
def test_what_is_no_endpoint_is_refused_wherever_it_comes_from(
    aws: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    with pytest.raises(ConfigError, match="--endpoint-url"):
        place(endpoint_url=url)
    aws.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL"):
        place()
    aws.delenv("AWS_ENDPOINT_URL")
    (tmp_path / "config").write_text(f"[default]\nendpoint_url = {url}\n")
    with pytest.raises(ConfigError, match="profile"):
        place()


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_texts_are_either_taken_or_refused(bucket: str, endpoint: str, region: str) -> None:
    try:
        found = s3_place(f"s3://{bucket}", endpoint_url=endpoint, region=region)
    except ConfigError:
        return
    assert found is not None
    assert found.url.isascii()
    assert found.url.isprintable()


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("[default]\nservices = x\n[services x]\ns3 = abc\n", "has no settings for s3"),
        ("[default]\nservices =\n  a = b\n[services x]\ns3 =\n  a = b\n", "names no section"),
    ],
)
def test_services_that_are_none_are_told(aws: pytest.MonkeyPatch, tmp_path: Path, config: str, told: str) -> None:
    (tmp_path / "config").write_text(config)
    with pytest.raises(ConfigError, match=told):
        place()


def test_without_a_home_folder_there_are_no_files_by_default(aws: pytest.MonkeyPatch) -> None:
    aws.delenv("AWS_CONFIG_FILE", raising=False)
    aws.delenv("AWS_SHARED_CREDENTIALS_FILE", raising=False)
    aws.setattr("os.path.expanduser", lambda path: path)
    assert place().url == "https://bucket.s3.us-east-1.amazonaws.com"
    for name in ("AWS_CONFIG_FILE", "AWS_CA_BUNDLE"):
        with aws.context() as named:
            named.setenv(name, "~/x")
            with pytest.raises(ConfigError, match=f"{name} '~/x': no home folder is known"):
                place()
