"""Sources of last resort: what fsspec's file systems reach, by threads and by asyncio, with the same guarantees."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from penstock.doctor.source import check_source
from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    ObjectNotFound,
    ObjectUnreadable,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
    TruncatedObject,
)
from penstock.inspection.looking import Limits, inspect
from penstock.manifest import SourceSpec
from penstock.sources import (
    ClientLimits,
    ObjectInfo,
    ObjectSource,
    RequestMeter,
    find_object,
    find_scheme,
    locate,
    open_source,
)
from penstock.sources.asking import read_storage_options
from penstock.sources.fsspec import systems
from penstock.sources.fsspec.answers import error_of, may_pass, version_of
from penstock.sources.fsspec.options import from_environment
from penstock.sources.given_text import read_given
from support.ftp_server import PASSWORD, USER, Ftp, serve_ftp

FILES = {"a.bin": b"a" * 1000, "b/c.bin": b"c" * 20, "b/d e.bin": b"", "b/ü/%41.bin": bytes(range(256)) * 300}
LIMITS = ClientLimits(request_timeout_seconds=20, retry_seconds=5, max_retries=3)


class Own(MemoryFileSystem):  # type: ignore[misc]
    """A file system in memory by another name."""

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.partition("://")[2] if "://" in path else path))


class Slow(Own):
    """A file system that does to calls what a test wants."""

    protocol = "slowmem"
    store: ClassVar[dict[str, Any]] = {}
    before: Any = None
    num_cut = 0

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        if type(self).before is not None:
            type(self).before(path)
        data = bytes(super().cat_file(path, start, end, **options))
        if type(self).num_cut:
            type(self).num_cut -= 1
            return data[:-1]
        return data


class Nameless(Own):
    """A file system that tells sizes alone."""

    protocol = "nameless"
    store: ClassVar[dict[str, Any]] = {}

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        return [_sized(each) for each in super().ls(path, detail=True, **options)]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return _sized(super().info(path, **options))


def _sized(info: dict[str, Any]) -> dict[str, Any]:
    return {name: info[name] for name in ("name", "size", "type")}


class Async(AsyncFileSystem):  # type: ignore[misc]
    """A file system that knows asyncio; it must never be called from another loop than fsspec's."""

    protocol = "asyncmem"
    inner = Slow()
    threads: ClassVar[set[str]] = set()

    async def _ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        return self.inner.ls(path, detail=detail)

    async def _info(self, path: str, **options: Any) -> Any:
        return self.inner.info(path)

    async def _cat_file(self, path: str, start: Any = None, end: Any = None, **options: Any) -> bytes:
        self.threads.add(threading.current_thread().name)
        return self.inner.cat_file(path, start, end)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    for kind in (Slow, Nameless, Async):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)
        systems.known_names.cache_clear()
    yield
    Slow.before, Slow.num_cut = None, 0
    for store in (Slow.store, Nameless.store, MemoryFileSystem.store):
        store.clear()


@pytest.fixture
def ftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ftp]:
    for key, data in FILES.items():
        (tmp_path / "data" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / key).write_bytes(data)
    monkeypatch.setenv("FSSPEC_FTP_USERNAME", USER)
    monkeypatch.setenv("FSSPEC_FTP_PASSWORD", PASSWORD)
    with serve_ftp(tmp_path) as server:
        yield server


def fill(name: str) -> None:
    fs = Slow() if name == "asyncmem" else fsspec.filesystem(name)
    for key, data in FILES.items():
        fs.pipe_file(f"/data/{key}", data)


@contextlib.contextmanager
def opened(uri: str, limits: ClientLimits = LIMITS, **options: Any) -> Iterator[ObjectSource]:
    source = open_source(SourceSpec(uri=uri, options=options), limits=limits)
    try:
        yield source
    finally:
        source.close()


async def _all(source: ObjectSource, prefix: str = "") -> dict[str, ObjectInfo]:
    return {info.key: info async for page in source.list_objects(prefix) for info in page}


def test_what_lies_in_memory_is_told_to_be_of_one_process() -> None:
    with (
        opened("memory://lies-in-another-process") as source,
        pytest.raises(BucketNotFound, match="in memory no other sees"),
    ):
        asyncio.run(_all(source))


