"""Listing in a process of its own, for a stream: the S3 client must not be used in one that forks workers later.

The child is `penstock list`; with ``--stream-listing`` it names each part on standard output as it is written, so that
waiting for a part is reading a line.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from penstock.errors import PenstockError
from penstock.loader.growing import Listed
from penstock.records import ManifestReader, Plan, SourceSpec, read_record

__all__ = ["ListingProcess", "list_words"]

PART = "part "


def list_words(spec: SourceSpec, *, match: str, seed: int, shuffle: Sequence[str]) -> list[str]:
    """Give the argv of `penstock list` but for where it writes: whole objects, all to train on."""
    words = ["list", "--source", spec.uri, "--task", "objects", "--option", f"match={match}", "--split", "1,0,0"]
    words += ["--seed", str(seed), *shuffle, "--anonymous", str(spec.anonymous).lower()]
    words += ["--requester-pays", str(spec.requester_pays).lower()]
    return [*words, "--endpoint-url", spec.endpoint_url or "", "--region", spec.region or ""]


class ListingProcess:
    """A listing that goes on in a child.

    Args:
        words: argv of `penstock list` but for where it writes.
        folder: where it writes.
        parts: whether parts are given while it goes on.
    """

    def __init__(self, words: Sequence[str], folder: Path, *, parts: bool) -> None:
        self._manifest, self._plan = folder / "manifest.parquet", folder / "plan.json"
        places = ["--manifest", str(self._manifest), "--plan", str(self._plan), "--stream-listing", str(parts).lower()]
        self._told = tempfile.TemporaryFile("w+", dir=folder)  # noqa: SIM115 - closed in close
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "penstock", *words, *places],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._told,
            text=True,
        )
        self._parts: list[Listed] = []
        self._whole: Listed | None = None

    def part(self, number: int) -> Listed | None:
        """Give a part as soon as it is there, None where the listing ended with fewer.

        Raises:
            PenstockError: the listing failed before it came to that part.
        """
        assert self._process.stdout is not None
        while len(self._parts) <= number and self._whole is None:
            line = self._process.stdout.readline()
            if line.startswith(PART):
                path = Path(line.removeprefix(PART).rstrip("\n"))
                self._parts.append(_listed(path, path.with_suffix(".json")))
            elif not line:
                self._end()
        return self._parts[number] if number < len(self._parts) else None

    def whole(self) -> Listed:
        """Give everything, when the listing has ended.

        Raises:
            PenstockError: the listing failed.
        """
        while self._whole is None:
            self.part(len(self._parts))
        return self._whole

    def close(self) -> None:
        """End the child if it has not ended."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._told.close()

    def _end(self) -> None:
        code = self._process.wait()
        if code:
            self._told.seek(0)
            raise _error_of(code, self._told.read())
        self._whole = _listed(self._manifest, self._plan)


def _listed(manifest: Path, plan: Path) -> Listed:
    with ManifestReader(manifest) as reader:
        return Listed(manifest=manifest, info=reader.info, plan=read_record(plan, Plan))


def _error_of(code: int, told: str) -> PenstockError:
    """Give the error that a step ended with, by its exit code and message."""
    kinds = [PenstockError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    message = told.strip().rpartition(": error: ")[2] or f"`penstock list` ended with {code}"
    what, _, fix = message.rpartition(": ")
    kind = next((kind for kind in kinds if kind.exit_code == code), PenstockError)
    return kind(what or message, fix=fix if what else "")
