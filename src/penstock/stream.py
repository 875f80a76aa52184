"""A bucket or folder as batches for a training loop of one's own.

    import penstock

    with penstock.Stream("s3://bucket/images", decode=to_tensor, batch_size=64, window="2Gi") as stream:
        for epoch in range(10):
            for batch in stream:
                ...

Every object is a sample. The prefetcher is a child process that is started and ended with the stream; what it has
on disk never exceeds the window, and what the window keeps is not downloaded again in the next epoch.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from torch.utils.data import default_collate

from penstock.errors import ConfigError
from penstock.loader import Custom, LoaderState, WindowStream
from penstock.loader.growing import GrowingStream, Listed
from penstock.records import Meters, SourceSpec
from penstock.stream_listing import ListingProcess, list_words
from penstock.units import parse_bytes
from penstock.window import Prefetcher, PrefetchMode, start_prefetcher

__all__ = ["Stream"]

UNBOUNDED_EPOCHS = 1_000_000


class Stream:
    """Batches of the objects of a bucket or folder, epoch after epoch, through a bounded window.

    Each ``for`` loop over it is the next epoch: every object once, in an order that ``seed`` and the epoch decide.

    Args:
        source: ``s3://bucket/prefix`` or a local folder.
        decode: makes a value, such as a tensor or a tuple of them, of an object's bytes and its key. The bytes may
            be viewed but not kept; it runs in the workers. If it draws from the generators of torch, numpy or random
            it finds them seeded for the object, and the training loop finds them as it left them.
        files: give ``decode`` the path of a file that holds the bytes, instead of them, for readers that need one. The
            file counts towards the window, one for each worker, and is gone when ``decode`` returns.
        transform: makes another value of a decoded one, with random numbers of ``seed``, epoch and key: the same for
            any number of workers or ranks, and after a resume.
        batch_size: samples of a batch.
        window: bound on disk use, like ``"2Gi"``, or bytes. It must hold the largest batch.
        window_folder: where the window lies; a temporary folder by default. A tmpfs keeps it in memory.
        match: take the objects whose key fits this pattern, as a shell's, like ``"*.jpg"``.
        shuffle: "full" (or True) puts every object anywhere, "block" keeps neighbours near one another, "none" (or
            False) gives the order of the keys.
        shuffle_block: consecutive samples of a block; None chooses by their size.
        shuffle_mix: blocks whose samples are mixed; None chooses by their size.
        seed: of the shuffle.
        workers: processes that decode and collate; 0 does it in this one.
        collate: makes a batch of a list of values.
        epochs: ends the prefetching after that many; None goes on for as long as it is asked.
        endpoint_url: S3-compatible server; None is AWS.
        anonymous: do not sign requests, for public buckets.
        stream_listing: begin before the source is listed to its end. The first epoch then gives the listing part by
            part, each twice as large as the one before and shuffled in itself; further epochs are shuffled as a
            whole. A folder is listed to its end all the same.
        in_flight: most ranges requested at a time.
        timeout_seconds: how long the prefetcher may show no sign of life.
        on_bad_sample: "skip" leaves out an object that is gone, or that ``decode`` fails on; ``meters()`` counts and
            names it. An object that changed since the listing is an error all the same.

    Raises:
        SourceError: the source could not be listed.
        ConfigError: an option cannot be honoured.
    """

    def __init__(
        self,
        source: str,
        *,
        decode: Callable[[memoryview, str], Any] | Callable[[Path, str], Any],
        files: bool = False,
        transform: Callable[[Any, np.random.Generator], Any] | None = None,
        batch_size: int = 1,
        window: str | int = "1Gi",
        window_folder: str | Path | None = None,
        match: str = "*",
        shuffle: bool | Literal["full", "block", "none"] = True,
        shuffle_block: int | None = None,
        shuffle_mix: int | None = None,
        seed: int = 0,
        workers: int = 0,
        collate: Callable[[list[Any]], Any] = default_collate,
        epochs: int | None = None,
        endpoint_url: str | None = None,
        region: str | None = None,
        anonymous: bool = False,
        requester_pays: bool = False,
        stream_listing: bool = False,
        in_flight: int = 512,
        timeout_seconds: float = 60.0,
        on_bad_sample: Literal["fail", "skip"] = "fail",
    ) -> None:
        if batch_size < 1 or workers < 0:
            raise ConfigError(f"batch_size {batch_size}, workers {workers}", fix="give at least 1 and 0")
        if on_bad_sample not in ("fail", "skip"):
            raise ConfigError(f"on_bad_sample {on_bad_sample!r}", fix="give 'fail' or 'skip'")
        words = _shuffle_words(shuffle, shuffle_block, shuffle_mix)
        window_bytes = window if isinstance(window, int) else parse_bytes(window)
        spec = SourceSpec(
            uri=source if "://" in source else str(Path(source).absolute()),
            endpoint_url=endpoint_url,
            region=region,
            anonymous=anonymous,
            requester_pays=requester_pays,
        )
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-stream-")))
            window_path = Path(window_folder) if window_folder is not None else folder / "window"
            # It gets ready while the source is listed.
            child = start_prefetcher(
                PrefetchMode.PROCESS, window_path, window_bytes, options=("--in-flight", str(in_flight))
            )
            assert child is not None
            stack.enter_context(child)
            listing = stack.enter_context(
                ListingProcess(
                    list_words(spec, match=match, seed=seed, shuffle=words),
                    manifest=folder / "manifest.parquet",
                    plan=folder / "plan.json",
                    parts=stream_listing,
                )
            )
            feed = partial(
                _open_stream,
                folder=window_path,
                decoder=Custom(decode=decode, collate=collate, takes_path=files, transform=transform),
                batch_size=batch_size,
                num_workers=workers,
                prefetcher=child,
                timeout_seconds=timeout_seconds,
                on_bad_sample=on_bad_sample,
            )
            num_epochs = epochs or UNBOUNDED_EPOCHS
            self._stream: WindowStream | GrowingStream
            if stream_listing:
                self._stream = GrowingStream(listing, open_stream=feed, num_epochs=num_epochs)
                listing.part(0)
            else:
                self._stream = feed(listing.whole(), [("train", True)], num_epochs)
            stack.callback(self._stream.close)
            self._stack = stack.pop_all()
        self._batch_size = batch_size

    @property
    def num_samples(self) -> int:
        """Objects of one epoch; a listing that goes on is waited for."""
        return self._stream.num_samples if isinstance(self._stream, GrowingStream) else self._stream.order.num_samples

    def __len__(self) -> int:
        """Give the batches of one epoch; in the first of a listing that goes on, each part may end with a small one."""
        return -(-self.num_samples // self._batch_size)

    def __iter__(self) -> Iterator[Any]:
        """Give what is left of the current epoch; the next loop gives the next one.

        Raises:
            PenstockError: the data failed; raised at the batch that it belongs to.
        """
        return self._stream.batches(self.epoch, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def epoch(self) -> int:
        """The epoch, 0-based, that the next batch is of."""
        if isinstance(self._stream, GrowingStream):
            return self._stream.epoch
        return self._stream.next_index // self.num_samples

    def state_dict(self) -> LoaderState:
        """Give the place after the last batch that was given, to save in a checkpoint."""
        return self._stream.state_dict()

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved place: the next batch is the one that would have come.

        Raises:
            CheckpointMismatch: it is of another dataset, order or batch size.
        """
        self._stream.load_state_dict(state)

    def meters(self) -> Meters:
        """Give what was downloaded, handed over and kept so far."""
        return self._stream.meters()

    def close(self) -> None:
        """End the prefetcher and the workers, and remove the temporary folder."""
        self._stack.close()