@pytest.fixture(params=["memory", "slowmem", "asyncmem", "ftp"])
def uri(request: pytest.FixtureRequest) -> str:
    if request.param == "ftp":
        return f"{request.getfixturevalue('ftp').uri}/data"
    fill(request.param)
    return f"{request.param}://data"


def test_files_are_listed_and_read_by_range(uri: str) -> None:
    async def look(source: ObjectSource) -> None:
        found = await _all(source)
        assert {key: info.size_bytes for key, info in found.items()} == {key: len(data) for key, data in FILES.items()}
        assert all(info.version for info in found.values())
        for key, data in FILES.items():
            assert await source.get(found[key]) == data
            if data:
                assert await source.get_range(found[key], 7, 5) == data[7:12]
                assert await source.get_range(found[key], len(data) - 3, 3) == data[-3:]
            assert await source.find(key) == found[key]
        assert sorted(await _all(source, "b")) == sorted(key for key in FILES if key.startswith("b/"))
        assert sorted(await source.names_in(uri)) == ["a.bin", "b/"]
        assert await source.find("no.bin") is None
        assert await source.find("b") is None
        with pytest.raises(TruncatedObject):
            await source.get_range(found["a.bin"], 999, 2)
        together = await asyncio.gather(
            *(source.get_range(found["b/ü/%41.bin"], at, 256) for at in range(0, 5120, 256))
        )
        assert all(bytes(part) == bytes(range(256)) for part in together)

    with opened(uri) as source:
        asyncio.run(look(source))
        meters = source.meter.read()
        assert meters.failed_requests == meters.retried_requests == 0
        assert {line.kind for line in meters.requests} == {"GET", "HEAD", "LIST"}
        assert meters.bytes_downloaded == sum(map(len, FILES.values())) + 3 * 8 + 20 * 256
        assert "slower" in source.notes()[0]


def test_a_uri_may_name_one_file(uri: str) -> None:
    with opened(f"{uri}/b/c.bin") as source:
        found = asyncio.run(_all(source))
        assert list(found) == ["c.bin"]
        assert source.spec.uri == f"{uri}/b"
        assert asyncio.run(source.get(found["c.bin"])) == b"c" * 20


def test_what_is_not_there_is_told(uri: str) -> None:
    with opened(f"{uri}/nothing") as source, pytest.raises(BucketNotFound, match="there is no"):
        asyncio.run(source.list_all())
    with opened(uri) as source:
        info = asyncio.run(_all(source))["a.bin"]
        gone = ObjectInfo(key="gone.bin", size_bytes=5, version=info.version)
        with pytest.raises(ObjectNotFound, match=r"gone\.bin"):
            asyncio.run(source.get(gone))
        assert source.meter.read().failed_requests == 1


@pytest.mark.parametrize("size", [1000, 999])
def test_a_changed_file_is_an_error(ftp: Ftp, size: int) -> None:
    with opened(f"{ftp.uri}/data") as source:
        info = asyncio.run(_all(source))["a.bin"]
        (ftp.folder / "data/a.bin").write_bytes(b"z" * size)
        os.utime(ftp.folder / "data/a.bin", (2e9, 2e9))
        with pytest.raises((SourceChanged, SourceUnavailable)) as caught:
            asyncio.run(source.get(info))
        assert isinstance(caught.value, SourceChanged)


def test_a_file_that_changes_while_it_is_read_is_an_error() -> None:
    fill("slowmem")
    fs = Slow()
    with opened("slowmem://data") as source:
        info = asyncio.run(_all(source))["a.bin"]
        Slow.before = lambda path: fs.pipe_file("/data/a.bin", b"y" * 1000)
        with pytest.raises(SourceChanged):
            asyncio.run(source.get(info))


def test_what_has_no_version_is_refused_unless_it_is_said_to_stay() -> None:
    fill("nameless")
    with opened("nameless://data") as source, pytest.raises(SourceError, match="unversioned=true"):
        asyncio.run(source.list_all())
    with opened("nameless://data", unversioned=True) as source:
        found = asyncio.run(_all(source))
        assert asyncio.run(source.get(found["a.bin"])) == b"a" * 1000
        Nameless().pipe_file("/data/a.bin", b"a" * 999)
        with pytest.raises((SourceChanged, TruncatedObject)):
            asyncio.run(source.get(found["a.bin"]))


def test_asyncio_is_used_where_it_is_known() -> None:
    fill("asyncmem")
    Async.threads.clear()
    with opened("asyncmem://data") as source:
        found = asyncio.run(_all(source))
        asyncio.run(source.get(found["a.bin"]))
    assert Async.threads == {"fsspecIO"}


