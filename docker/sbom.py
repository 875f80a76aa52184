"""A software bill of materials of an image: its Python distributions and its operating system's packages.

``docker export CONTAINER | python docker/sbom.py NAME VERSION > sbom.json`` writes CycloneDX 1.6 as JSON
(https://cyclonedx.org/docs/1.6/json/). It is for machines without syft, which finds more: libraries inside wheels are
not told apart here. The same image gives the same bytes.
"""

from __future__ import annotations

import email.parser
import json
import re
import sys
import tarfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote

__all__ = ["Contents", "bill_of_materials", "read_contents"]

_METADATA = re.compile(r"[^/]+\.(dist|egg)-info/(METADATA|PKG-INFO)$")
_NAMESPACE = uuid.UUID("6f1b3a52-0d0e-5a5c-9a4e-5b1b6b2f7c11")


@dataclass(kw_only=True, slots=True)
class Contents:
    """What an image's files say about its parts."""

    distributions: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    system: dict[str, str] = field(default_factory=dict)


def read_contents(stream: IO[bytes]) -> Contents:
    """Read an image's file system, as ``docker export`` gives it."""
    found = Contents()
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if not member.isfile() or (file := archive.extractfile(member)) is None:
                continue
            if _METADATA.search(name):
                found.distributions.append(file.read().decode(errors="replace"))
            elif name == "var/lib/dpkg/status" or name.startswith("var/lib/dpkg/status.d/"):
                found.packages += file.read().decode(errors="replace").split("\n\n")
            elif name in ("etc/os-release", "usr/lib/os-release"):
                found.system = dict(_assignments(file.read().decode(errors="replace")))
    return found


def bill_of_materials(name: str, version: str, contents: Contents) -> dict[str, Any]:
    """Return the CycloneDX document of an image."""
    components = sorted(
        _unique([*_python(contents.distributions), *_debian(contents.packages, contents.system)]),
        key=lambda made: made["bom-ref"],
    )
    number = uuid.uuid5(_NAMESPACE, json.dumps([name, version, components], sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": "image", "name": name, "version": version}},
        "components": components,
    }


def _python(distributions: Iterable[str]) -> Iterator[dict[str, Any]]:
    for text in distributions:
        fields = email.parser.HeaderParser().parsestr(text)
        name, version = fields["Name"], fields["Version"]
        if not name or not version:
            continue
        plain = re.sub(r"[-_.]+", "-", name).lower()
        licence = fields["License-Expression"]
        yield _component(
            name, version, f"pkg:pypi/{plain}@{quote(version, safe='')}", [{"expression": licence}] if licence else []
        )


def _debian(packages: Iterable[str], system: dict[str, str]) -> Iterator[dict[str, Any]]:
    vendor = system.get("ID", "debian")
    distro = quote(f"{vendor}-{system.get('VERSION_ID', '')}".rstrip("-"))
    for text in packages:
        fields = email.parser.HeaderParser().parsestr(text.strip())
        name, version = fields["Package"], fields["Version"]
        if not name or not version or fields.get("Status", "install ok installed").split()[-1] != "installed":
            continue
        architecture = quote(fields.get("Architecture", "all"))
        purl = f"pkg:deb/{vendor}/{name}@{quote(version, safe='')}?arch={architecture}&distro={distro}"
        yield _component(name, version, purl, [])


def _component(name: str, version: str, purl: str, licences: list[dict[str, Any]]) -> dict[str, Any]:
    made = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return made | ({"licenses": licences} if licences else {})


def _unique(components: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({made["bom-ref"]: made for made in components}.values())


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            yield name, value.strip("\"'")


if __name__ == "__main__":
    _made = bill_of_materials(sys.argv[1], sys.argv[2], read_contents(sys.stdin.buffer))
    sys.stdout.write(json.dumps(_made, indent=1) + "\n")
