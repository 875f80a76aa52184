"""Opening what lies in a source or place, by its scheme."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from penstock.errors import BucketNotFound, ConfigError, EmptyListing, ObjectNotFound, SourceError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.base import ObjectSource
from penstock.sources.blobs import Blobs
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.protocols import ObjectInfo
from penstock.sources.registry import find_scheme
from penstock.sources.scheme import INVENTORY_OPTIONS, check_options
from penstock.urls import check_location

if TYPE_CHECKING:
    from penstock.sources.inventory.finding import OpenSpec
    from penstock.sources.inventory.report import InventoryKind

__all__ = ["ObjectSource", "find_object", "is_local", "locate", "open_blobs", "open_source"]

_DEFAULT_LIMITS = ClientLimits()


def is_local(uri: str) -> bool:
    """Tell whether a source or place lies in this machine's file system.

    Raises:
        ConfigError: there is no such scheme.
    """
    return find_scheme(uri).is_local


def locate(spec: SourceSpec) -> SourceSpec:
    """Return a source's spec checked and with its URI written out; asks for nothing.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
    """
    scheme = find_scheme(spec.uri)
    check_options(scheme, spec)
    return scheme.locate(spec)


def open_source(
    spec: SourceSpec,
    *,
    limits: ClientLimits = _DEFAULT_LIMITS,
    meter: RequestMeter | None = None,
    purpose: Purpose = "data",
) -> ObjectSource:
    """Open the store that a source lies in; nothing is requested yet.

    Args:
        spec: of the source.
        limits: of requests; local folders have none.
        meter: counts what is sent and received; None is one of its own.
        purpose: of what is read; what is listed counts as ``listing``, unless it is a probe.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
        BucketNotFound: a local folder that does not exist.
    """
    scheme = find_scheme(spec.uri)
    check_options(scheme, spec)
    meter = RequestMeter() if meter is None else meter
    if scheme.inventory is None or not INVENTORY_OPTIONS.keys() & spec.options.keys():
        return scheme.open(spec, limits=limits, meter=meter, purpose=purpose)
    own = {name: value for name, value in spec.options.items() if name not in INVENTORY_OPTIONS}
    live = scheme.open(msgspec.structs.replace(spec, options=own), limits=limits, meter=meter, purpose=purpose)
    listing: Purpose = "probe" if purpose == "probe" else "listing"
    opens = partial(open_source, limits=limits, meter=meter, purpose=listing)
    try:
        return _by_inventory(spec, live, scheme.inventory, opens)
    except BaseException:
        live.close()
        raise


def _by_inventory(spec: SourceSpec, live: ObjectSource, kind: InventoryKind, open_spec: OpenSpec) -> ObjectSource:
    from penstock.sources.inventory.source import InventorySource  # here: readers of tables, for listings alone

    return InventorySource(spec, live, kind, open_spec)


async def find_object(spec: SourceSpec, *, meter: RequestMeter) -> tuple[ObjectSource, ObjectInfo]:
    """Return one object by a URI of its own, and the source to read it from, which the caller closes.

    Raises:
        ConfigError: the URI is not one that Penstock can use.
        SourceError: it could not be looked for, or is not there, or is a folder.
    """
    folder, _, name = spec.uri.rstrip("/").rpartition("/")
    if folder and not folder.endswith("/"):
        spec = msgspec.structs.replace(spec, uri=f"{folder}/{name}")
    with contextlib.suppress(BucketNotFound, EmptyListing), contextlib.ExitStack() as stack:
        whole = stack.enter_context(contextlib.closing(open_source(spec, meter=meter, purpose="listing")))
        if (one := await _only_one(whole)) is not None:
            stack.pop_all()
            return whole, one
    with contextlib.ExitStack() as stack:
        place = msgspec.structs.replace(spec, uri=folder or "/")
        beside = stack.enter_context(contextlib.closing(open_source(place, meter=meter, purpose="listing")))
        found = await beside.find(name)
        if found is None:
            raise ObjectNotFound(f"there is no {spec.uri}", fix="check its name, case included", about=spec.uri)
        stack.pop_all()
        return beside, found


async def _only_one(source: ObjectSource) -> ObjectInfo | None:
    """Return what a source has, where that is one object, None where it has none."""
    uri, first = source.spec.uri, list[ObjectInfo]()
    async with contextlib.aclosing(source.list_objects()) as pages:  # type: ignore[type-var]
        async for page in pages:
            first += page[:2]
            if len(first) > 1:
                raise SourceError(f"{uri} is a folder, not a file", fix="name one file", about=uri)
    return first[0] if first else None


def open_blobs(
    root: str,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    meter: RequestMeter | None = None,
    purpose: Purpose = "records",
    limits: ClientLimits = _DEFAULT_LIMITS,
) -> Blobs:
    """Open a place for checkpoints and records, as a local folder or in a store; asks for nothing.

    Args:
        meter: counts what is sent and received; None is one of its own.
        purpose: that it is counted for.
        limits: of requests.

    Raises:
        ConfigError: ``root`` is a URI of another kind, or of one that nothing can be written to, or names no bucket.
    """
    check_location(root, "the URI")
    scheme = find_scheme(root)
    if scheme.open_blobs is None:
        raise ConfigError(
            f"nothing can be written to {root}", fix="write it like s3://bucket/prefix, or as a local path"
        )
    counts = RequestMeter() if meter is None else meter
    return scheme.open_blobs(
        root, endpoint_url=endpoint_url, region=region, limits=limits, meter=counts, purpose=purpose
    )
