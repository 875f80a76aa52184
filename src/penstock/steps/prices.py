"""``penstock prices``: the price list, its age, and what sellers say today."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase

from penstock.cost.prices import Prices, load_prices, node_key
from penstock.cost.rating import best_of
from penstock.cost.refreshing import Found, Key, Wanted, believed, can_be_asked, key_of, wanted_of, write_found
from penstock.cost.values import Machine, PriceRow, Tier
from penstock.errors import ConfigError, SourceError
from penstock.secrets import redact, redact_values
from penstock.steps._shared.problems import raise_told
from penstock.steps.options.prices import PricesOptions
from penstock.texts import counted, did_you_mean
from penstock.urls import check_endpoint

NAME = "prices"

__all__ = ["NAME", "run"]

_HEAD = ("item", "price", "currency", "per", "lifecycle", "region", "as of", "source")
_MACHINE_HEAD = (
    "machine", "vCPU", "GiB", "GPUs", "network Gbit/s", "burst", "disk MB/s", "burst", "NVMe GB", "as of",
)  # fmt: skip


def run(args: PricesOptions) -> int:
    """List, check or refresh."""
    today = args.today or datetime.now(UTC).date()
    prices = load_prices(args.prices, today=today)
    if args.action != "refresh" and (args.into or args.endpoint_url):
        raise ConfigError(f"`penstock prices {args.action}` asks nobody", fix="leave --into and --endpoint-url out")
    if args.action == "refresh":
        return _refresh(args, prices, today)
    if args.machines:
        if args.region or args.to_region:
            raise ConfigError("what machines can do is the same everywhere", fix="leave --region and --to-region out")
        return _machines(args, prices)
    rows = [row for row in prices.rows if _is_chosen(args, row)]
    if not rows:
        known = prices.regions()
        meant = did_you_mean(args.region, known) if args.region and args.region not in known else ""
        raise ConfigError(f"there is no price{_chosen(args)}", fix=f"{meant}see all with `penstock prices list`")
    if args.action == "check":
        return _check(args, prices, rows, today)
    if args.json:
        sys.stdout.write("".join(f"{json.dumps(redact_values(_as_json(row)))}\n" for row in rows))
    else:
        sys.stdout.write(redact(_table([_HEAD, *(line for row in rows for line in _lines(row))])))
    return 0


def _chosen(args: PricesOptions) -> str:
    item = f" of {' or '.join(map(repr, args.item))}" if args.item else ""
    provider = f" that {args.provider} asks" if args.provider else ""
    to_region = f" to {args.to_region!r}" if args.to_region else ""
    return f"{item}{provider}{f' in {args.region!r}' if args.region else ''}{to_region}"


def _is_chosen(args: PricesOptions, row: PriceRow) -> bool:
    return (
        (not args.item or any(fnmatchcase(node_key(row.item), node_key(each)) for each in args.item))
        and args.provider in ("", row.provider)
        and args.region in (None, row.region)
        and args.to_region in (None, row.to_region)
    )


def _lines(row: PriceRow) -> Iterable[tuple[str, ...]]:
    """Return a row's cells, and a line more for each further tier."""
    as_of = row.as_of.isoformat() if row.as_of else "undated"
    first, *others = map(_tier_told, row.tiers)
    yield (row.item, first, row.currency, row.unit, row.lifecycle, _where(row), as_of, row.source)
    for other in others:
        yield ("", other, *[""] * (len(_HEAD) - 2))


def _tier_told(tier: Tier) -> str:
    return f"{tier.price:f} from {tier.above:,f}" if tier.above else f"{tier.price:f}"


def _where(of: PriceRow | Wanted) -> str:
    return f"{of.region} to {of.to_region}" if of.to_region else of.region or "any"


def _as_json(row: PriceRow) -> dict[str, object]:
    tiers = [{"above": str(tier.above), "price": str(tier.price)} for tier in row.tiers]
    fields = {"item": row.item, "unit": row.unit, "price": str(row.tiers[0].price), "currency": row.currency}
    more = {"provider": row.provider, "region": row.region, "lifecycle": row.lifecycle}
    as_of = row.as_of.isoformat() if row.as_of else None
    return {**fields, **more, "to_region": row.to_region, "tiers": tiers, "as_of": as_of, "source": row.source}


