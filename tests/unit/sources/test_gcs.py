"""Google Cloud Storage: ways to a token, what answers mean, and what its own client makes of the test's server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

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
from penstock.sources import ObjectSource, RequestMeter, find_scheme, open_blobs, open_source
from penstock.sources.stores.pages import Asked as AskedPage
from penstock.sources.stores.pages import BadListing
from support.gcs_server import BUCKET, Gcs
from support.small_s3 import Asked, Reply
from unit.sources.places import QUICK, GcsPlace

TOKENS = ("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS")
PROJECTS = ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT", "GCLOUD_PROJECT")


@pytest.fixture
def bare(gcs: Gcs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Gcs:
    """The server, and an environment in which no credentials are found."""
    for name in (*TOKENS, *PROJECTS, "GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    return gcs


def open_gs(server: Gcs, prefix: str = "", **options: str | bool) -> ObjectSource:
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


def _service_account(bare: Gcs, patch: pytest.MonkeyPatch, folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "account.json").write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": "me@p.iam.gserviceaccount.com",
                "private_key": key.decode(),
                "private_key_id": "1",
                "project_id": "project-of-file",
                "token_uri": f"{bare.url}/token",
            }
        )
    )
    patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "account.json"))


def _federation(bare: Gcs, patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "subject").write_text("a-pod's-token")
    (folder / "federation.json").write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{bare.url}/sts",
                "credential_source": {"file": str(folder / "subject")},
            }
        )
    )
    patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "federation.json"))


def _user(bare: Gcs, patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "gcloud").mkdir()
    told = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    (folder / "gcloud" / "application_default_credentials.json").write_text(json.dumps(told))
    patch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{bare.url}/token")


def _metadata(bare: Gcs, patch: pytest.MonkeyPatch, folder: Path) -> None:
    host = bare.url.removeprefix("http://")
    patch.delenv("NO_GCE_CHECK")
    for name in ("_GCE_METADATA_HOST", "_GCE_DEFAULT_MDS_IP"):
        patch.setattr(f"google.auth.compute_engine._metadata.{name}", host, raising=False)
    patch.setenv("GCE_METADATA_HOST", host)
    patch.setenv("GCE_METADATA_IP", host)


WAYS = {"service-account": _service_account, "federation": _federation, "user": _user, "metadata": _metadata}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_a_token_and_again_when_it_ends(
    way: str, bare: Gcs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    WAYS[way](bare, monkeypatch, tmp_path)
    bare.put("a", b"here")
    source = open_gs(bare)
    assert read_all(source) == {"a": b"here"}
    assert len(bare.lent) == 1
    bare.good_until = 0  # it is refused, whatever was said of its life
    assert read_all(source) == {"a": b"here"}
    assert len(bare.lent) == 2
    assert source.meter.read().count("LIST").answers_4xx == 1
    assert source.meter.failed_requests == 0


def test_what_a_service_account_and_a_federation_send(
    bare: Gcs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _service_account(bare, monkeypatch, tmp_path)
    read_all_of_public(bare)
    _federation(bare, monkeypatch, tmp_path)
    read_all_of_public(bare)
    signed, federated = bare.lent
    assert signed["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert signed["assertion"].count(".") == 2
    assert (federated["subject_token"], federated["scope"].rpartition("/")[2]) == (
        "a-pod's-token",
        "devstorage.read_write",
    )


def read_all_of_public(server: Gcs) -> None:
    server.put("a", b"here")
    read_all(open_gs(server))


def test_a_token_is_renewed_before_it_ends(bare: Gcs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _service_account(bare, monkeypatch, tmp_path)
    bare.life_seconds = 2.0
    bare.put("a", b"here")
    source = open_gs(bare)
    done = threading.Event()

    async def often() -> None:
        (info,) = await source.list_all()
        while len(bare.lent) < 3:
            assert await source.get(info) == b"here"
            await asyncio.sleep(0.02)
        done.set()

    asyncio.run(asyncio.wait_for(often(), 60))
    assert done.is_set()
    assert source.meter.failed_requests == 0


def test_no_credentials(bare: Gcs) -> None:
    bare.put("a", b"here")
    error = failure(lambda: read_all(open_gs(bare)))
    assert type(error) is AccessDenied
    assert "no Google credentials were found for gs://" in error.what
    assert "--anonymous" in error.fix
    blobs = open_blobs(f"{bare.uri}/run", endpoint_url=bare.url)
    assert type(failure(lambda: blobs.read("x"))) is AccessDenied
    assert type(failure(lambda: blobs.write("x", b"1"))) is OutputUnwritable


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "was not found"),
        ("", "is not a valid json file"),
        ("[]", "AttributeError|valid"),
        ('{"type": "service_account"}', "Failed to load service account"),
        ('{"type": "other"}', "does not have a valid type"),
    ],
)
def test_a_file_of_credentials_that_is_none(
    text: str | None, told: str, bare: Gcs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "account.json"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(AccessDenied, match=told):
        read_all(open_gs(bare))


def test_a_service_that_refuses_and_one_that_is_away(
    bare: Gcs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _service_account(bare, monkeypatch, tmp_path)
    bare.server.takeover = lambda asked: Reply(status=400, body=b'{"error": "invalid_grant"}')
    assert type(failure(lambda: read_all(open_gs(bare)))) is AccessDenied
    told = json.loads((tmp_path / "account.json").read_text())
    (tmp_path / "account.json").write_text(json.dumps({**told, "token_uri": "http://127.0.0.1:9/token"}))
    assert type(failure(lambda: read_all(open_gs(bare)))) is SourceUnavailable


@pytest.mark.parametrize("token", ["with space", "line\n", "tok\u00e9n"])
def test_a_token_that_no_request_can_carry(token: str, gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", token)
    error = failure(lambda: read_all(open_gs(gcs)))
    assert type(error) is AccessDenied
    assert token not in str(error)


def test_a_token_goes_nowhere_unencrypted(gcs: Gcs) -> None:
    spec = SourceSpec.of(gcs.uri, endpoint_url="http://storage.example.com")
    with pytest.raises(ConfigError, match="without encryption"):
        open_source(spec)
    open_source(SourceSpec.of(gcs.uri, endpoint_url="http://storage.example.com", anonymous=True))


def test_a_public_bucket(bare: Gcs) -> None:
    bare.token = None
    bare.put("a", b"here")
    assert read_all(open_gs(bare, anonymous=True)) == {"a": b"here"}
    assert all("authorization" not in asked.headers for asked in bare.server.requests)


def test_an_emulator_of_the_environment(bare: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.token = None
    bare.put("a/b", b"here")
    for host in (bare.url, bare.url.removeprefix("http://")):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
        source = open_source(SourceSpec(uri=f"{bare.uri}/a"), limits=QUICK)
        assert read_all(source) == {"b": b"here"}
        blobs = open_blobs(f"{bare.uri}/run")
        blobs.write("x", b"1")
        assert blobs.read("x") == b"1"
        assert find_scheme("gs://x").asked_server(SourceSpec(uri=bare.uri)) == bare.url


@pytest.mark.parametrize("told_by", ["option", "environment"])
def test_a_bucket_whose_readers_pay(told_by: str, gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROJECTS:
        monkeypatch.delenv(name, raising=False)
    gcs.payer = "my-project"
    gcs.put("a", b"here")
    with pytest.raises(AccessDenied, match=r"readers of gs://.* pay .*: pass --requester-pays"):
        read_all(open_gs(gcs))
    with pytest.raises(AccessDenied, match="set GOOGLE_CLOUD_PROJECT"):
        read_all(open_gs(gcs, requester_pays=True))
    if told_by == "environment":
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    options = {"project": "my-project"} if told_by == "option" else {}
    assert read_all(open_gs(gcs, requester_pays=True, **options)) == {"a": b"here"}
    with pytest.raises(ConfigError, match="leave one of them out"):
        open_gs(gcs, requester_pays=True, anonymous=True)


JSON = {"Content-Type": "application/json"}


def told(status: int, reason: str, message: str = "it is so") -> Reply:
    body = json.dumps({"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}).encode()
    return Reply(status=status, body=body, headers=JSON)


@pytest.mark.parametrize(
    ("reply", "of_listing", "of_object"),
    [
        (told(401, "authError"), AccessDenied, AccessDenied),
        (told(403, "forbidden"), AccessDenied, ObjectUnreadable),
        (told(401, "required", "Anonymous caller does not have access"), AccessDenied, ObjectUnreadable),
        (told(404, "notFound", "The specified bucket does not exist."), BucketNotFound, BucketNotFound),
        (told(403, "rateLimitExceeded"), SourceUnavailable, SourceUnavailable),
        (told(429, "rateLimitExceeded"), SourceUnavailable, SourceUnavailable),
        (told(503, "backendError"), SourceUnavailable, SourceUnavailable),
        (Reply(status=500, body=b"Backend Error"), SourceUnavailable, SourceUnavailable),
        (told(400, "invalid"), SourceError, SourceError),
        (told(400, "x", "The target object is encrypted by a customer key"), SourceError, ObjectUnreadable),
        (told(412, "conditionNotMet"), SourceChanged, SourceChanged),
        (Reply(status=302, headers={"Location": "http://127.0.0.1:9/"}), SourceError, SourceError),
        (Reply(status=511, body=b"<html>"), SourceError, SourceError),
        (Reply(body=b"<html>sign in</html>", headers={"Content-Type": "text/html"}), SourceError, SourceError),
        (Reply(status=403, body=b"{"), AccessDenied, ObjectUnreadable),
    ],
)
def test_what_an_answer_means(
    reply: Reply, of_listing: type[PenstockError], of_object: type[PenstockError], gcs: Gcs
) -> None:
    gcs.put("deep/a", b"0123456789")
    source = open_gs(gcs)
    (info,) = asyncio.run(source.list_all())
    gcs.server.takeover = lambda asked: reply
    assert type(failure(lambda: asyncio.run(source.list_all()))) is of_listing
    error = failure(lambda: asyncio.run(source.get_range(info, 2, 5)))
    assert type(error) is of_object
    assert "ya29" not in str(error)
    blobs = open_blobs(f"{gcs.uri}/run", endpoint_url=gcs.url, limits=QUICK)
    wrong = failure(lambda: blobs.write("x", b"1"))
    assert type(wrong) is (OutputError if of_object is SourceUnavailable else OutputUnwritable)
    assert f"{gcs.uri}/run/x" in wrong.what


def test_requests_wait_for_as_long_as_they_are_told(gcs: Gcs) -> None:
    gcs.put("a", b"0123456789")
    source = open_gs(gcs)
    (info,) = asyncio.run(source.list_all())
    busy = [Reply(status=429, headers={"Retry-After": "1"})]
    gcs.server.takeover = lambda asked: busy.pop() if busy else gcs.answer(asked)

    async def timed() -> float:
        began = asyncio.get_running_loop().time()
        assert await source.get(info) == b"0123456789"
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(timed()) >= 1
    assert source.meter.read().retried_requests == 1


def test_one_object_that_may_not_be_read(gcs: Gcs) -> None:
    gcs.put("a", b"here")
    gcs.put("b", b"hidden")
    gcs.denied = {"b"}
    source = open_gs(gcs)
    a, b = asyncio.run(source.list_all())
    assert asyncio.run(source.get(a)) == b"here"
    with pytest.raises(ObjectUnreadable, match=r"access to b was denied .*: give roles/storage.objectViewer"):
        asyncio.run(source.get(b))


def test_an_answer_of_another_generation_is_never_taken(gcs: Gcs) -> None:
    """As of a cache that knows no preconditions."""
    gcs.put("a", b"0123456789")
    source = open_gs(gcs)
    (info,) = asyncio.run(source.list_all())
    gcs.put("a", b"9876543210")

    def forgetful(asked: Asked) -> Reply:
        asked.query.pop("ifGenerationMatch", None)
        return gcs.answer(asked)

    gcs.server.takeover = forgetful
    for offset, length in ((0, 10), (2, 5)):
        with pytest.raises(SourceChanged):
            asyncio.run(source.get_range(info, offset, length))


@pytest.mark.parametrize("is_split", [False, True])
def test_damaged_bytes_are_known_by_their_checksum(is_split: bool, gcs: Gcs) -> None:
    gcs.put("a", b"0123456789")
    source = open_gs(gcs)
    (info,) = asyncio.run(source.list_all())

    def damaging(asked: Asked) -> Reply:
        reply = gcs.answer(asked)
        return Reply(status=reply.status, body=reply.body.replace(b"5", b"6"), headers=reply.headers)

    gcs.server.takeover = damaging
    with pytest.raises(ChecksumMismatch, match="crc32c"):
        asyncio.run(source.get(info))
    blobs = open_blobs(gcs.uri, endpoint_url=gcs.url)
    gcs.server.takeover = lambda asked: gcs.answer(
        Asked(method=asked.method, path=asked.path, query=asked.query, headers=asked.headers, body=b"other")
    )
    with pytest.raises(OutputError, match="was not written as it is"):
        blobs.write("x", b"12345")


def test_bytes_are_asked_for_as_they_are_stored(gcs: Gcs) -> None:
    gcs.put("a", b"0123456789")
    read_all(open_gs(gcs))
    (asked,) = [asked for asked in gcs.server.requests if asked.query.get("alt") == "media"]
    assert asked.headers["accept-encoding"] == "gzip"
    assert asked.query["ifGenerationMatch"] == str(gcs.generations["a"])


def test_pages_of_a_listing(gcs: Gcs) -> None:
    gcs.page_objects = 3
    for number in range(10):
        gcs.put(f"a/{number}", b"x")
    gcs.put("b", b"")
    assert len(asyncio.run(open_gs(gcs).list_all())) == 11
    assert sum("pageToken" in asked.query for asked in gcs.server.requests) == 3


ITEM = {"name": "a", "size": "1", "generation": "7", "bucket": BUCKET}


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ({"kind": "storage#objects", "items": [{**ITEM, "size": "-1"}]}, "a size of '-1'"),
        ({"kind": "storage#objects", "items": [{**ITEM, "size": 1}]}, "a page is none"),
        ({"kind": "storage#objects", "items": [{**ITEM, "size": str(1 << 51)}]}, "a size of"),
        ({"kind": "storage#objects", "items": [{**ITEM, "generation": ""}]}, "no generation"),
        ({"kind": "storage#objects", "items": [{**ITEM, "bucket": "other"}]}, "of the bucket 'other'"),
        ({"kind": "storage#objects", "items": [{**ITEM, "name": ""}]}, "without a name"),
        ({"kind": "storage#objects", "items": [{"name": "a"}]}, "a page is none"),
        ({"kind": "storage#objects", "items": [ITEM, ITEM]}, "twice"),
        ({"kind": "storage#objects", "items": [ITEM], "nextPageToken": "same"}, "repeats an earlier|would never end"),
        ({"kind": "storage#objects", "prefixes": ["x/"]}, "names a folder"),
        ({"kind": "storage#bucket"}, "no listing"),
        ({}, "no listing"),
        ([], "a page is none|no listing"),
    ],
)
def test_a_listing_that_cannot_be_trusted(page: object, why: str, gcs: Gcs) -> None:
    gcs.server.takeover = lambda asked: Reply(body=json.dumps(page).encode(), headers=JSON)
    with pytest.raises(SourceError, match=why):
        asyncio.run(open_gs(gcs).list_all())


def test_a_page_that_was_cut_off_is_asked_for_again(gcs: Gcs) -> None:
    gcs.put("a", b"here")
    cut = [Reply(body=b'{"kind": "storage#obj', headers=JSON)]
    gcs.server.takeover = lambda asked: cut.pop() if cut else gcs.answer(asked)
    assert read_all(open_gs(gcs)) == {"a": b"here"}


def test_a_key_outside_the_prefix_is_refused(gcs: Gcs) -> None:
    from penstock.sources.gcs.listing import parse_page

    asked = AskedPage(bucket=BUCKET, base="p/", prefix="p/")
    with pytest.raises(BadListing, match="does not begin with"):
        parse_page(json.dumps({"kind": "storage#objects", "items": [ITEM]}).encode(), asked)


@pytest.mark.parametrize("uri", ["gs://", "gs:///x", "gs://Bucket/x", "gs://a..b/x", "gs://b/x\ny", "gs://-b"])
def test_a_place_that_cannot_be(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"gs://|control character"):
        open_source(SourceSpec(uri=uri))


@pytest.mark.parametrize("option", [{"region": "us"}, {"project": "Not A Project"}])
def test_an_option_that_cannot_be(option: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"region|project"):
        open_source(SourceSpec.of("gs://bucket", **option))


def test_googles_own_client_is_content_with_the_server(gcs: Gcs) -> None:
    """So that the server is like what the source is held to."""
    storage = pytest.importorskip("google.cloud.storage")
    from google.oauth2.credentials import Credentials

    client = storage.Client(
        project="p", credentials=Credentials("ya29.of-the-test"), client_options={"api_endpoint": gcs.url}
    )
    gcs.put("deep/a b?#.bin", b"0123456789")
    (found,) = client.list_blobs(BUCKET, prefix="deep/")
    assert (found.name, found.size, found.generation) == ("deep/a b?#.bin", 10, gcs.generations["deep/a b?#.bin"])
    assert (found.download_as_bytes(), found.download_as_bytes(start=2, end=5)) == (b"0123456789", b"2345")
    open_blobs(f"{gcs.uri}/run", endpoint_url=gcs.url).write("x", b"ours")
    assert client.bucket(BUCKET).blob("run/x").download_as_bytes() == b"ours"


def test_a_place_is_one_however_it_is_written(gcs: Gcs) -> None:
    scheme = find_scheme(gcs.uri)
    assert scheme.same_place("gs://bucket/a/") == scheme.same_place("gs://bucket/a") == "gs://bucket/a"
    assert GcsPlace(server=gcs).spec("x").uri == f"{gcs.uri}/x"


def test_a_listing_tells_the_classes_of_objects(gcs: Gcs) -> None:
    gcs.put("a", b"here")
    gcs.put("b", b"kept")
    gcs.classes = {"b": "COLDLINE"}
    found = asyncio.run(open_gs(gcs).list_all())
    assert [(info.key, info.storage_class, info.trouble) for info in found] == [
        ("a", "STANDARD", ""),
        ("b", "COLDLINE", ""),
    ]
