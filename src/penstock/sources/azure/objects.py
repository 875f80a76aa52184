"""Objects of containers of Azure Blob Storage; an object's version is its ETag."""

from __future__ import annotations

from dataclasses import replace

from penstock.errors import PenstockError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.azure.keys import keys_for
from penstock.sources.azure.listing import listing_query, parse_page
from penstock.sources.azure.place import find_place, split_az
from penstock.sources.azure.requests import AzureDialect
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.stores.client import StoreClient, error_of
from penstock.sources.stores.objects import StoreObjects
from penstock.sources.stores.pages import MAX_PAGE_BYTES, Asked, Page

__all__ = ["AzureObjects"]


class AzureObjects(StoreObjects):
    """Objects under one prefix of one container; nothing is requested before it is used.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
    """

    restoring = "rehydrate them (az storage blob set-tier --tier Hot)"

    def __init__(self, spec: SourceSpec, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose) -> None:
        self._place = place = find_place(spec)
        self._purpose, self._keys = purpose, None if place.anonymous else keys_for(place, spec.uri)
        self._dialect = AzureDialect(place, self._keys)
        super().__init__(
            spec,
            StoreClient(spec, self._dialect, limits=limits, meter=meter, purpose=purpose),
            bucket=place.container,
            prefix=place.prefix,
            limits=limits,
            meter=meter,
            purpose=purpose,
        )

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted: those of accounts with folders do not."""
        return False

    def client_below(self, prefix: str) -> StoreClient:
        """Return a client whose keys are below another prefix."""
        self._dialect = AzureDialect(replace(self._place, prefix=prefix), self._keys)
        return StoreClient(self.spec, self._dialect, limits=self._limits, meter=self.meter, purpose=self._purpose)

    async def ask_page(self, asked: Asked, purpose: Purpose) -> Answer:
        """Ask for a page; see the base class."""
        return await self._client.call(
            "GET",
            None,
            kind="LIST",
            purpose=purpose,
            query=listing_query(asked),
            most_bytes=MAX_PAGE_BYTES,
        )

    def parse_page(self, body: bytes, asked: Asked) -> Page:
        """Read a page; see the base class."""
        return parse_page(body, asked)

    def refused(self, problem: GaveUp | Answer, about: str) -> PenstockError:
        """Return the error of a page that was not given."""
        return error_of(self._dialect, problem, self.spec, about, is_object=False)

    def place_in(self, uri: str) -> tuple[str, str]:
        """Return the URI of a URI's container, and its prefix."""
        scheme, _, rest = uri.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}", split_az(uri)[2]