def _check(args: PricesOptions, prices: Prices, rows: Sequence[PriceRow], today: date) -> int:
    """Tell what is old, and what is of no use; whoever gave a file that makes no sense was told by now."""
    for text in _useless(prices, rows):
        sys.stdout.write(redact(f"{text}\n"))
    old = [row for row in rows if _age_days(row, today) > args.max_age]
    undated = sum(row.as_of is None for row in rows)
    for text in _rows_told(old, today) if args.verbose else _sources_told(old, rows, today):
        sys.stdout.write(redact(f"old: {text}\n"))
    parts = [counted(len(rows), "price"), f"{len(old):,} older than {args.max_age} days"]
    parts += [f"{undated:,} without a date"] if undated else []
    more = [f"`penstock prices refresh` asks for {sum(map(can_be_asked, old)):,} of them anew"] if old else []
    more += ["--verbose names each"] if old and not args.verbose else []
    sys.stdout.write(f"{', '.join(parts)}{': ' if more else ''}{', '.join(more)}\n")
    return 0


def _age_days(row: PriceRow, today: date) -> int:
    return (today - row.as_of).days if row.as_of else 0


def _rows_told(old: Sequence[PriceRow], today: date) -> Iterable[str]:
    for row in old:
        region = f" in {row.region}" if row.region else ""
        age_days = _age_days(row, today)
        yield f"{row.item} per {row.unit}{region} ({row.lifecycle}) is {age_days} days old, {row.source}"


def _sources_told(old: Sequence[PriceRow], rows: Sequence[PriceRow], today: date) -> Iterable[str]:
    """Sum up old prices by where they were read, the most first."""
    by_source = Counter((row.provider, row.source) for row in old)
    of_all = Counter((row.provider, row.source) for row in rows)
    for key, count in by_source.most_common():
        ages = [_age_days(row, today) for row in old if (row.provider, row.source) == key]
        span = f"{min(ages)} to {max(ages)} days" if min(ages) < max(ages) else counted(max(ages), "day")
        provider, source = key
        yield f"{count} of {counted(of_all[key], 'price')} ({provider or 'any'}), {span}: {source or 'no source'}"


def _useless(prices: Prices, rows: Sequence[PriceRow]) -> Iterable[str]:
    """Tell prices in currencies that are not known in dollars, and discounts on nothing."""
    known = {"USD", *(each.currency for file in prices.files for each in file.exchange)}
    for row in rows:
        if row.currency not in known:
            yield f"of no use: {row.place}: {row.item} is in {row.currency}, and no exchange says what that is in USD"
    for discount in (each for file in prices.files for each in file.discounts):
        if not any(fnmatchcase(row.item.lower(), discount.items.lower()) for row in prices.rows):
            yield f"of no use: {discount.place}: a discount on {discount.items!r}, which nothing is called"


def _machines(args: PricesOptions, prices: Prices) -> int:
    found = [
        each
        for each in prices.machines
        if args.provider in ("", each.provider)
        and (not args.item or any(fnmatchcase(name.lower(), one.lower()) for name in each.names for one in args.item))
    ]
    if not found:
        raise ConfigError("nothing is known of such a machine", fix="see all with `penstock prices list --machines`")
    if args.json:
        sys.stdout.write("".join(f"{json.dumps(redact_values(_machine_json(each)))}\n" for each in found))
    else:
        sys.stdout.write(redact(_table([_MACHINE_HEAD, *(_machine_cells(each) for each in found)])))
    return 0


def _machine_cells(each: Machine) -> tuple[str, ...]:
    gpus = f"{each.num_gpus} x {each.gpu}" if each.num_gpus else "-"
    figures = (
        each.network_baseline_gbps, each.network_burst_gbps, each.disk_baseline_mb_s, each.disk_burst_mb_s,
        each.local_nvme_gb,
    )  # fmt: skip
    as_of = each.as_of.isoformat() if each.as_of else "undated"
    return (each.name, _number(each.vcpus), _number(each.memory_gib), gpus, *map(_number, figures), as_of)


def _machine_json(each: Machine) -> dict[str, object]:
    names = [name for name in Machine.__dataclass_fields__ if name not in ("place", "is_own")]
    values = {name: getattr(each, name) for name in names}
    return {name: str(value) if isinstance(value, Decimal | date) else value for name, value in values.items()}


def _number(value: Decimal | int | None) -> str:
    return "-" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


