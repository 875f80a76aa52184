"""The bill of materials of an image's file system."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[3] / "docker" / "sbom.py"
SITE = "opt/penstock/lib/python3.11/site-packages"
FILES = {
    f"{SITE}/Msg_Spec-0.22.0.dist-info/METADATA": (
        "Metadata-Version: 2.4\nName: Msg_Spec\nVersion: 0.22.0\nLicense-Expression: BSD-3-Clause\n\nName: not this\n"
    ),
    f"{SITE}/torch-2.13.0+cpu.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cpu\n",
    f"{SITE}/broken-1.dist-info/METADATA": "no metadata at all",
    f"{SITE}/data/METADATA": "Name: nothing\nVersion: 1\n",
    "var/lib/dpkg/status": (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u10\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n"
    ),
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
}


def archive(files: Mapping[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        folder = tarfile.TarInfo("var/lib/dpkg/info")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def written(files: Mapping[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "penstock", "0.1.0-prefetch"],
        input=archive(files),
        capture_output=True,
        check=True,
    )
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def test_distributions_and_packages_are_named_with_their_purl() -> None:
    made = written(FILES)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["component"] == {
        "type": "container",
        "bom-ref": "image",
        "name": "penstock",
        "version": "0.1.0-prefetch",
    }
    assert [component["purl"] for component in made["components"]] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12",
        "pkg:pypi/msg-spec@0.22.0",
        "pkg:pypi/torch@2.13.0%2Bcpu",
    ]
    assert made["components"][1]["licenses"] == [{"expression": "BSD-3-Clause"}]


def test_the_same_files_give_the_same_document_and_others_another() -> None:
    assert written(FILES) == written(dict(reversed(FILES.items())))
    other = {name: text for name, text in FILES.items() if "torch" not in name}
    assert written(other)["serialNumber"] != written(FILES)["serialNumber"]
