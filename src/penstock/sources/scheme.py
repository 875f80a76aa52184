"""What is to be known of a scheme (``s3``, ``file``, ``https``): all in one value, made in the scheme's own folder.

Nothing else asks which scheme a source is of. Somebody's own package adds one by an entry point of the group
``penstock.sources``, named like the scheme, that gives such a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.base import ObjectSource
from penstock.sources.blobs import Blobs
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.storage_options import GivenOptions, StorageOptions
from penstock.urls import host_of

if TYPE_CHECKING:
    from penstock.sources.inventory.report import InventoryKind

__all__ = [
    "COMMON",
    "INVENTORY_OPTIONS",
    "Located",
    "OpenBlobs",
    "OpenSource",
    "Payee",
    "Scheme",
    "Tariff",
    "authority_of",
    "check_options",
    "without_path",
    "written_out",
]

COMMON = ("endpoint_url", "region", "anonymous", "requester_pays")
"""Options that have a flag of their own."""
INVENTORY_OPTIONS: Mapping[str, type[str] | type[bool]] = {"inventory": str, "inventory_sample": str}
"""Options of a source that may be listed by an inventory."""
Payee = Literal["own", "nobody", "unknown"]
"""Who charges for requests and transfer: at the scheme's own tariff, nobody, or somebody of unknown prices."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tariff:
    """What requests to a store and transfer from it are billed as: items of a price list.

    Attributes:
        seller: who charges.
        get: 1000 requests for objects or what is known of them.
        list: 1000 requests for pages of a listing.
        put: 1000 requests that write.
        transfer: what the items of transfer begin with, before the way (``-same-region``).
        storage: a GiB that is kept for a month; empty where that has no price.
        store: what items begin with, before the class of storage (``s3-glacier-ir-get``); empty where there are none.
        classes: by the store's names of its classes those that items have; empty is the usual class, whose items are
            those above. A restored copy of an archived object is read as one of the usual class.
    """

    seller: str
    get: str
    list: str
    put: str
    transfer: str
    storage: str = ""
    store: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)

    def get_of(self, storage_class: str) -> str:
        """Return the item of 1000 requests for objects of a class."""
        name = self._name_of(storage_class)
        return f"{self.store}-{name}{self.get.removeprefix(self.store)}" if name else self.get

    def retrieval_of(self, storage_class: str) -> str:
        """Return the item of a GiB read of a class besides its transfer; empty of the usual one, where that is free."""
        name = self._name_of(storage_class)
        return f"{self.store}-{name}-retrieval" if name else ""

    def _name_of(self, storage_class: str) -> str:
        return self.classes.get(storage_class, storage_class.lower().replace("_", "-")) if self.store else ""


class OpenSource(Protocol):
    """Opens a source; nothing is requested yet."""

    def __call__(
        self, spec: SourceSpec, /, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose
    ) -> ObjectSource:
        """Return it.

        Raises:
            ConfigError: the URI or an option is not one that can be used.
        """
        ...


class OpenBlobs(Protocol):
    """Opens a place for checkpoints and records; nothing is requested yet."""

    def __call__(
        self,
        root: str,
        /,
        *,
        endpoint_url: str | None,
        region: str | None,
        limits: ClientLimits,
        meter: RequestMeter,
        purpose: Purpose,
    ) -> Blobs:
        """Return it.

        Raises:
            ConfigError: the URI or an option is not one that can be used.
        """
        ...


class Located(Protocol):
    """A place that a URI names; ``path`` is of it, and stands at the end of ``uri``."""

    @property
    def uri(self) -> str:
        """All of it, as it is written out."""
        ...

    @property
    def path(self) -> str:
        """What lies below the repository, empty for nothing."""
        ...


def written_out(find_place: Callable[[SourceSpec], Located], uri: str) -> str:
    """Return a URI as its place writes it, or as it is where it names none: ``Scheme.same_place`` of repositories."""
    try:
        return find_place(SourceSpec(uri=uri)).uri
    except ConfigError:
        return uri


