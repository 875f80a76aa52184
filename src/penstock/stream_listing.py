"""Listing in a process of its own: the S3 client must not be used in one that forks workers later.

The child is `penstock list`. With ``--stream-listing`` its parts are followed as any other process would follow them;
that they are this child's, and not what an earlier one left, is known by the line that it begins with. One that is
killed, or ends without saying why, is started again.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from typing import Self, TypeVar

from penstock.children import Child
from penstock.errors import PenstockError, ProcessLost
from penstock.manifest.following import FollowedListing
from penstock.manifest.listed import Listed, read_listed
from penstock.observe.endings import describe_end
from penstock.tasks.listing_options import ListingOptions

__all__ = ["ListingProcess"]

MAX_RESTARTS = 2

T = TypeVar("T")

_log = logging.getLogger(__name__)


class ListingProcess:
    """A listing that goes on in a child; a context manager that ends it.

    Args:
        options: of the listing; parts are given while it goes on where they say ``stream_listing``.
        is_shown: whether what it tells a person is shown; without parts.
    """

    def __init__(self, options: ListingOptions, *, is_shown: bool = False) -> None:
        self._manifest, self._plan = options.manifest, options.plan
        self._words = ["penstock", "list", *options.but(until_stdin_closes=True).to_argv()]
        self._parts, self._is_shown = options.stream_listing, is_shown
        self._num_restarts = 0
        self._start()

    def _start(self) -> None:
        shown = None if self._is_shown else subprocess.DEVNULL
        self._child = Child(self._words, stdout=subprocess.PIPE if self._parts else shown, stderr=shown)
        # It is at work when it is asked for anything: there is no other to wait for.
        self._shared = FollowedListing(self._manifest, self._plan, timeout_seconds=0, lost=lambda record: self._error())
        self._has_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the child that lists now."""
        return self._child.pid

    def begin(self) -> None:
        """Wait until parts of this listing, and of no earlier one, lie in their folder or are about to.

        Raises:
            PenstockError: the listing failed before.
        """
        self._persist(self._begin)

    def part(self, number: int) -> Listed | None:
        """Return a part as soon as it is there, None where the listing ended with fewer; without parts, everything.

        Raises:
            PenstockError: the listing failed before it came to that part.
            ProcessLost: it was killed again and again.
        """

        if not self._parts:
            return self.whole() if number == 0 else None

        def part() -> Listed | None:
            self._begin()
            return self._shared.part(number)

        return self._persist(part)

    def whole(self) -> Listed:
        """Return everything, when the listing has ended.

        Raises:
            PenstockError: the listing failed.
            ProcessLost: it was killed again and again.
        """
        return self._persist(self._whole)

    def close(self) -> None:
        """End the child if it has not ended."""
        self._child.close()

    def _begin(self) -> None:
        if not self._has_begun and not self._child.stdout.readline():
            raise self._error()
        self._has_begun = True

    def _whole(self) -> Listed:
        if self._parts:
            self._begin()
            return self._shared.whole()
        if self._child.wait():
            raise self._error()
        return read_listed(self._manifest, self._plan)

    def _persist(self, look: Callable[[], T]) -> T:
        """Return what there is, of another child where the last one was lost."""
        while True:
            try:
                return look()
            except ProcessLost as lost:
                if self._num_restarts >= MAX_RESTARTS:
                    raise
                self._num_restarts += 1
                _log.warning("listing.restart restarts=%d reason=%s", self._num_restarts, lost.what)
                self._child.close()
                self._start()

    def _error(self) -> PenstockError:
        code = self._child.wait()
        return self._child.error() or ProcessLost(
            f"`penstock list` {describe_end(code)}",
            fix="run it again; where memory was short, give it more, or list fewer objects at a time",
        )
