"""Who is paid for a source's requests: the server that they go to."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli import main
from penstock.cost.prices import load_prices
from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.sources.node import this_node
from penstock.steps._shared.common import host_without_device, with_node
from penstock.steps._shared.pricing import check_region, endpoint_paid

SPEC = SourceSpec(uri="s3://bucket/prefix")


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "config"


def test_it_is_aws_where_nothing_names_another() -> None:
    assert endpoint_paid(SPEC) is None
    assert endpoint_paid(SourceSpec(uri="/data")) is None


def test_a_server_that_the_profile_names_is_paid(settings: Path) -> None:
    settings.write_text("[default]\nendpoint_url = http://minio:9000\n")
    assert endpoint_paid(SPEC) == "http://minio:9000"


def test_one_of_the_environment_is_paid_unless_it_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    assert endpoint_paid(SPEC) == "http://minio:9000"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert endpoint_paid(SPEC) is None
    assert endpoint_paid(SourceSpec.of(SPEC.uri, endpoint_url="http://other:1")) == "http://other:1"


def test_settings_that_cannot_be_used_lose_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert endpoint_paid(SPEC) is None


@pytest.mark.parametrize("region", ["mars", "us-east", "EU", "us_east_1", ""])
def test_a_region_that_nobody_has_is_refused_before_anything(
    tmp_path: Path, region: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--source", str(tmp_path / "nowhere"), "--task", "eeg-c1", "--out", str(tmp_path / "out")]
    code = main([*words, "--price-region", region])
    told = capsys.readouterr().err
    if region:
        assert code == ConfigError.exit_code
        assert f"there is no price of the region {region!r}" in told
        assert "us-east-1" in told
    else:
        assert "there is no folder" in told


def test_a_region_without_prices_of_its_own_takes_those_of_another() -> None:
    for region in (None, "us-east-1", "eu-central-1", "us-gov-west-1", "eastus"):
        check_region(region, load_prices())


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ("us-east-1", ""),
        ("us-esat-1", "no price of the region 'us-esat-1'; did you mean 'us-east-1'? (prices are those of other"),
    ],
)
def test_prices_of_other_regions_are_told_before_anything(
    tmp_path: Path, region: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = ("--size", "1TB", "--objects", "1000", "--compute-hours", "1", "--rate", "100MB/s")
    assert main(["forecast", *stated, "--price-region", region]) == 0
    forecast = capsys.readouterr().out
    main(
        [
            "run",
            "--source",
            str(tmp_path / "none"),
            "--task",
            "images",
            "--out",
            str(tmp_path / "out"),
            "--price-region",
            region,
        ]
    )
    warned = capsys.readouterr().err
    for text in (forecast, warned):
        assert told in text
        assert ("did you mean" in text) == bool(told)


def test_a_region_that_is_mistyped_is_named_where_prices_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "list", "--region", "us-esat-1"]) == ConfigError.exit_code
    assert "did you mean 'us-east-1'?" in capsys.readouterr().err
    assert main(["prices", "list", "--region", "us-east-1", "--item", "none"]) == ConfigError.exit_code
    assert "did you mean" not in capsys.readouterr().err


def test_steps_record_the_node_that_they_ran_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_NODE_INSTANCE_TYPE", "g6.xlarge")
    monkeypatch.setenv("PENSTOCK_NODE_REGION", "us-west-2")
    monkeypatch.setenv("PENSTOCK_NODE_LIFECYCLE", "spot")
    this_node.cache_clear()
    try:
        host = host_without_device()
        assert (host.instance_type, host.region, host.lifecycle) == ("g6.xlarge", "us-west-2", "spot")
        assert with_node(host, "g5.xlarge").instance_type == "g5.xlarge"
    finally:
        this_node.cache_clear()
