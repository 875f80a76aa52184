"""A source that is read within a budget of requests and bytes; what was read once is not read again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from penstock.inspection.found import Spent
from penstock.manifest import SourceSpec
from penstock.sources import ObjectInfo, ObjectSource, RequestMeter

__all__ = ["Budget", "BudgetSpent", "Budgeted", "InMemory"]


_PAGE_REQUESTS = 8


class BudgetSpent(Exception):
    """The next read would go beyond the budget."""


class Budget:
    """What an inspection may cost: measured by the source's meter, so that what is tried again counts too.

    Args:
        requests: that may be sent.
        num_bytes: that may be received.
    """

    def __init__(self, meter: RequestMeter, *, requests: int, num_bytes: int) -> None:
        self._meter, self._requests, self._bytes = meter, requests, num_bytes

    def spent(self) -> Spent:
        """Return what was spent so far."""
        return Spent(
            requests=sum(line.sent for line in self._meter.read().requests),
            bytes_downloaded=self._meter.bytes_downloaded,
            most_requests=self._requests,
            most_bytes=self._bytes,
        )

    @property
    def left_bytes(self) -> int:
        """Bytes that may still be read; none where no request is left."""
        spent = self.spent()
        return 0 if spent.requests >= self._requests else max(0, self._bytes - spent.bytes_downloaded)

    @property
    def is_half_spent(self) -> bool:
        """Whether half of the requests were sent."""
        return 2 * self.spent().requests >= self._requests

    @property
    def is_overdrawn(self) -> bool:
        """Whether listing has sent more than its half, by what one page of a store may take."""
        return 2 * self.spent().requests > self._requests + _PAGE_REQUESTS

    def check(self, num_bytes: int) -> None:
        """Look whether so many bytes can be read.

        Raises:
            BudgetSpent: they cannot.
        """
        if num_bytes > self.left_bytes:
            raise BudgetSpent


class Budgeted:
    """A source whose reads a budget bounds, and keeps."""

    def __init__(self, source: ObjectSource, budget: Budget) -> None:
        self._source, self.budget = source, budget
        self._kept: dict[tuple[str, int, int], memoryview] = {}

    @property
    def spec(self) -> SourceSpec:
        """Of the source."""
        return self._source.spec

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Return bytes, as the source does.

        Raises:
            BudgetSpent: they would go beyond the budget.
        """
        for (key, start, length), data in self._kept.items():
            if key == info.key and start <= offset and offset + length_bytes <= start + length:
                return data[offset - start : offset - start + length_bytes]
        self.budget.check(length_bytes)
        data = await self._source.get_range(info, offset, length_bytes)
        self._kept[info.key, offset, length_bytes] = data
        return data

    async def find(self, key: str) -> ObjectInfo | None:
        """Find another object, as the source does.

        Raises:
            BudgetSpent: no request is left.
        """
        self.budget.check(1)
        return await self._source.find(key)

    async def beside(self, key: str) -> tuple[ObjectInfo, bytes] | None:
        """Read what tells of many objects, as the source does.

        Raises:
            BudgetSpent: no request is left.
        """
        self.budget.check(1)
        return await self._source.beside(key)

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List a folder, as the source does.

        Raises:
            BudgetSpent: no request is left.
        """
        self.budget.check(1)
        async with aclosing(self._source.list_objects(prefix)) as pages:  # type: ignore[type-var]
            async for page in pages:
                yield page
                self.budget.check(1)

    def forget(self) -> None:
        """Let go of what was read."""
        self._kept.clear()


class InMemory:
    """The bytes of one object, as a source of it."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Return bytes."""
        return self._data[offset : offset + length_bytes]

    async def find(self, key: str) -> ObjectInfo | None:
        """Return none: there is no other object."""
        return None

    async def beside(self, key: str) -> tuple[ObjectInfo, bytes] | None:
        """Return none: there is no other object."""
        return None

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """Return none: there is no other object."""
        none: tuple[Sequence[ObjectInfo], ...] = ()
        for page in none:
            yield page