def _shuffle_words(shuffle: bool | str, block: int | None, mix: int | None) -> list[str]:
    """Give the options of `penstock list` for a shuffle; it checks them."""
    kind = {True: "full", False: "none"}[shuffle] if isinstance(shuffle, bool) else shuffle
    if kind not in ("full", "block", "none"):
        raise ConfigError(f"shuffle {shuffle!r}", fix='give "full", "block" or "none"')
    for name, value in (("shuffle_block", block), ("shuffle_mix", mix)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} {value}", fix="give at least 1")
    return ["--shuffle", kind, "--shuffle-block", str(block or ""), "--shuffle-mix", str(mix or "")]


def _open_stream(
    listed: Listed,
    splits: Sequence[tuple[str, bool]],
    num_epochs: int,
    *,
    folder: Path,
    decoder: Custom,
    batch_size: int,
    num_workers: int,
    prefetcher: Prefetcher,
    timeout_seconds: float,
    on_bad_sample: Literal["fail", "skip"],
) -> WindowStream:
    return WindowStream(
        folder=folder,
        manifest=listed.manifest,
        info=listed.info,
        plan=listed.plan,
        splits=splits,
        decoder=decoder,
        batch_size=batch_size,
        num_epochs=num_epochs,
        num_workers=num_workers,
        prefetcher=prefetcher,
        timeout_seconds=timeout_seconds,
        on_bad_sample=on_bad_sample,
    )
