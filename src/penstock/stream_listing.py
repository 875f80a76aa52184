"""Listing in a process of its own: the S3 client must not be used in one that forks workers later.

The child is `penstock list`. With ``--stream-listing`` its parts are followed as any other process would follow them;
that they are this child's, and not what an earlier one left, is known by its word that it has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Self, TypeVar

from penstock.children.step import ChildStep, Program, Restarts
from penstock.errors import ProcessLost
from penstock.manifest.following import FollowedListing
from penstock.manifest.listed import Listed, read_listed
from penstock.tasks.listing_options import ListingOptions

__all__ = ["ListingProcess"]

PROGRAM = Program(
    words=("penstock", "list"),
    name="`penstock list`",
    event="listing",
    fix="run it again; where memory was short, give it more, or list fewer objects at a time",
)
ONCE = Restarts(deaths=1, failures=1)

T = TypeVar("T")


class ListingProcess:
    """A listing that goes on in a child; a context manager that ends it.

    Args:
        options: of the listing; parts are given while it goes on where they say ``stream_listing``.
        is_shown: whether what it tells a person is shown; without parts.
        is_outlived: whether another takes the place of one that is lost; not where its parts are followed past this
            object, by what takes its end for the listing's.
        environment: variables that it has beside this process's; None takes one away.
    """

    def __init__(
        self,
        options: ListingOptions,
        *,
        is_shown: bool = False,
        is_outlived: bool = True,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        self._manifest, self._plan, self._has_parts = options.manifest, options.plan, options.stream_listing
        # It is at work when it is asked for anything: there is no other to wait for.
        self._followed = FollowedListing(self._manifest, self._plan, timeout_seconds=0, lost=lambda record: _ended())
        self._step = ChildStep(
            replace(PROGRAM, environment=environment or {}, restarts=PROGRAM.restarts if is_outlived else ONCE),
            options.but(until_stdin_closes=True),
            shows_stdout=is_shown and not self._has_parts,
            shows_stderr=is_shown,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the child that lists now."""
        return self._step.pid

    def begin(self) -> None:
        """Wait until parts of this listing, and of no earlier one, lie in their folder or are about to.

        Raises:
            PenstockError: the listing failed before.
            ProcessLost: it was killed again and again.
        """
        self._step.wait_begun()

    def part(self, number: int) -> Listed | None:
        """Return a part as soon as it is there, None where the listing ended with fewer; without parts, everything.

        Raises:
            PenstockError: the listing failed before it came to that part.
            ProcessLost: it was killed again and again.
        """
        if not self._has_parts:
            return self.whole() if number == 0 else None
        return self._outliving(lambda: self._followed.part(number))

    def whole(self) -> Listed:
        """Return everything, when the listing has ended; raises as ``part`` does."""
        if self._has_parts:
            return self._outliving(self._followed.whole)
        self._step.wait_done()
        return read_listed(self._manifest, self._plan)

    def check(self) -> None:
        """Refuse to wait for more, that was asked of the child besides, where it has ended.

        Raises:
            PenstockError: why.
        """
        if (error := self._step.error()) is not None:
            raise error
        if not self._step.is_running():
            raise _ended()

    def close(self) -> None:
        """End the child if it has not ended."""
        self._step.close()

    def _outliving(self, look: Callable[[], T]) -> T:
        """Return what there is, of another child where one was lost."""
        while True:
            number = self._step.wait_begun()
            try:
                return look()
            except ProcessLost:
                self._step.wait_after(number)


def _ended() -> ProcessLost:
    return ProcessLost("the child that listed has ended", fix="another takes its place, or why there is none is told")
