"""Sources over an empty folder, an empty bucket, and an empty web server."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from penstock.sources import ObjectSource, open_source
from support.azure_server import ACCOUNT, KEY, Azure, serve_azure
from support.gcs_server import Gcs, serve_gcs
from support.web_server import Web, serve_web
from unit.sources.places import (
    QUICK,
    AzurePlace,
    BucketPlace,
    Folder,
    GcsPlace,
    Place,
    Read,
    WebFolder,
    by_get_range,
    by_read_into,
)


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web server of the session's."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "root").mkdir()
    with serve_web(folder / "nginx", folder / "root") as served:
        yield served


@pytest.fixture(params=["local", "s3", "gs", "az", "html", "json"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty folder, an empty bucket of each store, and an empty folder of a web server."""
    if request.param == "local":
        folder = tmp_path / "source"
        folder.mkdir()
        yield Folder(path=folder)
    elif request.param == "gs":
        yield GcsPlace(server=request.getfixturevalue("gcs"))
    elif request.param == "az":
        yield AzurePlace(server=request.getfixturevalue("azure"))
    elif request.param != "s3":
        served: Web = request.getfixturevalue("web")
        folder = Path(tempfile.mkdtemp(dir=served.folder))
        folder.chmod(0o755)
        url = served.html if request.param == "html" else served.json
        yield WebFolder(path=folder, url=f"{url}/{folder.name}", kind=request.param)
    else:
        yield BucketPlace(bucket=request.getfixturevalue("bucket"))


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gcs]:
    """An empty bucket of Google Cloud Storage, and a token for it."""
    with serve_gcs(token="ya29.of-the-test") as server:
        monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.of-the-test")
        monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
        yield server


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """An empty container of Azure Blob Storage, and its account's key."""
    with serve_azure() as server:
        for name in [name for name in os.environ if name.startswith("AZURE_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", ACCOUNT)
        monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
        yield server


@pytest.fixture
def source(place: Place) -> ObjectSource:
    return open_source(place.spec(), limits=QUICK)


@pytest.fixture(params=[by_get_range, by_read_into], ids=["get_range", "read_into"])
def read(request: pytest.FixtureRequest) -> Read:
    """Both ways to read a range."""
    found: Read = request.param
    return found


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    encodings = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(*encodings) + made.public_bytes(serialization.Encoding.PEM))
    return path