def without_path(find_place: Callable[[SourceSpec], Located], uri: str) -> str:
    """Return a URI without its place's path: ``Scheme.root`` of repositories."""
    try:
        path = find_place(SourceSpec(uri=uri)).path
    except ConfigError:
        return uri
    return uri.rstrip("/").removesuffix(path).rstrip("/")


def authority_of(uri: str) -> str:
    """Return a URI as far as the name of its bucket or server; the empty text of a path."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" if separator else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """A kind of place where datasets lie.

    Attributes:
        title: what a person calls it, as "a local folder".
        example: of a URI, for messages.
        locate: gives a source's spec checked and with its URI written out; asks for nothing.
        open: opens a source.
        same_place: gives one text for all URIs of one place; never fails.
        root: gives what of a URI is no folder or file: bucket, repository, server; all of it where nothing lies below.
        payee: who charges for what is read, by URI and the server that was asked (empty: the scheme's own).
        tariff: what is billed where the payee is its own; None where no prices are known.
        others: tariffs of other stores that are spoken to alike, by what their servers' names end with.
        takes: options of a ``SourceSpec`` that mean something here, by name: ``str`` or ``bool``.
        folder: gives the folder on this machine that a URI names, None where it names none.
        is_local: bytes come from this machine's file system: nothing is gained by looking how long a read takes.
        may_fork: a process that has read from it may be forked, as ours for loading: its client is but sockets.
        asked_server: gives the server that a source's requests go to, None for the scheme's own.
        credential_variables: of the environment, which a secret of a pipeline may hold.
        open_blobs: opens a place for checkpoints and records; None where nothing can be written.
        storage_options: reads ``storage_options`` as fsspec names them; None where there are none.
        inventory: how its store writes inventories; None where it writes none.
    """

    title: str
    example: str
    locate: Callable[[SourceSpec], SourceSpec]
    open: OpenSource
    same_place: Callable[[str], str] = lambda uri: uri.rstrip("/")
    root: Callable[[str], str] = authority_of
    payee: Callable[[str, str], Payee] = lambda uri, server: "unknown"
    tariff: Tariff | None = None
    others: Mapping[str, Tariff] = field(default_factory=dict)
    takes: Mapping[str, type[str] | type[bool]] = field(default_factory=dict)
    folder: Callable[[str], Path | None] = lambda uri: None
    is_local: bool = False
    may_fork: bool = False
    asked_server: Callable[[SourceSpec], str | None] = lambda spec: spec.text("endpoint_url")
    credential_variables: tuple[str, ...] = ()
    open_blobs: OpenBlobs | None = None
    storage_options: Callable[[GivenOptions], StorageOptions] | None = None
    inventory: InventoryKind | None = None

    def tariff_at(self, server: str) -> Tariff | None:
        """Return what is billed by a server (empty: the scheme's own), where its payee is its own."""
        host = host_of(server) if server else ""
        return next((tariff for end, tariff in self.others.items() if host.endswith(end)), self.tariff)

    def charged(self, spec: SourceSpec) -> tuple[Payee, Tariff | None]:
        """Return who charges for what is read of a source, and what is billed, where that is its own and known."""
        server = self.asked_server(spec) or ""
        payee = self.payee(spec.uri, server)
        return payee, self.tariff_at(server) if payee == "own" else None


def check_options(scheme: Scheme, spec: SourceSpec) -> None:
    """Refuse options that mean nothing for a source, or are not of their kind.

    Raises:
        ConfigError: one is given.
    """
    for name, value in spec.options.items():
        flag = f"--{name.replace('_', '-')}" if name in COMMON else f"the option {name}"
        kind = scheme.takes.get(name)
        if kind is None:
            raise ConfigError(
                f"{flag} means nothing for {scheme.title} ({spec.uri})", fix="leave it out, or check the source's URI"
            )
        if type(value) is not kind:
            raise ConfigError(f"{flag} {value!r}", fix="give a text" if kind is str else "give true or false")
