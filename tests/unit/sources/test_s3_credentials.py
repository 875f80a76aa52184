"""Credentials of the environment, taken without boto3, are those that boto3 would take."""

from __future__ import annotations

import subprocess
import sys

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.records import SourceSpec
from penstock.sources.s3 import Boto3Credentials

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE")


@given(st.dictionaries(st.sampled_from(NAMES[2:4]), st.sampled_from(["", "one", "other"])))
def test_they_are_those_that_boto3_finds(tokens: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.delenv(name, raising=False)
        for name, value in {**tokens, NAMES[0]: "key", NAMES[1]: "secret"}.items():
            patch.setenv(name, value)
        wanted = boto3.Session().get_credentials()
        found = Boto3Credentials(SourceSpec(uri="s3://bucket"))()
    assert wanted is not None
    assert found == {
        "access_key_id": wanted.access_key,
        "secret_access_key": wanted.secret_key,
        "token": wanted.token,
        "expires_at": None,
    }


@pytest.mark.parametrize("expiring", [False, True])
def test_boto3_is_imported_where_it_is_needed_alone(expiring: bool) -> None:
    """It takes 0.3 s, which a trainer would wait for its first batch."""
    code = (
        "import sys\nfrom penstock.records import SourceSpec\nfrom penstock.sources.s3 import Boto3Credentials\n"
        "Boto3Credentials(SourceSpec(uri='s3://bucket'))()\nprint('boto3' in sys.modules)\n"
    )
    environment = {NAMES[0]: "key", NAMES[1]: "secret", "PYTHONPATH": ":".join(sys.path)}
    if expiring:
        environment["AWS_CREDENTIAL_EXPIRATION"] = "2999-01-01T00:00:00Z"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(expiring)]
