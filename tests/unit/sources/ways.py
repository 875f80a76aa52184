"""Every way of botocore's to find credentials, set up against a small server that lends them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.small_s3 import SmallS3

__all__ = ["EXPIRING", "WAYS", "clean_aws"]

Way = Callable[[pytest.MonkeyPatch, Path, SmallS3], None]

_NAMES = (
    "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN "
    "AWS_CREDENTIAL_EXPIRATION AWS_PROFILE AWS_DEFAULT_PROFILE AWS_REGION AWS_DEFAULT_REGION "
    "AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL_STS AWS_IGNORE_CONFIGURED_ENDPOINT_URLS "
    "AWS_CA_BUNDLE REQUESTS_CA_BUNDLE AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN "
    "AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI "
    "AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE "
    "AWS_EC2_METADATA_SERVICE_ENDPOINT HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy "
    "all_proxy no_proxy"
)


def clean_aws(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Leave the environment without anything that botocore would find."""
    for name in _NAMES.split():
        patch.delenv(name, raising=False)
    patch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("HOME", str(folder))


def _keys(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    server.takes.add("PLAIN")
    patch.setenv("AWS_ACCESS_KEY_ID", "PLAIN")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def _token(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    keys = server.lend()
    patch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
    patch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
    patch.setenv("AWS_SESSION_TOKEN", keys["Token"])


def _profile(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    server.takes.add("PLAIN")
    (folder / "credentials").write_text("[mine]\naws_access_key_id = PLAIN\naws_secret_access_key = secret\n")
    patch.setenv("AWS_PROFILE", "mine")


def _process(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    """A process that asks the server, as one that a company has would."""
    code = (
        "import json, sys, urllib.request\n"
        "found = json.load(urllib.request.urlopen(sys.argv[1]))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': found['AccessKeyId'], 'SessionToken': found['Token'],\n"
        "    'SecretAccessKey': found['SecretAccessKey'], 'Expiration': found['Expiration']}))\n"
    )
    (folder / "give.py").write_text(code)
    words = f"{sys.executable} -S {folder / 'give.py'} {server.url}/container"
    (folder / "config").write_text(f"[default]\ncredential_process = {words}\n")


def _assumed(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    (folder / "config").write_text(
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/reads\nsource_profile = base\nregion = us-east-2\n"
        "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = secret\n"
    )
    patch.setenv("AWS_PROFILE", "role")
    patch.setenv("AWS_ENDPOINT_URL_STS", server.url)


def _assumed_from_source(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    (folder / "config").write_text(
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/reads\ncredential_source = EcsContainer\n"
    )
    patch.setenv("AWS_PROFILE", "role")
    patch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/container")


def _web_identity(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    (folder / "token").write_text("a-service-account's-token")
    patch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))
    patch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reads")
    patch.setenv("AWS_ENDPOINT_URL_STS", server.url)


def _container(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    (folder / "token").write_text("a-pod-identity's-token")
    patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/container")
    patch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(folder / "token"))


def _instance(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    patch.delenv("AWS_EC2_METADATA_DISABLED")
    patch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)


def _single_sign_on(patch: pytest.MonkeyPatch, folder: Path, server: SmallS3) -> None:
    start = "https://company.awsapps.com/start"
    (folder / "config").write_text(
        f"[default]\nsso_start_url = {start}\nsso_region = us-east-2\n"
        "sso_account_id = 123456789012\nsso_role_name = reads\n"
    )
    cache = folder / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    patch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(cache))  # made when it is imported
    name = hashlib.sha1(start.encode(), usedforsecurity=False).hexdigest()
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    (cache / f"{name}.json").write_text(json.dumps({"accessToken": "signed-in", "expiresAt": ends, "startUrl": start}))
    patch.setenv("AWS_ENDPOINT_URL_SSO", server.url)


WAYS: dict[str, Way] = {
    "keys": _keys,
    "token": _token,
    "profile": _profile,
    "process": _process,
    "assumed": _assumed,
    "assumed-from-source": _assumed_from_source,
    "web-identity": _web_identity,
    "container": _container,
    "instance": _instance,
    "single-sign-on": _single_sign_on,
}
EXPIRING = [name for name in WAYS if name not in ("keys", "token", "profile")]
