"""Who charges for a run's requests and transfer: the store, nobody, or somebody whose prices are not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.cost.mixed_classes import mixed_classes
from penstock.errors import ConfigError
from penstock.options.cost import SourcePrices
from penstock.records import ClassSize, RunRecord
from penstock.sources import Payee, Tariff, find_scheme

__all__ = ["PROVIDERS", "Seller", "class_sizes", "seller_at", "seller_of", "seller_of_run"]


PROVIDERS = {"AWS": "aws", "Google Cloud": "gcp", "Azure": "azure", "Cloudflare R2": "cloudflare"}
"""By the seller of a tariff."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seller:
    """Who charges.

    Attributes:
        tariff: whose items the bill's lines are; None where nobody takes anything.
        is_priced: whether its prices are those that are paid; otherwise they are not known.
        assumption: what was taken for granted, empty where nothing was.
        warning: what makes the bill doubtful, empty where nothing does.
    """

    tariff: Tariff | None
    is_priced: bool
    assumption: str = ""
    warning: str = ""


def seller_of(run: RunRecord, *, prices: SourcePrices) -> Seller:
    """Tell who charges for what a run read."""
    uri = str(run.config.get("source") or "")
    endpoint = _endpoint_of(run)
    s3 = find_scheme("s3://").tariff
    if not uri:
        told = "Where the bytes came from is not recorded: requests and transfer are priced as S3's."
        return Seller(tariff=s3, is_priced=True, assumption=told)
    several = sorted({_asked(each.source, endpoint)[1] for each in run.mix})
    if len(several) > 1 and prices == "auto":
        told = f"The run read from {' and '.join(several)}: what each got of its requests and transfer is not counted, "
        return Seller(
            tariff=s3,
            is_priced=False,
            warning=f"{told}so they are not in the total. Pass --source-prices s3 to have all priced as S3's.",
        )
    return seller_at(uri, endpoint, prices=prices)


def class_sizes(run: RunRecord, tariff: Tariff | None) -> Mapping[str, ClassSize]:
    """Return what a run's data is of which class of storage, where it is priced by the store that these are of.

    Of a mix that is what it read of each member, spread over the member's classes.
    """
    uris = [each.source for each in run.mix] or [str(run.config.get("source") or "s3://")]
    if tariff is None or any(_asked(uri, _endpoint_of(run))[2] != tariff for uri in uris):
        return {}
    if run.mix:
        return mixed_classes(run.mix)
    return run.dataset.storage_classes if run.dataset is not None else {}


def seller_at(uri: str, endpoint: str, *, prices: SourcePrices, did_read: str = "The run read") -> Seller:
    """Tell who charges for what is read at a URI, by a server or the store's own.

    Args:
        did_read: how a sentence about it begins.
    """
    s3 = find_scheme("s3://").tariff
    payee, title, own = _asked(uri, endpoint)
    if payee == "own" and (prices == "auto" or own == s3):
        return Seller(tariff=own, is_priced=True)
    where = title if payee in ("own", "nobody") else endpoint or uri
    if prices == "s3":
        told = f"{did_read} from {where}, not from AWS: requests and transfer are what S3 would have charged."
        return Seller(tariff=s3, is_priced=True, warning=told)
    if payee == "nobody":
        told = f"{did_read} from {where}: its requests and transfer are not billed."
        return Seller(tariff=None, is_priced=False, assumption=told)
    tariff = own or s3
    seller = tariff.seller if tariff is not None else "AWS"
    told = f"{did_read} from {where}, not from {seller}: what its requests and transfer cost is not known, and not "
    return Seller(
        tariff=tariff,
        is_priced=False,
        warning=f"{told}in the total. Pass --source-prices s3 to have them priced as if it had been S3.",
    )


def seller_of_run(run: RunRecord, *, prices: SourcePrices) -> Seller | None:
    """Tell who charges for where a run keeps its checkpoints and records; None where that is not recorded."""
    uri = str(run.config.get("checkpoints") or run.checkpoint or "")
    if not uri:
        return None
    endpoint = str(run.config.get("run-endpoint-url") or "")
    payee, title, own = _asked(uri, endpoint)
    if payee == "nobody":
        return Seller(tariff=None, is_priced=False)
    if payee == "own" or (prices == "s3" and own is not None):
        return Seller(tariff=own, is_priced=True)
    where = endpoint or uri
    tariff = own or find_scheme("s3://").tariff
    return Seller(
        tariff=tariff,
        is_priced=False,
        warning=f"The run kept its checkpoints at {where} ({title}): what its requests and its room there cost is not "
        "known, and not in the total.",
    )


def _endpoint_of(run: RunRecord) -> str:
    return str(run.config.get("endpoint-url") or run.config.get("endpoint_url") or "")


def _asked(uri: str, endpoint: str) -> tuple[Payee, str, Tariff | None]:
    """Return who charges by the source's scheme, what it is called, and its tariff."""
    try:
        scheme = find_scheme(uri)
    except ConfigError:  # the run was made where the package that brings it is installed
        return "unknown", uri, None
    payee, tariff = scheme.payee(uri, endpoint), scheme.tariff_at(endpoint)
    if payee != "own" or tariff == scheme.tariff:
        return ("unknown" if payee == "own" and tariff is None else payee), scheme.title, tariff
    return payee, tariff.seller if tariff else scheme.title, tariff
