"""``penstock prefetch``: fill a window for a trainer, or try out a manifest through one.

Without a manifest it serves whatever trainer shares its folder until it is stopped (SIGTERM, exit code 0). With
``--manifest`` and ``--plan`` it probes: it streams the first samples through a window of the asked size, checks
every byte, and writes how fast the link is: so a missing permission or a window too small is found before a GPU
is paid for.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from penstock import stopping
from penstock.allocating import share_memory
from penstock.children.further import Further
from penstock.children.telling import watch_parent
from penstock.errors import ConfigError, PenstockError
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.manifest.listed import Listed, read_listed
from penstock.observe import open_progress
from penstock.observe.watchdog import watch_loop
from penstock.plan import make_order, rows_in_order
from penstock.records import Meters, Order, StepRecord, StreamSpec, write_record
from penstock.sources import MeterFile, RequestMeter, find_scheme, read_meter_files
from penstock.steps._shared import common
from penstock.steps._shared.metering import Metering, find_metering
from penstock.steps._shared.mix_members import members_of
from penstock.steps._shared.run_root import recorded
from penstock.steps._shared.window import ServedWindow, served_window
from penstock.steps.options.prefetch import PrefetchOptions
from penstock.tasks.registry import window_bytes_of
from penstock.temporary import TemporaryFolder
from penstock.units import format_bytes, format_seconds
from penstock.window import Filler, WindowReader, asked_cache
from penstock.window.bus_error import tell_of_bus_errors
from penstock.window.life import patience_of

NAME = "prefetch"

__all__ = ["NAME", "run"]

_HUNG_SECONDS = 300
"""Far longer than reading the largest manifest's rows takes; the heartbeat goes on in a thread, and hides a hang."""
_GC_OBJECTS = 50_000
"""Objects made before the youngest are looked through for cycles: a pack alone makes thousands, and none in a cycle."""
_LOOK_SECONDS = 0.02
"""Between two looks for windows that are to be served besides."""
_TOLD_BY_READERS = ("session.refused", "session.failed", "sample.failed")
"""Events whose error every reader is given, at the sample that it belongs to."""
_log = logging.getLogger(__name__)


def run(args: PrefetchOptions) -> int:
    """Serve or probe."""
    share_memory()
    if (args.manifest is None) != (args.plan is None):
        raise ConfigError("--manifest and --plan go together", fix="pass both to probe, or neither to serve a window")
    if args.manifest is None or args.plan is None:
        if args.and_more is not None:
            asyncio.run(_serve(args, None))
            return 0
        if args.window is None:
            raise ConfigError("no --window to serve", fix="pass the folder that the trainer shares")
        with _metrics(args.metrics_port, args.window, args.meters):
            asyncio.run(_serve(args, args.window))
        return 0
    metering = find_metering(args, NAME, meters=args.meters)
    with metering.open(args.window) as counts, recorded(args, NAME, counts.meter) as run_root:
        _check_what_follows(args, args.manifest, args.plan, counts.meter)
        record = _probe(args, args.manifest, args.plan, metering, counts)
        if run_root is not None:
            record = run_root.counting_itself(record)
        if args.record is not None:
            write_record(args.record, record)
        if run_root is not None:
            run_root.keep(NAME, record)
    rate = record.details["rate_bytes_per_second"]
    sys.stdout.write(
        f"streamed {record.details['samples']:.0f} samples, {format_bytes(record.meters.sample_bytes)}, in "
        f"{format_seconds(record.wall_seconds)} ({format_bytes(rate)}/s); first sample after "
        f"{format_seconds(record.details['seconds_to_first_sample'])}; window at most "
        f"{format_bytes(record.meters.window_high_water_bytes)} of {format_bytes(record.meters.window_bytes)}\n"
    )
    return 0


@contextlib.contextmanager
def _metrics(port: int, folder: Path, meters: Path | None) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if port:
            # Here: a trainer that waits for its child's first batch does without an HTTP server.
            from penstock.observe.metrics import serve_metrics
            from penstock.steps._shared.prefetch_metrics import read_metrics

            try:
                stack.enter_context(serve_metrics(port, partial(read_metrics, folder, meters)))
            except ConfigError as error:
                _log.warning("metrics.not_served port=%d error=%s", port, error)
        yield


