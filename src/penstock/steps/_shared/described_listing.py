"""Listing what a file describes: a dataset, or a mix of several."""

from __future__ import annotations

from pathlib import Path

import msgspec

from penstock.errors import map_os_error
from penstock.manifest.listed import Listed
from penstock.plan import make_plan
from penstock.sources import RequestMeter
from penstock.steps._shared.dataset_listing import list_dataset, refuse_early
from penstock.steps._shared.described import Described, Member, describe, members_of, read_described
from penstock.steps.options.listing import ListOptions
from penstock.stream.choosing import chosen
from penstock.temporary import TemporaryFolder

__all__ = ["list_described"]


def list_described(args: ListOptions, *, meter: RequestMeter) -> Listed:
    """List what a file describes, and write the manifest.

    Raises:
        ConfigError: the file describes nothing that can be listed like that.
        PenstockError: it could not be listed, or not be written.
    """
    refuse_early(args)
    found = describe(args, read_described(args, meter))
    members = members_of(args, found)
    args.manifest.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFolder("penstock-members-", args.manifest.parent) as folder:
        listed = _list_member(members[0], found, folder / "member-0.parquet", meter=meter, seed=args.seed)
        try:
            listed.manifest.replace(args.manifest)
        except OSError as error:
            raise map_os_error(error, str(args.manifest)) from error
    return Listed(manifest=args.manifest, info=listed.info, plan=listed.plan)


def _list_member(member: Member, found: Described, path: Path, *, meter: RequestMeter, seed: int) -> Listed:
    """List one dataset, and take of it what the file says.

    Args:
        seed: of its order.
    """
    args = member.options
    info = list_dataset(args, path=path, seed=member.seed, meter=meter, transform=found.transform)
    plan = make_plan(info, args, seed=seed, num_lanes=args.lanes)
    listed = Listed(manifest=path, info=info, plan=msgspec.structs.replace(plan, batch_size=found.batch_size))
    return chosen(listed, member.data, path.with_suffix(".chosen.parquet"))