def test_calls_that_fail_are_made_again_and_counted() -> None:
    fill("slowmem")
    left = [ConnectionResetError("cut"), TimeoutError("slow"), EOFError()]

    def fail(path: str) -> None:
        if left:
            raise left.pop()

    Slow.before = fail
    with opened("slowmem://data") as source:
        found = asyncio.run(_all(source))
        assert asyncio.run(source.get(found["a.bin"])) == b"a" * 1000
        meters = source.meter.read()
        assert (meters.retried_requests, meters.failed_requests) == (3, 0)


def test_ranges_that_are_cut_off_are_read_again_and_counted() -> None:
    fill("slowmem")
    with opened("slowmem://data") as source:
        found = asyncio.run(_all(source))
        Slow.num_cut = 2
        assert asyncio.run(source.get(found["a.bin"])) == b"a" * 1000
        assert source.meter.read().retried_requests == 2
        Slow.num_cut = 99
        with pytest.raises(SourceUnavailable, match="999 of 1000 bytes came"):
            asyncio.run(source.get(found["a.bin"]))
        Slow().pipe_file("/data/a.bin", b"a" * 999)
        with pytest.raises(SourceChanged):
            asyncio.run(source.get(found["a.bin"]))
        Slow().rm_file("/data/a.bin")
        with pytest.raises(ObjectNotFound):
            asyncio.run(source.get(found["a.bin"]))


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (ConnectionResetError("cut"), SourceUnavailable),
        (PermissionError("no"), ObjectUnreadable),
        (ftplib.error_perm("550 denied"), ObjectUnreadable),
        (ValueError("what"), SourceError),
    ],
)
def test_calls_that_go_on_failing_are_given_up(problem: Exception, kind: type[PenstockError]) -> None:
    fill("slowmem")

    def fail(path: str) -> None:
        raise problem

    Slow.before = fail
    with opened("slowmem://data", ClientLimits(max_retries=1)) as source:
        found = asyncio.run(_all(source))
        with pytest.raises(kind) as caught:
            asyncio.run(source.get(found["a.bin"]))
        assert type(caught.value) is kind
        assert "a.bin" in str(caught.value)
        assert source.meter.read().failed_requests == 1


@pytest.mark.parametrize(
    "name", ["AuthenticationException", "SMBAuthenticationError", "ClientAuthenticationError", "AuthError"]
)
def test_credentials_that_end_are_no_trouble_of_a_single_file(name: str) -> None:
    """Files that cannot be read may be left out, and all of them would be."""
    error = error_of(type(name, (Exception,), {})("no"), "sftp://h/x", "a.bin", "")
    assert type(error) is AccessDenied
    assert "a.bin" in str(error)
    assert "storage_options" in error.fix
    assert type(error_of(PermissionError("no"), "sftp://h/x", "a.bin", "")) is ObjectUnreadable


def test_a_call_that_never_ends_holds_nobody_up() -> None:
    fill("slowmem")
    held = threading.Event()
    num_hung = 0

    def hang(path: str) -> None:
        nonlocal num_hung
        if num_hung < 9:  # one more than there are threads
            num_hung += 1
            held.wait(60)

    Slow.before = hang
    limits = ClientLimits(request_timeout_seconds=0.3, retry_seconds=30)
    try:
        with opened("slowmem://data", limits) as source:
            found = asyncio.run(_all(source))

            async def read() -> list[bytes]:
                return await asyncio.gather(*(source.get(found["b/c.bin"]) for _ in range(9)))

            assert asyncio.run(read()) == [b"c" * 20] * 9
            assert source.meter.read().retried_requests >= 9
    finally:
        held.set()


def test_threads_end_with_the_source(ftp: Ftp) -> None:
    before = _own_threads()
    with opened(f"{ftp.uri}/data") as source:
        asyncio.run(_all(source))
        assert _own_threads() - before
    _wait_until_gone(lambda: _own_threads() - before)


def _own_threads() -> set[str]:
    return {each.name for each in threading.enumerate() if each.name.startswith("penstock-fsspec-")}


def _wait_until_gone(threads: Callable[[], set[str]]) -> None:
    until = time.monotonic() + 30
    while threads() and time.monotonic() < until:
        time.sleep(0.01)
    assert threads() == set()