def _refresh(args: PricesOptions, prices: Prices, today: date) -> int:
    if args.endpoint_url and not args.provider:
        raise ConfigError("whose server --endpoint-url is, is not said", fix="name --provider beside it")
    if args.endpoint_url and args.provider != "own":
        check_endpoint(args.endpoint_url, "--endpoint-url")
    if args.provider == "own" and not args.endpoint_url:
        raise ConfigError(
            "what nodes of your own cost is asked of OpenCost or Kubecost", fix="name it by --endpoint-url"
        )
    wanted = wanted_of(prices, provider=args.provider, region=args.region, to_region=args.to_region, items=args.item)
    if not wanted and args.provider != "own":
        raise ConfigError(
            "there is nothing to ask for: what the list has is asked for, by its names",
            fix="see `penstock prices list`; what it lacks is asked for by --item with --provider and --region",
        )
    problems: list[SourceError] = []
    asked = _cluster(args) if args.provider == "own" else _asked(wanted, args.endpoint_url, problems)
    found = list(map(believed, asked))
    sys.stdout.write(
        _table([("item", "lifecycle", "region", "per", "listed", "now"), *(_news(each, prices) for each in found)])
    )
    sys.stdout.write(_summed_up(found, prices))
    if args.into is not None and any(each.tiers for each in found):
        num_kept = write_found(args.into, found, today)
        kept = f", beside {counted(num_kept, 'row')} from before" if num_kept else ""
        rows = f"{counted(_num_told(found), 'row')} of today{kept}"
        sys.stdout.write(f"price file {args.into}: {rows}; give it with --prices\n")
    for each in found:
        if not each.tiers and each.why:
            what = f"{each.wanted.item} ({each.wanted.lifecycle})"
            sys.stderr.write(f"penstock prices: no price of {what} in {_where(each.wanted)}: {each.why}\n")
    raise_told(problems, step=NAME)
    if not _num_told(found):
        raise SourceError("nobody told a price of what was asked for", fix="see the lines above; the list is as it was")
    return 0


def _num_told(found: Sequence[Found]) -> int:
    return sum(bool(each.tiers) for each in found)


def _summed_up(found: Sequence[Found], prices: Prices) -> str:
    """Say in one line how many prices were told, and how they are beside the list's."""
    told = [(each.tiers, _listed(each, prices)) for each in found if each.tiers]
    new = sum(not listed for _, listed in told)
    same = sum(tiers == listed for tiers, listed in told)
    parts = [f"{same} as listed", f"{len(told) - new - same} changed", f"{new} not listed before"]
    return f"{counted(len(told), 'price')} told: {', '.join(parts)}; {len(found) - len(told)} not told\n"


def _cluster(args: PricesOptions) -> Iterable[Found]:
    from penstock.cost.refresh_opencost import ask_opencost

    told = list(ask_opencost(url=args.endpoint_url or ""))
    chosen = [each for each in told if not args.item or any(fnmatchcase(each.wanted.item, name) for name in args.item)]
    if not chosen:
        raise ConfigError(
            f"--item {', '.join(args.item)} is no node that OpenCost tells of",
            fix=f"it tells of {', '.join(each.wanted.item for each in told[:10])}",
        )
    return chosen


def _asked(wanted: Sequence[Wanted], url: str | None, problems: list[SourceError]) -> Iterable[Found]:
    """Ask each seller for its own; the modules are imported as they are needed.

    Args:
        problems: where that of a seller who does not answer is put; the others are asked all the same.
    """
    of = {name: [each for each in wanted if each.provider == name] for name in ("aws", "gcp", "azure")}
    if of["aws"]:
        from penstock.cost.refresh_aws import ask_aws

        yield from _until(ask_aws(of["aws"], url=url), of["aws"], problems)
    if of["gcp"]:
        from penstock.cost.refresh_gcp import URL as GCP_URL
        from penstock.cost.refresh_gcp import ask_gcp

        yield from _until(ask_gcp(of["gcp"], url=url or GCP_URL), of["gcp"], problems)
    if of["azure"]:
        from penstock.cost.refresh_azure import URL as AZURE_URL
        from penstock.cost.refresh_azure import ask_azure

        yield from _until(ask_azure(of["azure"], url=url or AZURE_URL), of["azure"], problems)


def _until(asking: Iterable[Found], wanted: Sequence[Wanted], problems: list[SourceError]) -> Iterable[Found]:
    """Give what a seller tells as long as it answers, and what is left as not told."""
    told: set[Key] = set()
    try:
        for each in asking:
            told.add(key_of(each.wanted))
            yield each
    except SourceError as error:
        problems.append(error)
        for left in wanted:
            if key_of(left) not in told:
                yield Found(wanted=left, tiers=(), source="")


def _news(found: Found, prices: Prices) -> tuple[str, ...]:
    wanted, listed = found.wanted, _listed(found, prices)
    before, now = " / ".join(map(_tier_told, listed)), " / ".join(map(_tier_told, found.tiers))
    return (wanted.item, wanted.lifecycle, _where(wanted), wanted.unit, before or "-", now or "not told")


def _listed(found: Found, prices: Prices) -> tuple[Tier, ...]:
    """Return what the list says of it, nothing where it has no such row."""
    rows = [row for row in prices.rows if key_of(row) == key_of(found.wanted)]
    return best_of(rows, found.wanted.region, prices.today).tiers if rows else ()


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "".join(f"{line.rstrip()}\n" for line in lines)
