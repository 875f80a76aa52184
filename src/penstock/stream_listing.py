"""Listing in a process of its own: the S3 client must not be used in one that forks workers later.

The child is `penstock list`; it ends with its parent, as the end of its standard input tells it, which forked processes
such as loading workers let go of at once. With ``--stream-listing`` its parts are followed as any other process would
follow them; that they are this child's, and not what an earlier one left, is known by the line that it begins with.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from penstock.errors import PenstockError
from penstock.loader.growing import Listed
from penstock.loader.shared_listing import SharedListing, read_listed
from penstock.records import SourceSpec

__all__ = ["ListingProcess", "list_words"]

STOP_SECONDS = 10


def list_words(spec: SourceSpec, *, match: str, seed: int, shuffle: Sequence[str]) -> list[str]:
    """Give the argv of `penstock list` but for where it writes: whole objects, all to train on."""
    words = ["list", "--source", spec.uri, "--task", "objects", "--option", f"match={match}", "--split", "1,0,0"]
    words += ["--seed", str(seed), *shuffle, "--anonymous", str(spec.anonymous).lower()]
    words += ["--requester-pays", str(spec.requester_pays).lower()]
    return [*words, "--endpoint-url", spec.endpoint_url or "", "--region", spec.region or ""]


_running: weakref.WeakSet[ListingProcess] = weakref.WeakSet()


def _let_go_after_fork() -> None:
    for listing in list(_running):
        listing.let_go()


@functools.cache
def _watch_forks() -> None:
    os.register_at_fork(after_in_child=_let_go_after_fork)


class ListingProcess:
    """A listing that goes on in a child; a context manager that ends it.

    Args:
        words: argv of `penstock list` but for where it writes.
        manifest: where it writes the manifest.
        plan: where it writes the plan.
        parts: whether parts are given while it goes on.
    """

    def __init__(self, words: Sequence[str], *, manifest: Path, plan: Path, parts: bool) -> None:
        self._manifest, self._plan = manifest, plan
        own = ["--manifest", str(manifest), "--plan", str(plan), "--stream-listing", str(parts).lower()]
        self._told = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in close
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "penstock", *words, *own, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._told,
            text=True,
        )
        # It is at work when it is asked for anything: there is no other to wait for.
        self._shared = SharedListing(manifest, plan, timeout_seconds=0, lost=lambda record: self._error())
        self._parts = parts
        self._has_begun = False
        _watch_forks()
        _running.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self) -> None:
        """Wait until parts of this listing, and of no earlier one, lie in their folder or are about to.

        Raises:
            PenstockError: the listing failed before.
        """
        assert self._process.stdout is not None
        if not self._has_begun and not self._process.stdout.readline():
            raise self._error()
        self._has_begun = True

    def part(self, number: int) -> Listed | None:
        """Give a part as soon as it is there, None where the listing ended with fewer.

        Raises:
            PenstockError: the listing failed before it came to that part.
        """
        self.begin()
        return self._shared.part(number)

    def whole(self) -> Listed:
        """Give everything, when the listing has ended.

        Raises:
            PenstockError: the listing failed.
        """
        if self._parts:
            self.begin()
            return self._shared.whole()
        if self._process.wait():
            raise self._error()
        return read_listed(self._manifest, self._plan)

    def close(self) -> None:
        """End the child if it has not ended."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._told):
            if pipe is not None:
                pipe.close()

    def let_go(self) -> None:
        """Close this process's end of the child's standard input, and nothing else: for a forked process."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _error(self) -> PenstockError:
        code = self._process.wait()
        self._told.seek(0)
        return _error_of(code, self._told.read())


def _error_of(code: int, told: str) -> PenstockError:
    """Give the error that a step ended with, by its exit code and message."""
    kinds = [PenstockError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    message = told.strip().rpartition(": error: ")[2] or f"`penstock list` ended with {code}"
    what, _, fix = message.rpartition(": ")
    kind = next((kind for kind in kinds if kind.exit_code == code), PenstockError)
    return kind(what or message, fix=fix if what else "")
