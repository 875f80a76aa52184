"""Sources over an empty folder and an empty bucket."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from penstock.sources import ObjectSource, open_source
from unit.sources.places import QUICK, BucketPlace, Folder, Place, Read, by_get_range, by_read_into


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty folder, and an empty bucket."""
    if request.param == "local":
        folder = tmp_path / "source"
        folder.mkdir()
        yield Folder(path=folder)
    else:
        yield BucketPlace(bucket=request.getfixturevalue("bucket"))


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
