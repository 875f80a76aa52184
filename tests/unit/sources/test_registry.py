"""Schemes by name, Penstock's own and those of other packages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.sources import find_scheme, locate, open_blobs, open_source, scheme_names
from penstock.sources.scheme import check_options
from support.found_packages import found_packages
from support.toy_scheme import put_toy_package


@pytest.fixture
def packages(tmp_path: Path) -> Iterator[Path]:
    """A folder on the way to packages, which is forgotten afterwards."""
    folder = tmp_path / "packages"
    folder.mkdir()
    with found_packages(folder):
        yield folder


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("gcs://bucket/x", r"no scheme 'gcs': did you mean gs://\?"),
        ("azure://container/x", r"no scheme 'azure': did you mean az://\?"),
        ("s3a://bucket/x", r"no scheme 's3a': did you mean s3://\?"),
        ("S33://bucket/x", r"no scheme 's33': did you mean s3://\?"),
        ("s4://bucket/x", r"no scheme 's4': did you mean s3://\?"),
        ("htps://host/x", r"no scheme 'htps': did you mean https://\?"),
        ("hff://x", r"no scheme 'hff': did you mean hf://\?"),
        ("sfpt://host/x", r"no scheme 'sfpt': did you mean sftp://\?"),
        ("ftps://host/x", r"no scheme 'ftps': did you mean ftp://\?"),
        ("quux://x", "no scheme 'quux'"),
        ("://x", "no scheme ''"),
    ],
)
def test_a_scheme_that_is_not_there(uri: str, told: str) -> None:
    for look in (
        lambda: find_scheme(uri),
        lambda: open_source(SourceSpec(uri=uri)),
        lambda: locate(SourceSpec(uri=uri)),
        lambda: open_blobs(uri),
    ):
        with pytest.raises(ConfigError, match=told) as caught:
            look()
        assert "s3://" in caught.value.fix
        assert "file://" in caught.value.fix


@pytest.mark.parametrize("option", ["endpoint_url", "region", "anonymous", "requester_pays"])
@pytest.mark.parametrize("uri", ["{folder}", "file://{folder}"])
def test_an_option_that_means_nothing_for_a_scheme(uri: str, option: str, tmp_path: Path) -> None:
    value = "http://localhost:9000" if option.endswith("url") else "us-east-2" if option == "region" else True
    spec = SourceSpec.of(uri.format(folder=tmp_path), **{option: value})  # type: ignore[arg-type]
    for look in (locate, open_source):
        with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')} means nothing for a local folder"):
            look(spec)


@pytest.mark.parametrize(("option", "value"), [("region", True), ("endpoint_url", True), ("anonymous", "yes")])
def test_an_option_that_is_not_of_its_kind(option: str, value: str | bool) -> None:
    with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')} {value!r}: give"):
        locate(SourceSpec(uri="s3://bucket", options={option: value}))


def test_a_scheme_says_which_options_of_its_own_it_takes() -> None:
    scheme = replace(find_scheme("/folder"), takes={"shelf": str, "is_dusty": bool})
    spec = SourceSpec.of("toy://x", shelf="upper", is_dusty=True, region=None)
    check_options(scheme, spec)
    assert (spec.text("shelf"), spec.flag("is_dusty"), spec.text("region"), spec.flag("region")) == (
        "upper",
        True,
        None,
        False,
    )
    with pytest.raises(ConfigError, match="--region means nothing for a local folder"):
        check_options(scheme, SourceSpec.of("toy://x", region="us-east-2"))


def test_a_scheme_is_found_however_it_is_written(tmp_path: Path) -> None:
    assert find_scheme("S3://bucket") is find_scheme("s3://bucket")
    assert find_scheme("FILE:///x") is find_scheme("x") is find_scheme(str(tmp_path))


def test_a_scheme_of_another_package(packages: Path) -> None:
    put_toy_package(packages, "toy")
    assert "toy" in scheme_names()
    assert find_scheme("toy://shelf/a").title == "a toy shelf"
    with pytest.raises(ConfigError, match="nothing can be written to toy://shelf"):
        open_blobs("toy://shelf/a")
    with pytest.raises(ConfigError, match=r"did you mean toy://\?"):
        find_scheme("toyy://shelf/a")


def test_no_package_takes_a_scheme_of_our_own(packages: Path) -> None:
    put_toy_package(packages, "s3")
    assert find_scheme("s3://bucket/x").title == "an S3 bucket"


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import nowhere_to_be_found", "cannot be imported from .*ModuleNotFoundError.*nowhere_to_be_found"),
        ("1 / 0", r"cannot be imported from .*ZeroDivisionError.*__init__\.py:1"),
        ("raise SystemExit(3)", "cannot be imported from .*SystemExit"),
        ("SCHEME = 'toy'", "is no Scheme but str"),
        ("", r"toy_scheme_toy has no 'SCHEME': define it in .*__init__\.py"),
        ("SCHEMA = print", "has no 'SCHEME': define it in"),
        ("def scheme(): ...", "has no 'SCHEME': it has scheme"),
    ],
)
def test_a_package_whose_scheme_cannot_be_used(packages: Path, module: str, told: str) -> None:
    put_toy_package(packages, "toy", module=module)
    with pytest.raises(ConfigError, match=told):
        find_scheme("toy://shelf")