async def _serve(args: PrefetchOptions, window: Path | None) -> None:
    tell_of_bus_errors()
    if args.ready_for is not None:
        with contextlib.suppress(ConfigError):  # met again, and told, when it is asked for
            find_scheme(f"{args.ready_for}://")
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        with contextlib.suppress(RuntimeError):  # it has ended already
            loop.call_soon_threadsafe(stop.set)

    stopping.listen(end)
    if args.until_stdin_closes:
        watch_parent(end)
        if not args.verbose:
            for handler in logging.getLogger().handlers:
                handler.addFilter(_is_not_told_by_readers)
    async with watch_loop(_HUNG_SECONDS):
        if window is None:
            assert args.and_more is not None
            await _serve_all(args.and_more, stop)
            return
        filler = Filler(
            window,
            window_bytes=args.window_bytes,
            max_in_flight=args.in_flight,
            is_child=args.until_stdin_closes,
            meters=args.meters,
            cache=asked_cache(args),
        )
        await filler.serve(stop)


async def _serve_all(path: Path, stop: asyncio.Event) -> None:
    """Serve the windows that the parent names, as it does; what one of them ends with ends all.

    Raises:
        PenstockError: one cannot be served.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard or hard == resource.RLIM_INFINITY:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    further, served = Further(path), set[asyncio.Task[None]]()
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            for folder, size, in_flight, meters, cache in further.new():
                filler = Filler(
                    Path(folder),
                    window_bytes=size,
                    max_in_flight=in_flight,
                    is_child=True,
                    meters=None if meters is None else Path(meters),
                    cache=None if cache is None else (Path(cache[0]), cache[1]),
                )
                served.add(asyncio.create_task(filler.serve(stop)))
            done, _ = await asyncio.wait(
                {stopping, *served}, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            for each in done & served:
                await each
                served.discard(each)
    finally:
        stop.set()
        stopping.cancel()
        await asyncio.gather(*served, return_exceptions=True)


def _is_not_told_by_readers(record: logging.LogRecord) -> bool:
    """Keep what a trainer that started this process tells itself, in its own words, from being told twice."""
    return not str(record.msg).startswith(_TOLD_BY_READERS)


def _check_what_follows(args: PrefetchOptions, manifest: Path, plan_file: Path, meter: RequestMeter) -> None:
    """Look at all that training and evaluation will need, as far as the options tell what they will be.

    Raises:
        PenstockError: something does not fit, or a place cannot be written to.
    """
    # Here: a trainer that waits for its child's first batch does without them.
    from penstock.cost.prices import load_prices
    from penstock.recipes.registry import choose_model
    from penstock.steps._shared.outputs import check_outputs, check_writable
    from penstock.steps._shared.preflight import Intended, misfits, refuse, room_of
    from penstock.steps._shared.pricing import warn_of_node
    from penstock.steps._shared.transforming import check_agreed
    from penstock.train.options import BATCH_SIZE

    listed = read_listed(manifest, plan_file)
    window_bytes = window_bytes_of(listed.info.task, args.window_size)
    room = room_of(args.window, window_bytes, args.prefetch, manifest)
    wanted = Intended(
        room=room,
        batch_size=args.batch_size or listed.plan.batch_size or BATCH_SIZE,
        workers=args.workers,
        model=choose_model(listed.info.task, args.model),
        evaluated=None if args.evaluate_split == "none" else args.evaluate_split,
    )
    found = list(misfits(listed, wanted))
    try:
        check_agreed(listed.info.transform, args.transform)
    except PenstockError as error:
        found.append(error)
    try:
        check_outputs(args.record, inputs=(manifest, plan_file))
        if args.run_folder:
            check_writable(args.run_folder, endpoint_url=args.run_endpoint_url, meter=meter)
    except PenstockError as error:
        found.append(error)
    refuse(found)
    warn_of_node(args.instance_type, load_prices(), step=NAME)


def _probe(args: PrefetchOptions, manifest: Path, plan_file: Path, metering: Metering, counts: MeterFile) -> StepRecord:
    started_at, started = common.now(), time.monotonic()
    listed = read_listed(manifest, plan_file)
    args = args.but(window_size=window_bytes_of(listed.info.task, args.window_size))
    meters, seconds, first, num_samples = Meters(), 0.0, 0.0, 0
    with contextlib.ExitStack() as stack:
        members = _members(listed, stack)
        window = stack.enter_context(served_window(args, metering))
        for number, member in enumerate(members):
            asked = args.but(samples=max(1, -(-args.samples // len(members))))
            found = _probe_one(asked, member, window, metering)
            meters, seconds = meters.plus(found.meters), seconds + found.seconds
            first, num_samples = (first if number else found.first_seconds), num_samples + found.num_samples
        meters = meters.plus(metering.total(counts, read_meter_files(window.meters, metering.owner)))
    return StepRecord(
        step=NAME,
        started_at=started_at,
        wall_seconds=time.monotonic() - started,
        host=common.host_without_device(),
        meters=meters,
        details={
            "samples": float(num_samples),
            "seconds_to_first_sample": first,
            "rate_bytes_per_second": meters.sample_bytes / max(seconds, 1e-9),
        },
    )


def _members(listed: Listed, stack: contextlib.ExitStack) -> list[Listed]:
    """Return the datasets that are probed: those of a mix one by one."""
    mixing = listed.plan.mixing
    if mixing is None:
        return [listed]
    folder = stack.enter_context(TemporaryFolder("penstock-mix-"))
    return members_of(listed, mixing, folder)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Probed:
    """What streaming the first samples of a dataset took, but for its requests."""

    meters: Meters
    num_samples: int
    seconds: float
    first_seconds: float


def _probe_one(args: PrefetchOptions, listed: Listed, window: ServedWindow, metering: Metering) -> _Probed:
    """Stream the first samples of a dataset through a window, and check every byte."""
    info, plan, manifest = listed.info, listed.plan, listed.manifest
    order = make_order(info, plan, [("train", True)])
    num_extents, num_samples = _first_extents(order, info, manifest, at_least=args.samples)
    spec = StreamSpec(
        session=uuid.uuid4().hex,
        manifest=str(window.place(manifest)),
        manifest_fingerprint=info.fingerprint,
        plan_fingerprint=plan.fingerprint,
        order=order,
        first_index=0,
        end_index=num_extents,
        num_ranks=1,
        batch_extents=1,
        num_files=0,
        on_bad_sample="fail",
        owner=metering.owner,
        purpose="probe",
        patience_seconds=patience_of(args.prefetch_timeout),
    )
    begun, first = time.monotonic(), 0.0
    reader = WindowReader(
        window.folder,
        spec,
        timeout_seconds=args.prefetch_timeout,
        lost=window.prefetcher.error if window.prefetcher is not None else lambda: None,
    ).begin()
    with open_progress().stage("prefetch", num_samples, "samples") as stage:
        for index in range(num_extents):
            extent = reader.get(index)
            first = first or time.monotonic() - begun
            reader.advance(index + 1)
            stage.advance(extent.meta.num_samples)
    seconds = time.monotonic() - begun
    meters = reader.meters().without_traffic()
    reader.close()
    return _Probed(meters=meters, num_samples=num_samples, seconds=seconds, first_seconds=first)


def _first_extents(order: Order, info: ManifestInfo, manifest: Path, *, at_least: int) -> tuple[int, int]:
    """Return how many of the first extents hold so many samples, if there are as many, and the samples of theirs."""
    segment = order.segments[0]
    if order.num_extents == order.num_samples:
        return (min(at_least, order.num_extents),) * 2
    with ManifestReader(manifest) as reader:
        counts = reader.counts(info.split(segment.split))
    ends = np.cumsum(counts[rows_in_order(segment, seed=order.seed, epoch=0) - segment.first_row])
    num_extents = min(int(np.searchsorted(ends, at_least)) + 1, len(ends))
    return num_extents, int(ends[num_extents - 1])