@pytest.mark.parametrize("look", ["inspect", "find", "text", "doctor"])
@pytest.mark.parametrize("what", ["refused", "missing"])
def test_threads_end_with_whoever_only_looked(ftp: Ftp, monkeypatch: pytest.MonkeyPatch, look: str, what: str) -> None:
    """Whoever opens a source closes it, also where its first look is refused or finds nothing."""
    before = _own_threads()
    if what == "refused":
        monkeypatch.setenv("FSSPEC_FTP_PASSWORD", "hunter3-which-is-wrong")
    spec = SourceSpec(uri=f"{ftp.uri}/data/nothing")
    looks: dict[str, Callable[[], object]] = {
        "inspect": lambda: asyncio.run(inspect(spec, LOOKS, today=date(2026, 11, 1))),
        "find": lambda: asyncio.run(find_object(spec, meter=RequestMeter())),
        "text": lambda: read_given(spec.uri, option="--options", wanted="give another"),
        "doctor": lambda: check_source(spec),
    }
    with contextlib.suppress(SourceError):
        assert looks[look]().state != "ok"  # type: ignore[attr-defined]
    _wait_until_gone(lambda: _own_threads() - before)


LOOKS = Limits(requests=100, num_bytes=1 << 20, objects=10, num_samples=1)


class Stuck(Own):  # type: ignore[misc]
    """A file system that does not come back from being made, as where a name is looked up and nobody answers."""

    protocol = "stuckmem"
    released = threading.Event()
    made = 0

    def __init__(self, *given: Any, **options: Any) -> None:
        type(self).made += 1
        Stuck.released.wait()
        super().__init__(*given, **options)


class StuckAsync(Stuck):
    protocol = "stuckasync"
    async_impl = True


@pytest.mark.parametrize("kind", [Stuck, StuckAsync])
def test_a_connection_that_is_never_made_is_given_up(kind: type[Stuck]) -> None:
    """And nobody waits for its thread: neither the end of the event loop, nor that of the process."""
    fsspec.register_implementation(kind.protocol, kind, clobber=True)
    systems.known_names.cache_clear()
    before, kind.made = _own_threads(), 0
    Stuck.released.clear()
    limits = ClientLimits(request_timeout_seconds=0.1, max_retries=1)
    try:
        with (
            opened(f"{kind.protocol}://data", limits) as source,
            pytest.raises(SourceUnavailable, match=r"nothing came in time.*2 tries"),
        ):
            asyncio.run(source.list_all())
        assert kind.made == 2
        assert all(each.daemon for each in threading.enumerate() if each.name in _own_threads())
    finally:
        Stuck.released.set()
    _wait_until_gone(lambda: _own_threads() - before)


def test_wrong_credentials_are_told_without_them(ftp: Ftp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSSPEC_FTP_PASSWORD", "hunter3-which-is-wrong")
    with opened(f"{ftp.uri}/data") as source, pytest.raises(AccessDenied) as caught:
        asyncio.run(source.list_all())
    assert "hunter3" not in str(caught.value)


def test_nobody_there_is_told() -> None:
    limits = ClientLimits(max_retries=1)
    with opened("ftp://127.0.0.1:9/x", limits) as source, pytest.raises(SourceUnavailable, match="2 tries"):
        asyncio.run(source.list_all())


def test_a_place_that_has_never_answered_is_given_up_sooner() -> None:
    limits = ClientLimits(retry_seconds=600, first_answer_seconds=0.2)
    with opened("ftp://127.0.0.1:9/x", limits) as source, pytest.raises(SourceUnavailable):
        asyncio.run(source.list_all())


def test_pauses_longer_than_the_clock_looks_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.clock.LONGEST_SECONDS", 0.1)
    monkeypatch.setattr("penstock.clock.LOOK_SECONDS", 0.01)
    limits = ClientLimits(first_answer_seconds=1, max_retries=8)
    with opened("ftp://127.0.0.1:9/x", limits) as source, pytest.raises(SourceUnavailable) as caught:
        asyncio.run(source.list_all())
    assert "9 tries" not in str(caught.value)


# Schemes and options


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("zip::s3://b/x.zip", "is a chain of file systems"),
        ("zip://x.zip", "there is no scheme 'zip'"),
        ("simplecache://x", "there is no scheme 'simplecache'"),
        ("local:///etc", "there is no scheme 'local'"),
        ("nosuch://x", "what fsspec knows"),
        ("gcs://b/x", "did you mean gs://?"),
        ("s3a://b/x", "did you mean s3://?"),
    ],
)
def test_schemes_that_are_no_places_are_refused(uri: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_scheme(uri)
    assert told in str(caught.value)


def test_without_fsspec_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.sources.registry.knows", lambda name: False)
    monkeypatch.setattr("penstock.sources.registry.is_there", lambda module: False)
    with pytest.raises(ConfigError, match=r"pip install 'penstock\[fsspec\]'"):
        find_scheme("sftp://host/x")


def test_a_file_system_that_lacks_a_package_names_it() -> None:
    with pytest.raises(ConfigError, match="paramiko"):
        open_source(SourceSpec(uri="sftp://host/x"))


def test_options_go_by_the_environment_and_into_no_manifest() -> None:
    given = {"username": "me", "password": "hunter2", "port": 2121, "tls": True, "unversioned": True}
    found = read_storage_options("ftp://host/x", given)
    assert found.options == {"unversioned": True}
    environment = {name: value for name, value in found.environment.items() if value is not None}
    assert environment["FSSPEC_FTP_PASSWORD"] == "hunter2"
    assert from_environment("ftp", environment) == {"username": "me", "password": "hunter2", "port": 2121, "tls": True}


@pytest.mark.parametrize("given", [{"session": object()}, {"skip_instance_cache": True}, {"unversioned": 1}])
def test_options_that_cannot_be_given_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="storage_options"):
        read_storage_options("ftp://host/x", given)


