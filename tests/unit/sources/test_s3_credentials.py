"""Credentials: every way to find them, and how they are shared, renewed and given up."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import AccessDenied, PenstockError, SourceUnavailable
from penstock.sources.s3.credentials import Credentials, Keys, credentials_for, find_keys
from support.small_s3 import SmallS3, small_s3
from unit.sources.ways import EXPIRING, WAYS, clean_aws

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE")
ABOUT = "s3://bucket"
P = ParamSpec("P")


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3() as server:
        yield server


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which botocore finds nothing."""
    clean_aws(monkeypatch, tmp_path)
    return monkeypatch


@given(st.dictionaries(st.sampled_from(NAMES[2:4]), st.sampled_from(["", "one", "other"])))
def test_they_are_those_that_boto3_finds(tokens: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.delenv(name, raising=False)
        for name, value in {**tokens, NAMES[0]: "key", NAMES[1]: "secret"}.items():
            patch.setenv(name, value)
        wanted = boto3.Session().get_credentials()
        found = find_keys("us-east-2")
    assert wanted is not None
    assert found == Keys(access_key_id=wanted.access_key, secret_access_key=wanted.secret_key, token=wanted.token)


@pytest.mark.parametrize("expiring", [False, True])
def test_botocore_is_imported_where_it_is_needed_alone(expiring: bool) -> None:
    """It takes 0.15 s, which a trainer would wait for its first batch."""
    code = (
        "import sys\nfrom penstock.sources.s3.credentials import find_keys\n"
        "find_keys('us-east-2')\nprint('botocore' in sys.modules)\n"
    )
    environment = {NAMES[0]: "key", NAMES[1]: "secret", "PYTHONPATH": ":".join(sys.path)}
    if expiring:
        environment["AWS_CREDENTIAL_EXPIRATION"] = "2999-01-01T00:00:00Z"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(expiring)]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_botocore_gives_them(way: str, aws: pytest.MonkeyPatch, tmp_path: Path, server: SmallS3) -> None:
    WAYS[way](aws, tmp_path, server)
    keys = asyncio.run(credentials_for(ABOUT, "us-east-2").current())
    assert keys.access_key_id in {"PLAIN", *server.lent}
    assert (keys.expires_at_seconds is not None) == (way in EXPIRING)
    assert "secret" not in repr(keys)


