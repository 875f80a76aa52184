"""What a run cost by what it made, and what was paid for nothing: parts of its lines, in no line of their own."""

from __future__ import annotations

from decimal import Decimal

from penstock.cost.traffic_lines import TrafficCosts
from penstock.cost.values import in_money
from penstock.records import CostReport, Meters, RunRecord
from penstock.units import GIB

__all__ = ["num_epochs", "parts_usd", "per", "refetched_usd", "retries_usd"]


def per(usd: Decimal | None, number: Decimal) -> Decimal | None:
    """Return what one of a number cost, None of none, and of what has no price."""
    return in_money(usd / number) if number and usd is not None else None


def parts_usd(run: RunRecord, cost: CostReport) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Return what an epoch, 1,000 samples and a GiB of samples came to: as the bill has it, where it has it."""
    if not cost.has_price:
        return None, None, None
    found = cost.epoch_usd, cost.thousand_samples_usd, cost.gib_usd
    if any(usd is not None for usd in found):
        return found
    numbers = num_epochs(run), Decimal(run.num_trained_samples) / 1000, Decimal(run.meters.sample_bytes) / GIB
    epoch, samples, gib = (per(cost.total_usd, number) for number in numbers)
    return epoch, samples, gib


def num_epochs(run: RunRecord) -> Decimal:
    """Return the epochs that were trained, with the part of one that was not finished, as far as its size is known."""
    whole = Decimal(len(run.epochs))
    if not run.unfinished_samples or not run.epochs or not run.epochs[-1].num_samples:
        return whole
    return whole + Decimal(run.unfinished_samples) / run.epochs[-1].num_samples


def retries_usd(traffic: Meters, moved: TrafficCosts | None) -> Decimal | None:
    """Return what requests cost that were made again or twice: tries that the store answered with 5xx are free."""
    if moved is None or moved.get_usd is None:
        return None
    total = traffic.count("GET", "HEAD")
    again = max(traffic.retried_requests - total.answers_5xx, 0) + traffic.hedged_requests
    return _share(moved.get_usd, again, total.billed)


def refetched_usd(traffic: Meters, moved: TrafficCosts | None) -> Decimal | None:
    """Return what bytes cost, with their requests, that were downloaded again after a restart."""
    if moved is None or moved.moved_usd is None:
        return None
    return _share(moved.moved_usd, traffic.refetched_bytes, traffic.bytes_downloaded)


def _share(usd: Decimal, part: int, whole: int) -> Decimal:
    return in_money(usd * min(part, whole) / whole) if whole else Decimal(0)