def test_a_variable_that_is_no_json_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        from_environment("ftp", {"FSSPEC_FTP": "password=hunter2"})
    assert "hunter2" not in str(caught.value)


def test_an_option_that_the_file_system_does_not_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSSPEC_FTP_BLOCK_SIZES", "7")
    monkeypatch.setenv("FSSPEC_FTP", '{"host": "elsewhere", "port": "x"}')
    with opened("ftp://127.0.0.1/x") as source, pytest.raises(PenstockError):
        asyncio.run(source.list_all())


@pytest.mark.parametrize("uri", ["ftp://me:hunter2@host/x", "sftp://me@host/x", "ftp://me:hunter2/x"])
def test_a_login_in_a_uri_is_refused_without_showing_it(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SourceSpec(uri=uri)
    assert "hunter2" not in str(caught.value)


def test_a_port_in_a_uri_is_none() -> None:
    assert locate(SourceSpec(uri="ftp://host:2121/x")).uri == "ftp://host:2121/x"
    for uri in ("s3://bucket:2121/x", "gs://bucket:21/x"):
        with pytest.raises(ConfigError):
            SourceSpec(uri=uri)


@pytest.mark.parametrize(
    ("info", "version"),
    [
        ({"ETag": '"x"', "mtime": 5}, 'etag:"x"'),
        ({"content_hash": "abc"}, "contenthash:abc"),
        ({"sha": "abc", "mode": "x"}, "sha:abc"),
        ({"LastModified": "2026"}, "lastmodified:2026"),
        ({"mtime": 1.5, "time": 9}, "mtime:1.5"),
        ({"time": 9, "uid": 0, "name": "x", "size": 3}, ""),
        ({"etag": None, "mtime": True}, ""),
        ({"created": "2026"}, "created:2026"),
        ({"mtime": "2026-11-01T00:00:00+00:00"}, "mtime:1793491200"),
        ({"mtime": datetime(2026, 11, 1, tzinfo=UTC)}, "mtime:1793491200"),
        ({"mtime": datetime(2026, 11, 1)}, "mtime:1793491200"),
    ],
)
def test_what_tells_a_version(info: dict[str, Any], version: str) -> None:
    assert version_of(info) == version


def test_errors_of_others_may_pass_and_those_of_the_program_do_not() -> None:
    class SSHException(Exception):
        pass

    class AuthenticationException(SSHException):
        pass

    assert may_pass(SSHException("banner"))
    assert may_pass(ftplib.error_temp("421"))
    assert not may_pass(AuthenticationException())
    assert not may_pass(TypeError())
    assert not may_pass(FileNotFoundError())
    error = error_of(SSHException("password=abcdefgh12345"), "sftp://h/x", "", "2 tries")
    assert "abcdefgh12345" not in str(error)
