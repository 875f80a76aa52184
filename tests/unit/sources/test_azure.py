"""Azure Blob Storage: ways to credentials, what answers mean, and Azurite where it is there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ChecksumMismatch,
    ConfigError,
    ObjectUnreadable,
    OutputError,
    OutputUnwritable,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from penstock.manifest import SourceSpec
from penstock.secrets import redact
from penstock.sources import ClientLimits, ObjectSource, RequestMeter, find_scheme, locate, open_blobs, open_source
from penstock.sources.azure import blobs as azure_blobs
from penstock.sources.azure.keys import keys_for
from penstock.sources.azure.place import DEVELOPMENT_KEY, find_place
from penstock.sources.azure.requests import AzureDialect, string_to_sign
from penstock.sources.stores.client import StoreClient
from penstock.urls import check_location
from support.azure_server import ACCOUNT, CONTAINER, KEY, Azure
from support.small_s3 import Asked, Reply
from unit.sources.places import QUICK

BY_ACCOUNT = f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net"
SAS = "sv=2021-12-02&sp=rl&se=2099-01-01T00%3A00%3A00Z&sig=the%2Btest%3D"


@pytest.fixture
def bare(azure: Azure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Azure:
    """The server, and an environment in which no credentials are found."""
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", str(tmp_path))
    azure.takes_key = False
    return azure


def open_az(server: Azure, prefix: str = "", **options: str | bool) -> ObjectSource:
    spec = SourceSpec.of(f"{server.uri}/{prefix}", endpoint_url=server.url, **options)
    return open_source(spec, limits=QUICK, meter=RequestMeter())


def read_all(source: ObjectSource) -> dict[str, bytes]:
    async def read() -> dict[str, bytes]:
        return {info.key: bytes(await source.get(info)) for info in await source.list_all()}

    return asyncio.run(read())


def failure(work: Callable[[], object]) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        work()
    return caught.value


Way = Callable[[Azure, pytest.MonkeyPatch, Path], None]


def _key(server: Azure, patch: pytest.MonkeyPatch, folder: Path) -> None:
    server.takes_key = True
    patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)


def _connection_key(server: Azure, patch: pytest.MonkeyPatch, folder: Path) -> None:
    server.takes_key = True
    told = f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={KEY};EndpointSuffix=core.windows.net"
    patch.setenv("AZURE_STORAGE_CONNECTION_STRING", told)


def _signature(server: Azure, patch: pytest.MonkeyPatch, folder: Path) -> None:
    server.signature = "the+test="
    patch.setenv("AZURE_STORAGE_SAS_TOKEN", f"?{SAS}")


def _connection_signature(server: Azure, patch: pytest.MonkeyPatch, folder: Path) -> None:
    server.signature = "the+test="
    patch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"BlobEndpoint={server.url};SharedAccessSignature={SAS}")


def _secret(server: Azure, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("AZURE_AUTHORITY_HOST", server.server.url)
    for name, value in {"CLIENT_ID": "client", "TENANT_ID": "tenant", "CLIENT_SECRET": "s3cret"}.items():
        patch.setenv(f"AZURE_{name}", value)


def _federated(server: Azure, patch: pytest.MonkeyPatch, folder: Path) -> None:
    _secret(server, patch, folder)
    patch.delenv("AZURE_CLIENT_SECRET")
    (folder / "token").write_text("a-pod's-token\n")
    patch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(folder / "token"))


def _app_service(server: Azure, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("IDENTITY_ENDPOINT", f"{server.server.url}/msi/token")
    patch.setenv("IDENTITY_HEADER", "header")


def _machine(server: Azure, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.server.url)


def _cli(server: Azure, patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "az").write_text(
        f"#!{sys.executable}\nimport sys, urllib.request, json\n"
        f"found = json.load(urllib.request.urlopen('{server.server.url}/az/token?' + sys.argv[4]))\n"
        "print(json.dumps({'accessToken': found['access_token'], 'expires_on': int(found['expires_on'])}))\n"
    )
    (folder / "az").chmod(0o755)


WAYS: dict[str, Way] = {
    "key": _key,
    "connection string": _connection_key,
    "signature": _signature,
    "connection string's signature": _connection_signature,
    "secret": _secret,
    "federated": _federated,
    "app service": _app_service,
    "machine": _machine,
    "cli": _cli,
}
ENDING = ["secret", "federated", "app service", "machine", "cli"]


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_credentials(way: str, bare: Azure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    WAYS[way](bare, monkeypatch, tmp_path)
    bare.put("a b", b"here")
    source = open_az(bare)
    assert read_all(source) == {"a b": b"here"}
    blobs = open_blobs(f"{BY_ACCOUNT}/run", endpoint_url=bare.url)
    blobs.write("x", b"1")
    assert blobs.read("x") == b"1"
    assert source.meter.failed_requests == 0


@pytest.mark.parametrize("way", ENDING)
def test_a_token_that_is_refused_is_renewed(
    way: str, bare: Azure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    WAYS[way](bare, monkeypatch, tmp_path)
    bare.put("a", b"here")
    source = open_az(bare)
    read_all(source)
    bare.tokens.clear()
    assert read_all(source) == {"a": b"here"}
    assert len(bare.lent) == 2
    assert source.meter.read().count("LIST").answers_4xx == 1


def test_what_services_are_asked_for(bare: Azure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.put("a", b"here")
    for way in (_federated, _app_service, _machine):
        with monkeypatch.context() as patch:
            way(bare, patch, tmp_path)
            read_all(open_az(bare))
    federated, service, machine = bare.lent
    assert federated["way"] == "/tenant/oauth2/v2.0/token"
    assert (federated["client_assertion"], federated["scope"]) == (
        "a-pod's-token",
        "https://storage.azure.com/.default",
    )
    assert (service["resource"], service["api-version"]) == ("https://storage.azure.com/", "2019-08-01")
    assert (machine["way"], machine["resource"]) == (
        "/metadata/identity/oauth2/token",
        "https://storage.azure.com/",
    )


def test_a_rotated_key_is_read_again(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    azure.put("a", b"here")
    azure.takes_key = False
    source = open_az(azure)
    error = failure(lambda: read_all(source))
    assert type(error) is AccessDenied
    assert "AuthenticationFailed" in error.what
    assert KEY not in str(error)
    azure.takes_key = True
    assert read_all(source) == {"a": b"here"}


def test_no_credentials(bare: Azure) -> None:
    error = failure(lambda: read_all(open_az(bare)))
    assert type(error) is AccessDenied
    assert "no Azure credentials were found for az://" in error.what
    blobs = open_blobs(f"{bare.uri}/run", endpoint_url=bare.url)
    assert type(failure(lambda: blobs.read("x"))) is AccessDenied
    assert type(failure(lambda: blobs.write("x", b"1"))) is OutputUnwritable


def test_what_is_of_another_account_is_not_sent(bare: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "another")
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountName=another;AccountKey={KEY}")
    source = open_source(SourceSpec.of(BY_ACCOUNT, endpoint_url=bare.url), limits=QUICK)
    with pytest.raises(AccessDenied, match="no Azure credentials"):
        read_all(source)
    assert not bare.server.requests


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AZURE_STORAGE_KEY", "no key!", "is no key of a storage account"),
        ("AZURE_STORAGE_SAS_TOKEN", "sv=1&sp=r", "is no shared access signature"),
        ("AZURE_STORAGE_SAS_TOKEN", f"{SAS} \n", ""),
        ("AZURE_STORAGE_SAS_TOKEN", "se=soon&sig=abc", "that is no date"),
        ("AZURE_STORAGE_TOKEN", "with space", "holds a space"),
        ("AZURE_STORAGE_CONNECTION_STRING", f"AccountName={ACCOUNT};AccountKey=!;X=1", "is no key"),
    ],
)
def test_credentials_that_no_request_can_carry(
    name: str, value: str, told: str, bare: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.put("a", b"here")
    bare.signature = "the+test="
    monkeypatch.setenv(name, value)
    if not told:
        assert read_all(open_az(bare)) == {"a": b"here"}
        return
    error = failure(lambda: read_all(open_az(bare)))
    assert type(error) is AccessDenied
    assert told in error.what
    assert name in error.what or "connection string" in error.what


def test_a_service_that_refuses_and_one_that_is_away(
    bare: Azure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _secret(bare, monkeypatch, tmp_path)
    told = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
    bare.server.takeover = lambda asked: Reply(status=401, body=json.dumps(told).encode())
    error = failure(lambda: read_all(open_az(bare)))
    assert (type(error), "AADSTS7000215" in error.what) == (AccessDenied, True)
    bare.server.takeover = lambda asked: Reply(status=503)
    assert type(failure(lambda: read_all(open_az(bare)))) is SourceUnavailable
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "http://127.0.0.1:9")
    assert type(failure(lambda: read_all(open_az(bare)))) is SourceUnavailable
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "nowhere"))
    assert type(failure(lambda: read_all(open_az(bare)))) is AccessDenied


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b""), (404, b"<html>"), (400, b'{"error": "invalid_request", "error_description": "Identity not found"}')],
)
def test_a_machine_of_another_cloud_has_no_identity(
    status: int, body: bytes, bare: Azure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _machine(bare, monkeypatch, tmp_path)
    bare.server.takeover = lambda asked: Reply(status=status, body=body)
    assert "no Azure credentials were found" in failure(lambda: read_all(open_az(bare))).what
    bare.server.takeover = lambda asked: (
        Reply(status=status, body=body) if "metadata" in asked.path else bare.answer(asked)
    )
    bare.put("a", b"here")
    _cli(bare, monkeypatch, tmp_path)
    assert read_all(open_az(bare)) == {"a": b"here"}


def test_a_signature_goes_nowhere_unencrypted(bare: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", SAS)
    source = open_source(SourceSpec.of(bare.uri, endpoint_url=f"http://storage.example.com/{ACCOUNT}"), limits=QUICK)
    with pytest.raises(ConfigError, match="without encryption"):
        read_all(source)


def test_a_public_container(bare: Azure) -> None:
    bare.put("a", b"here")
    error = failure(lambda: read_all(open_az(bare, anonymous=True)))
    assert (type(error), "or it is not public" in error.what) == (BucketNotFound, True)
    bare.is_public = True
    assert read_all(open_az(bare, anonymous=True)) == {"a": b"here"}
    assert all("authorization" not in asked.headers for asked in bare.server.requests)


@pytest.mark.parametrize(
    ("uri", "options", "environment", "endpoint"),
    [
        (BY_ACCOUNT, {}, {}, f"https://{ACCOUNT}.blob.core.windows.net"),
        ("az://box/x", {"account": "mine"}, {}, "https://mine.blob.core.windows.net"),
        ("az://box/x", {}, {"AZURE_STORAGE_ACCOUNT": "mine"}, "https://mine.blob.core.windows.net"),
        ("az://box/x", {}, {"AZURE_STORAGE_ACCOUNT_NAME": "mine"}, "https://mine.blob.core.windows.net"),
        ("abfs://box@mine.blob.core.chinacloudapi.cn/x", {}, {}, "https://mine.blob.core.chinacloudapi.cn"),
        (
            "az://box",
            {},
            {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=mine;EndpointSuffix=core.usgovcloudapi.net"},
            "https://mine.blob.core.usgovcloudapi.net",
        ),
        (
            "az://box",
            {},
            {"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"},
            "http://127.0.0.1:10000/devstoreaccount1",
        ),
        ("az://box", {"account": "mine", "endpoint_url": "http://azurite:10000"}, {}, "http://azurite:10000/mine"),
        ("az://box", {"endpoint_url": "http://127.0.0.1:10000/mine"}, {}, "http://127.0.0.1:10000/mine"),
        ("az://box", {"endpoint_url": "https://mine.blob.core.windows.net"}, {}, "https://mine.blob.core.windows.net"),
        ("az://box", {"endpoint_url": "https://mine.dfs.core.windows.net"}, {}, "https://mine.blob.core.windows.net"),
        (
            BY_ACCOUNT,
            {},
            {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=other;BlobEndpoint=http://127.0.0.1:1/other"},
            f"https://{ACCOUNT}.blob.core.windows.net",
        ),
    ],
)
def test_where_an_account_is(
    uri: str, options: dict[str, str], environment: dict[str, str], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = SourceSpec.of(uri, **options)
    assert locate(spec) == spec
    assert find_place(spec).endpoint == endpoint
    is_azures = ".blob.core." in endpoint
    assert find_scheme(uri).asked_server(spec) == (None if is_azures else endpoint)


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("az://", "names no container"),
        ("az:///x", "names no container"),
        ("az://Box/x", "no container's name"),
        ("az://a--b/x", "no container's name"),
        ("az://box/x\ny", "control character"),
        ("az://box/x", "no storage account is known"),
        ("abfss://box@example.com/x", "names no account after its @"),
        ("abfss://user:hunter2@mine.dfs.core.windows.net/x", "user name or a key"),
        ("abfss://HUNTER2@mine.dfs.core.windows.net/x", "user name or a key"),
        ("s3://hunter2@bucket.example.com/x", "user name or a key"),
    ],
)
def test_a_place_that_cannot_be(uri: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match=told) as caught:
        open_source(SourceSpec(uri=uri))
    assert "hunter2" not in str(caught.value).lower()


def test_an_account_in_a_uri_is_no_secret() -> None:
    assert check_location(BY_ACCOUNT, "--source") == redact(BY_ACCOUNT) == BY_ACCOUNT
    assert "hunter2" not in redact("abfss://user:hunter2@mine.dfs.core.windows.net/x")
    assert "HUNTER2" not in redact("az://HUNTER2@mine.dfs.core.windows.net/x")
    scheme = find_scheme(BY_ACCOUNT)
    assert scheme.same_place(f"{BY_ACCOUNT}/a/") == f"az://{CONTAINER}@{ACCOUNT}.blob.core.windows.net/a"


@pytest.mark.parametrize("text", ["AccountName", "=x", "https://mine.blob.core.windows.net"])
def test_a_connection_string_that_is_none(text: str, azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    with pytest.raises(ConfigError, match="is no connection string") as caught:
        open_az(azure)
    assert text not in str(caught.value)


def told(status: int, code: str) -> Reply:
    return Reply(status=status, body=b"", headers={"x-ms-error-code": code})


@pytest.mark.parametrize(
    ("reply", "of_listing", "of_object"),
    [
        (told(401, "NoAuthenticationInformation"), AccessDenied, ObjectUnreadable),
        (told(401, "InvalidAuthenticationInfo"), AccessDenied, AccessDenied),
        (told(403, "AuthenticationFailed"), AccessDenied, AccessDenied),
        (told(403, "AuthorizationPermissionMismatch"), AccessDenied, ObjectUnreadable),
        (told(403, "AuthorizationFailure"), AccessDenied, ObjectUnreadable),
        (told(403, "KeyBasedAuthenticationNotPermitted"), AccessDenied, AccessDenied),
        (told(403, "AccountIsDisabled"), AccessDenied, AccessDenied),
        (told(409, "PublicAccessNotPermitted"), AccessDenied, ObjectUnreadable),
        (told(404, "ContainerNotFound"), BucketNotFound, BucketNotFound),
        (told(409, "ContainerBeingDeleted"), BucketNotFound, BucketNotFound),
        (told(409, "BlobArchived"), SourceError, ObjectUnreadable),
        (told(409, "BlobUsesCustomerSpecifiedEncryption"), SourceError, ObjectUnreadable),
        (told(503, "ServerBusy"), SourceUnavailable, SourceUnavailable),
        (told(500, "OperationTimedOut"), SourceUnavailable, SourceUnavailable),
        (Reply(status=429), SourceUnavailable, SourceUnavailable),
        (told(412, "ConditionNotMet"), SourceChanged, SourceChanged),
        (told(400, "InvalidUri"), SourceError, SourceError),
        (Reply(status=307, headers={"Location": "http://127.0.0.1:9/"}), SourceError, SourceError),
        (Reply(status=511, body=b"<html>"), SourceError, SourceError),
        (Reply(body=b"<html>sign in</html>", headers={"Content-Type": "text/html"}), SourceError, SourceError),
    ],
)
def test_what_an_answer_means(
    reply: Reply, of_listing: type[PenstockError], of_object: type[PenstockError], azure: Azure
) -> None:
    azure.put("deep/a", b"0123456789")
    source = open_az(azure)
    (info,) = asyncio.run(source.list_all())
    azure.server.takeover = lambda asked: reply
    assert type(failure(lambda: asyncio.run(source.list_all()))) is of_listing
    assert type(failure(lambda: asyncio.run(source.get_range(info, 2, 5)))) is of_object
    blobs = open_blobs(f"{azure.uri}/run", endpoint_url=azure.url, limits=QUICK)
    wrong = failure(lambda: blobs.write("x", b"1"))
    assert type(wrong) is (OutputError if of_object is SourceUnavailable else OutputUnwritable)
    assert f"{azure.uri}/run/x" in wrong.what


def test_an_account_that_nobody_has(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT")
    limits = ClientLimits(max_retries=0, retry_seconds=1, first_answer_seconds=1)
    spec = SourceSpec.of("az://box/x", endpoint_url="https://nobody.blob.core.windows.invalid", account="nobody")
    with pytest.raises(SourceUnavailable, match=r"check the account's name \(nobody\)"):
        asyncio.run(open_source(spec, limits=limits).list_all())


def test_a_page_of_what_passes_with_200_is_asked_for_again(azure: Azure) -> None:
    azure.put("a", b"here")
    busy = [Reply(body=b"<Error><Code>ServerBusy</Code></Error>"), Reply(body=b"<EnumerationResults><Blo")]
    azure.server.takeover = lambda asked: busy.pop() if busy else azure.answer(asked)
    assert read_all(open_az(azure)) == {"a": b"here"}


def test_archived_blobs_and_folders(azure: Azure) -> None:
    azure.put("folder/a", b"here")
    azure.put("cold", b"kept")
    azure.tiers = {"folder/a": "Cool"}
    azure.folders = {"folder", "folder/empty"}
    azure.archived = {"cold"}
    source = open_az(azure)
    cold, a = asyncio.run(source.list_all())
    assert (cold.key, cold.trouble, a.key, a.trouble) == ("cold", "is archived (Archive)", "folder/a", "")
    assert (cold.storage_class, a.storage_class) == ("Archive", "Cool")
    with pytest.raises(ObjectUnreadable, match="cold is archived and cannot be read: rehydrate"):
        asyncio.run(source.get(cold))


def test_damaged_bytes_are_known_by_their_checksum(azure: Azure) -> None:
    azure.put("a", b"0123456789")
    source = open_az(azure)
    (info,) = asyncio.run(source.list_all())

    def damaging(asked: Asked) -> Reply:
        reply = azure.answer(asked)
        return Reply(status=reply.status, body=reply.body.replace(b"5", b"6"), headers=reply.headers)

    azure.server.takeover = damaging
    with pytest.raises(ChecksumMismatch, match="md5"):
        asyncio.run(source.get(info))


def test_large_blobs_go_up_by_blocks(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_blobs, "BLOCK_BYTES", 1000)
    data = os.urandom(3500)
    blobs = open_blobs(f"{azure.uri}/run", endpoint_url=azure.url)
    blobs.write("x", data)
    assert blobs.read("x") == data
    assert [asked.query.get("comp") for asked in azure.server.requests if asked.method == "PUT"] == [
        *(["block"] * 4),
        "blocklist",
    ]


def test_names_that_xml_cannot_hold_come_encoded(azure: Azure) -> None:
    azure.put("bell\x07", b"here")
    azure.put("\ufffe", b"there")
    assert sorted(read_all(open_az(azure))) == ["bell\x07", "\ufffe"]


def _listed(inside: str, *, name: str = CONTAINER, after: str = "<NextMarker/>") -> bytes:
    return f'<EnumerationResults ContainerName="{name}"><Blobs>{inside}</Blobs>{after}</EnumerationResults>'.encode()


def _blob(name: str = "a", size: str = "1", etag: str = "0x1") -> str:
    told = f"<Content-Length>{size}</Content-Length><Etag>{etag}</Etag>"
    return f"<Blob><Name>{name}</Name><Properties>{told}</Properties></Blob>"


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (_listed(_blob(size="-1")), "a size of '-1'"),
        (_listed(_blob(size=str(1 << 51))), "a size of"),
        (_listed(_blob(etag="")), "no ETag"),
        (_listed(_blob(name="")), "without a name"),
        (_listed(_blob() * 2), "twice"),
        (_listed(_blob(), name="other"), "of the container 'other'"),
        (_listed(_blob(), after=""), "whether more follow"),
        (_listed(_blob(), after="<NextMarker>same</NextMarker>"), "repeats an earlier|would never end"),
        (_listed("<BlobPrefix><Name>x/</Name></BlobPrefix>"), "names a folder"),
        (_listed(_blob().replace("<Etag>", "<Etag>1</Etag><Etag>")), "says Etag twice"),
        (b"<!DOCTYPE x><EnumerationResults/>", "no listing"),
        (b"<Other/>", "no listing"),
        (b"{}", "no listing"),
        (_listed('<Blob><Name Encoded="true">%ff</Name></Blob>'), "is no text"),
    ],
)
def test_a_listing_that_cannot_be_trusted(page: bytes, why: str, azure: Azure) -> None:
    azure.server.takeover = lambda asked: Reply(body=page)
    with pytest.raises(SourceError, match=why):
        asyncio.run(open_az(azure).list_all())


def test_what_a_signature_covers() -> None:
    """As the documentation of Shared Key writes it."""
    headers = {"x-ms-version": "2021-12-02", "x-ms-date": "Fri, 26 Jun 2026 23:39:12 GMT", "Content-Length": "0"}
    query = {"restype": "container", "comp": "list", "prefix": "a b"}
    assert string_to_sign("GET", "me", "/box", query, headers) == (
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2026 23:39:12 GMT\nx-ms-version:2021-12-02\n"
        "/me/box\ncomp:list\nprefix:a b\nrestype:container"
    )


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of Azurite, Microsoft's own emulator (npm install azurite), in a process of its own."""
    program = os.environ.get("PENSTOCK_AZURITE") or shutil.which("azurite-blob")
    if not program:
        pytest.skip("Azurite is not there: npm install azurite, and name its azurite-blob in PENSTOCK_AZURITE")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    words = [program, "--silent", "--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck"]
    with subprocess.Popen(words, cwd=tmp_path_factory.mktemp("azurite"), stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/devstoreaccount1"
        process.terminate()


def test_azurite_gives_back_what_it_was_given(azurite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    told = f"AccountName=devstoreaccount1;AccountKey={DEVELOPMENT_KEY};BlobEndpoint={azurite}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", told)
    spec = SourceSpec(uri=f"az://{CONTAINER}/run")
    place = find_place(spec)

    async def make() -> int:
        dialect = AzureDialect(place, keys_for(place, spec.uri))
        client = StoreClient(spec, dialect, limits=QUICK, meter=RequestMeter(), purpose="data")
        answer = await client.call("PUT", None, kind="PUT", purpose="probe", query={"restype": "container"})
        client.close()
        return answer.head.status

    assert asyncio.run(make()) == 201
    monkeypatch.setattr(azure_blobs, "BLOCK_BYTES", 1000)
    names = ["x", "a b?#%20+.bin", "Grün-日本-é.bin", "d/e/f.bin", "st*r~[a]{b}^|`.bin", "quote'\".bin", "&=;,:@$!()"]
    blobs = open_blobs(spec.uri)
    for name in names:
        blobs.write(name, name.encode() * 200)
    source = open_source(spec, limits=QUICK)
    assert read_all(source) == {name: name.encode() * 200 for name in names}
    info = asyncio.run(source.find("d/e/f.bin"))
    assert info is not None
    assert bytes(asyncio.run(source.get_range(info, 9, 9))) == b"d/e/f.bin"
    blobs.write("d/e/f.bin", b"other" * 360)
    with pytest.raises(SourceChanged):
        asyncio.run(source.get_range(info, 9, 9))
    blobs.delete("x")
    assert asyncio.run(source.find("x")) is None
    with pytest.raises(BucketNotFound):
        open_blobs("az://nowhere/run").read("x")
