"""Listing what a file describes: a dataset, or a mix of several."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from penstock.dataset.mix_record import epochs_of, mixing_of
from penstock.dataset.mixing import Mixed, member_seed
from penstock.errors import ConfigError, PenstockError, map_os_error
from penstock.manifest import ManifestInfo
from penstock.manifest.listed import Listed
from penstock.manifest.members import join_members
from penstock.plan import make_plan
from penstock.sources import RequestMeter
from penstock.steps._shared.dataset_listing import list_dataset, refuse_early
from penstock.steps._shared.described import Described, Member, describe, members_of, read_described
from penstock.steps.options.listing import ListOptions
from penstock.stream.choosing import chosen
from penstock.stream.opening import MIXED_LANES
from penstock.tasks.registry import get_task, window_bytes_of
from penstock.temporary import TemporaryFolder
from penstock.texts import printable

__all__ = ["list_described"]

LIKE: Final = "like"
"""Option of tasks that may take what they find in the data of an earlier listing."""
ANSWERED: Final = (
    *("columns", "categorical", "max_values", "predict", "statistics"),
    *("tokenizer", "vocab_size"),
)
"""Options that mean nothing beside it."""
_SHOWN: Final = 8


def list_described(args: ListOptions, *, meter: RequestMeter) -> Listed:
    """List what a file describes, and write the manifest.

    Raises:
        ConfigError: the file describes nothing that can be listed like that.
        PenstockError: it could not be listed, or not be written.
    """
    refuse_early(args)
    found = describe(args, read_described(args, meter))
    members = members_of(args, found)
    if args.repeat > 1 and isinstance(found.dataset, Mixed):
        raise ConfigError(
            f"--repeat {args.repeat} with a mix, whose members are drawn from by their weights", fix="leave it out"
        )
    args.manifest.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFolder("penstock-members-", args.manifest.parent) as folder:
        listed = (
            _list_mix(args, found.dataset, found, members, folder, meter=meter)
            if isinstance(found.dataset, Mixed)
            else _list_member(members[0], found, folder / "member-0.parquet", meter=meter, seed=args.seed)
        )
        try:
            listed.manifest.replace(args.manifest)
        except OSError as error:
            raise map_os_error(error, str(args.manifest)) from error
    return Listed(manifest=args.manifest, info=listed.info, plan=listed.plan)


def _list_mix(
    args: ListOptions, mixed: Mixed, found: Described, members: Sequence[Member], folder: Path, *, meter: RequestMeter
) -> Listed:
    """List all members of a mix, each with an order of its own, and put their manifests into one.

    Raises:
        ConfigError: their samples are not of one kind.
    """
    listed: list[Listed] = []
    for number, member in enumerate(members):
        path, seed = folder / f"member-{number}.parquet", member_seed(args.seed, number)
        with _of_member(number, member):
            like = _alike(member, listed[0].manifest) if listed else member
            one = _list_member(
                like, found, path, meter=meter, seed=seed, told=member.options if like != member else None
            )
        if one.info.holds_many:
            one = replace(one, plan=msgspec.structs.replace(one.plan, num_lanes=MIXED_LANES))
        listed.append(one)
        _check_alike(listed[0].info, one.info, number)
    path = folder / "mix.parquet"
    info = join_members([each.manifest for each in listed], path)
    mixing = mixing_of(mixed, [msgspec.structs.replace(each.plan, batch_size=None) for each in listed])
    epochs_of(mixing, [each.num_samples("train") for each in listed]).quotas(0)  # that weights and sizes make some
    plan = msgspec.structs.replace(
        listed[0].plan,
        manifest_fingerprint=info.fingerprint,
        seed=args.seed,
        num_lanes=args.lanes,
        mix=1,
        mixing=mixing,
    )
    return Listed(manifest=path, info=info, plan=plan)


@contextlib.contextmanager
def _of_member(number: int, member: Member) -> Iterator[None]:
    """Say which member an error is of."""
    try:
        yield
    except PenstockError as error:
        error.what = f"member {number} (from 0) of the mix, {member.options.source}: {error.what}"
        error.args = (error.what,)
        raise


def _alike(member: Member, first: Path) -> Member:
    """Return a member whose columns, means and classes are the first one's, of a task that finds them in the data."""
    task = get_task(member.options.task)
    given = json.loads(member.options.task_options)
    if LIKE not in [option.name for option in task.options] or LIKE in given:
        return member
    kept = {name: value for name, value in given.items() if name.replace("-", "_") not in ANSWERED}
    words = tuple(word for word in member.options.option if word.partition("=")[0].replace("-", "_") not in ANSWERED)
    options = member.options.but(task_options=json.dumps({**kept, LIKE: str(first)}), option=words)
    return replace(member, options=options)


def _check_alike(first: ManifestInfo, other: ManifestInfo, number: int) -> None:
    """Refuse members that one network cannot learn from."""
    if first.classes != other.classes:
        raise ConfigError(
            f"member {number} (from 0) of the mix has the classes {_names(other.classes)}, the first one "
            f"{_names(first.classes)}",
            fix="let all have the same, as by the option classes, or by folders of the same names",
        )
    if first.shape != other.shape or first.meaning != other.meaning:
        raise ConfigError(
            f"samples of member {number} (from 0) of the mix are of shape {other.shape}, or mean another thing than "
            f"those of the first, of shape {first.shape}",
            fix="give all members the same options of the task",
        )


def _names(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:_SHOWN]) + (f" and {len(classes) - _SHOWN} more" if len(classes) > _SHOWN else "")
    return printable(shown) or "none"


def _list_member(
    member: Member, found: Described, path: Path, *, meter: RequestMeter, seed: int, told: ListOptions | None = None
) -> Listed:
    """List one dataset, and take of it what the file says.

    Args:
        seed: of its order.
        told: what the manifest says that it was listed with, where that is other than what it was.
    """
    args = member.options
    info = list_dataset(args, path=path, seed=member.seed, meter=meter, transform=found.transform, told=told)
    window_bytes = window_bytes_of(info.task, args.window_size)
    plan = make_plan(info, args, seed=seed, num_lanes=args.lanes, window_bytes=window_bytes)
    listed = Listed(manifest=path, info=info, plan=msgspec.structs.replace(plan, batch_size=found.batch_size))
    return chosen(listed, member.data, path.with_suffix(".chosen.parquet"))