@pytest.mark.parametrize("way", EXPIRING)
def test_what_cannot_be_had_is_told_with_its_reason(
    way: str, aws: pytest.MonkeyPatch, tmp_path: Path, server: SmallS3
) -> None:
    server.lends = False
    WAYS[way](aws, tmp_path, server)
    aws.setenv("AWS_MAX_ATTEMPTS", "1")
    aws.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    with pytest.raises(PenstockError) as caught:
        asyncio.run(credentials_for(ABOUT, "us-east-2").current())
    told = str(caught.value)
    assert ABOUT in told
    if way == "instance":  # none is there, as on a machine that is no instance of EC2
        assert "no AWS credentials were found" in told
    else:
        assert "could not be had" in told
        assert "AccessDenied" in told or "500" in told or "exit" in told.lower() or "Error" in told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (0, "AKI\u00c4", "access key id"),
        (0, "AKIA ", "access key id"),
        (0, "AK\nX-Own: header", "access key id"),
        (1, "hidden\n", "secret access key"),
        (1, "\thidden", "secret access key"),
        (2, "hidden\n", "session token"),
        (2, "hidden\u2028", "session token"),
    ],
)
@pytest.mark.parametrize("in_a_file", [False, True])
def test_what_no_request_can_carry_is_named_and_not_shown(
    name: int, value: str, told: str, in_a_file: bool, aws: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = {**dict.fromkeys(NAMES[:3], "whole"), NAMES[name]: value}
    if in_a_file:
        given = {"Version": 1, "AccessKeyId": values[NAMES[0]], "SecretAccessKey": values[NAMES[1]]}
        (tmp_path / "given").write_text(json.dumps({**given, "SessionToken": values[NAMES[2]]}))
        (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path}/given\n")
        aws.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    else:
        for variable, text in values.items():
            aws.setenv(variable, text)
    with pytest.raises(AccessDenied, match=f"the {told} found for {ABOUT} holds a space, a line break") as caught:
        asyncio.run(credentials_for(ABOUT, "us-east-2").current())
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("secret", [5, ["whole"], {"a": 1}])
def test_keys_that_are_no_text_are_refused(secret: object, aws: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {"Version": 1, "AccessKeyId": "whole", "SecretAccessKey": secret}
    (tmp_path / "given").write_text(json.dumps(given))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path}/given\n")
    aws.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(AccessDenied, match="the secret access key found"):
        asyncio.run(credentials_for(ABOUT, "us-east-2").current())


def test_a_profile_that_asks_for_a_code_says_so() -> None:
    """As botocore does, of a terminal that there is none of."""

    def ask() -> Keys:
        raise EOFError

    with pytest.raises(AccessDenied, match=r"asks for an MFA code, and there is no terminal: .*get-session-token"):
        asyncio.run(Credentials(ask, about=ABOUT).current())


def test_a_profile_that_is_none_is_named(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(AccessDenied, match="nobody"):
        asyncio.run(credentials_for(ABOUT, "us-east-2").current())


def test_a_secret_that_a_process_tells_is_not_shown(aws: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = f"{sys.executable} -c \"import sys; sys.exit('SecretAccessKey: wJalr/XUtn, no')\""
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {words}\n")
    with pytest.raises(AccessDenied) as caught:
        asyncio.run(credentials_for(ABOUT, "us-east-2").current())
    assert "custom-process" in str(caught.value)
    assert "XUtn" not in str(caught.value)


def in_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **options: P.kwargs) -> None:
        asyncio.run(test(*args, **options))

    return run


class Source:
    """Gives keys that live as long as they are told to, by a clock that is set by hand."""

    def __init__(self, *, life_seconds: float | None = 45) -> None:
        self.now = 1e9
        self.life_seconds = life_seconds
        self.num_found = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def find(self) -> Keys:
        self.gate.wait(10)
        self.num_found += 1
        if self.error is not None:
            raise self.error
        ends = None if self.life_seconds is None else self.now + self.life_seconds
        return Keys(access_key_id=f"K{self.num_found}", secret_access_key="s", expires_at_seconds=ends)

    def credentials(self, *, find_seconds: float = 10) -> Credentials:
        return Credentials(self.find, about=ABOUT, clock=lambda: self.now, find_seconds=find_seconds)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.001)


@in_loop
async def test_many_at_once_share_one_search() -> None:
    source = Source()
    source.gate.clear()
    credentials = source.credentials()
    waiting = [asyncio.ensure_future(credentials.current()) for _ in range(500)]
    await asyncio.sleep(0.01)
    source.gate.set()
    assert {keys.access_key_id for keys in await asyncio.gather(*waiting)} == {"K1"}
    assert source.num_found == 1


@pytest.mark.parametrize(("life_seconds", "asked_after"), [(3600, 3300), (900, 600), (45, 30), (6, 4), (1.2, 1)])
@in_loop
async def test_others_are_asked_for_in_time_and_not_before(life_seconds: float, asked_after: float) -> None:
    source = Source(life_seconds=life_seconds)
    credentials = source.credentials()
    await credentials.current()
    source.now += asked_after - 0.01
    assert (await credentials.current()).access_key_id == "K1"
    assert source.num_found == 1
    source.gate.clear()
    source.now += 0.02
    assert (await credentials.current()).access_key_id == "K1"  # nobody waits while they are good
    source.gate.set()
    await _until(lambda: source.num_found == 2)
    await _until(lambda: credentials._finding is None)
    assert (await credentials.current()).access_key_id == "K2"


@in_loop
async def test_three_minutes_of_credentials_that_live_45_seconds() -> None:
    source = Source(life_seconds=45)
    credentials = source.credentials()
    for _ in range(1800):
        keys = await credentials.current()
        assert keys.expires_at_seconds is not None
        assert keys.expires_at_seconds > source.now
        await _until(lambda: credentials._finding is None)
        source.now += 0.1
    assert source.num_found == 6


@in_loop
async def test_credentials_without_an_end_are_asked_for_once() -> None:
    source = Source(life_seconds=None)
    credentials = source.credentials()
    for _ in range(3):
        await credentials.current()
        source.now += 1e6
    assert source.num_found == 1


@in_loop
async def test_a_search_that_fails_beside_is_tried_again_with_growing_pauses_until_the_end() -> None:
    source = Source(life_seconds=900)
    credentials = source.credentials()
    await credentials.current()
    source.error = OSError("no network")
    source.now += 600
    while source.now < 1e9 + 899:
        assert (await credentials.current()).access_key_id == "K1"
        await _until(lambda: credentials._finding is None)
        source.now += 0.5
    assert 8 < source.num_found < 20
    source.now += 60
    with pytest.raises(SourceUnavailable, match="no network"):
        await credentials.current()
    source.error = None
    source.now += 60
    assert (await credentials.current()).access_key_id.startswith("K")


@in_loop
async def test_a_failure_is_not_asked_for_again_by_each_of_many() -> None:
    source = Source()
    source.error = OSError("no network")
    credentials = source.credentials()
    for _ in range(100):
        with pytest.raises(AccessDenied, match="no network"):
            await credentials.current()
    assert source.num_found == 1


@in_loop
async def test_those_that_a_store_refuses_are_renewed_once_for_all() -> None:
    source = Source(life_seconds=None)
    credentials = source.credentials()
    refused = await credentials.current()
    assert all(await asyncio.gather(*(credentials.renew(refused) for _ in range(100))))
    assert (await credentials.current()).access_key_id == "K2"
    assert source.num_found == 2


@in_loop
async def test_those_that_come_again_though_refused_are_no_others() -> None:
    same = Keys(access_key_id="K", secret_access_key="s", token="t")
    credentials = Credentials(lambda: replace(same, expires_at_seconds=time.time() + 60), about=ABOUT)
    assert not await credentials.renew(await credentials.current())


@in_loop
async def test_a_search_that_never_ends_is_given_up_and_the_loop_goes_on_meanwhile() -> None:
    source = Source()
    source.gate.clear()
    credentials = source.credentials(find_seconds=0.2)
    began, ticks = time.monotonic(), 0
    waiting = asyncio.ensure_future(credentials.current())
    while not waiting.done():
        await asyncio.sleep(0.01)
        ticks += 1
    with pytest.raises(SourceUnavailable, match=r"within 0\.2 s"):
        waiting.result()
    assert ticks >= 3
    assert time.monotonic() - began < 5
    source.gate.set()


@in_loop
async def test_who_stops_waiting_takes_nothing_from_the_others() -> None:
    source = Source()
    source.gate.clear()
    credentials = source.credentials()
    one, other = (asyncio.ensure_future(credentials.current()) for _ in range(2))
    await asyncio.sleep(0.01)
    one.cancel()
    await asyncio.sleep(0.01)
    source.gate.set()
    assert (await other).access_key_id == "K1"


def test_one_loop_after_the_other_uses_the_same() -> None:
    source = Source()
    credentials = source.credentials()
    assert [asyncio.run(credentials.current()).access_key_id for _ in range(3)] == ["K1"] * 3
