"""Lines of requests and transfer: requests by what they were for, each at the prices of whom they went to.

Requests for data go to the source, those for checkpoints and records to where a run keeps these. Answers of 5xx are
free, 4xx are not, and neither is what got no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from penstock.cost.book import Book
from penstock.cost.restoring import is_archive
from penstock.cost.seller import Seller, class_sizes, seller_of, seller_of_run
from penstock.cost.storage_classes import PricedClass, classes_of, parted
from penstock.cost.values import sum_of
from penstock.options.paths import LEGS
from penstock.records import ClassSize, Meters, Purpose, RequestKind, RunRecord
from penstock.units import GIB

__all__ = ["TrafficCosts", "add_traffic"]

_PURPOSES: dict[Purpose, str] = {
    "data": "data",
    "listing": "listing",
    "probe": "probe",
    "checkpoint": "checkpoints",
    "records": "records",
}
_OF_RUN: tuple[Purpose, ...] = ("checkpoint", "records")
"""Purposes of requests to where the run keeps what it makes."""
_KINDS: tuple[tuple[str, tuple[RequestKind, ...]], ...] = (
    ("GET and HEAD", ("GET", "HEAD")),
    ("LIST", ("LIST",)),
    ("PUT", ("PUT", "POST")),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficCosts:
    """What requests and transfer came to.

    Attributes:
        seller: of the source.
        of_run: of where the run keeps checkpoints and records.
        get_usd: of GET and HEAD requests to the source; None where one has no price, as it is for the next.
        moved_usd: of what a byte from the source took: its requests and its transfer, all together.
    """

    seller: Seller
    of_run: Seller
    get_usd: Decimal | None
    moved_usd: Decimal | None


def add_traffic(book: Book, run: RunRecord, traffic: Meters, *, hours: Decimal) -> TrafficCosts:
    """Add requests and transfer.

    Args:
        hours: that the training's node was there, for legs that are paid by the hour.
    """
    source = seller_of(run, prices=book.setting.source_prices)
    of_run = seller_of_run(run, prices=book.setting.source_prices) or source
    used = [source] if of_run == source or not _asked(traffic, of_run=True) else [source, of_run]
    for seller in used:
        book.warn(seller.warning) if seller.warning else None
        book.assume(seller.assumption) if seller.assumption else None
    book.has_priced_requests = any(seller.is_priced and seller.tariff is not None for seller in used)
    begin, sizes = len(book.lines), class_sizes(run, source.tariff)
    for purpose, told in _PURPOSES.items():
        seller = of_run if purpose in _OF_RUN else source
        if book.setting.put_requests is not None and seller.tariff is None:
            seller = source
        _add_requests(book, traffic, seller, purpose, told, {} if purpose in _OF_RUN else sizes)
    gets = [line.usd for line in book.lines[begin:] if line.what.startswith("GET") and _is_of_source(line.what)]
    begin = len(book.lines)
    if source.tariff is not None:
        _add_transfer(book, run, traffic, source, hours=hours)
        _add_retrieval(book, traffic, source, sizes)
    moved = [line.usd for line in book.lines[begin:] if line.unit == "GiB"]
    return TrafficCosts(seller=source, of_run=of_run, get_usd=sum_of(gets), moved_usd=sum_of([*gets, *moved]))


def _asked(traffic: Meters, *, of_run: bool) -> bool:
    return any(line.sent for line in traffic.requests if (line.purpose in _OF_RUN) == of_run)


def _is_of_source(what: str) -> bool:
    return not what.endswith(tuple(f"({_PURPOSES[purpose]})" for purpose in _OF_RUN))


def _add_requests(
    book: Book, traffic: Meters, seller: Seller, purpose: Purpose, told: str, sizes: Mapping[str, ClassSize]
) -> None:
    tariff = seller.tariff
    if tariff is None:
        return
    items = {"LIST": tariff.list, "PUT": tariff.put}
    classes = classes_of(tariff, sizes)
    for name, kinds in _KINDS:
        number = traffic.count(*kinds, purpose=purpose).billed
        if name == "PUT" and purpose == "checkpoint" and book.setting.put_requests is not None:
            number = book.setting.put_requests
        elif name == "PUT" and book.setting.put_requests is not None:
            number = 0
        what = f"{name} requests ({told})"
        lines = [(items[name], what, number)] if name in items else _by_class(classes, what, number)
        for item, each, requests in lines:
            if requests:
                book.buy(item, "1000 requests", each, Decimal(requests) / 1000, is_priced=seller.is_priced)


def _by_class(classes: Sequence[PricedClass], what: str, number: int) -> list[tuple[str, str, int]]:
    """Return items, names and numbers of requests for objects, class by class."""
    parts = parted(number, [each.requests_share for each in classes])
    return [(each.get, each.of(what), part) for each, part in zip(classes, parts, strict=True)]


def _add_retrieval(book: Book, traffic: Meters, seller: Seller, sizes: Mapping[str, ClassSize]) -> None:
    """Add a line for each class that is paid for by what is read of it."""
    assert seller.tariff is not None
    classes = classes_of(seller.tariff, sizes)
    parts = parted(traffic.bytes_downloaded, [each.bytes_share for each in classes])
    for each, part in zip(classes, parts, strict=True):
        if each.retrieval and part:
            what = each.of("Retrieval from the source")
            book.buy(each.retrieval, "GiB", what, Decimal(part) / GIB, is_priced=seller.is_priced)
    if archives := sorted(name for name in sizes if is_archive(seller.tariff, name)):
        book.assume(f"Objects of {' and '.join(archives)} were restored before the run: what that took is not in this.")
    if len(classes) > 1:
        book.assume(
            "What was read is taken to be of the storage classes as the dataset's objects were when they were listed: "
            "bytes by theirs, requests by their number and ranges."
        )


def _add_transfer(book: Book, run: RunRecord, traffic: Meters, seller: Seller, *, hours: Decimal) -> None:
    """Add a line for each leg of the way; legs by the hour are there as long as the node is."""
    tariff, is_priced, path = seller.tariff, seller.is_priced, book.setting.transfer
    assert tariff is not None
    moved = Decimal(traffic.bytes_downloaded) / GIB
    source = str(run.config.get("region") or "")
    for name in path.split("+"):
        for leg in LEGS[name]:
            what = f"Transfer from the source ({name})" if leg.unit == "GiB" else f"Way from the source ({name})"
            quantity = moved if leg.unit == "GiB" else hours
            far = (source, book.setting.region or "") if leg.is_far else None
            if far and not source and book.setting.region and is_priced:
                book.warn("Which region the source is in is not known: --region says it, and prices its way out.")
            region = None if leg.is_of_node else source or None
            item = f"{tariff.transfer}-{leg.item}"
            book.buy(item, leg.unit, what, quantity, is_priced=is_priced, between=far, region=region)
    if is_priced and any(rate.item.endswith("-internet") and len(rate.tiers) > 1 for rate in book.used):
        book.assume("What is free or cheaper by the month's quantity is counted as if this run were the month's first.")
    if is_priced and "nat" in path.split("+"):
        book.assume(
            "The hours of the NAT gateway are not billed, as it stands without the run too: nat+nat-hour adds them."
        )
