"""``Stream``: what a training loop reads from."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

import numpy as np
from torch.utils.data import IterableDataset, default_collate, get_worker_info

from penstock.errors import StreamMisused
from penstock.loader import LoaderState
from penstock.loader.ranks import Undecided, find_ranks
from penstock.plan import num_rank_batches
from penstock.plan.ranks import Ranks
from penstock.records import Meters
from penstock.stream import options as of
from penstock.stream.checks import count
from penstock.stream.epochs import Epoch
from penstock.stream.left_out import LeftOut
from penstock.stream.options import Options
from penstock.stream.reading import Reading, alone
from penstock.stream.shared_again import shared_again_by
from penstock.stream.words import in_python
from penstock.units import format_bytes

__all__ = ["Stream"]

_OWN_LOADING = "iterate over it in the process that made it; to decode in several processes give it workers="


class Stream(IterableDataset[Any]):
    """Batches of the objects of a bucket or folder, epoch after epoch, through a bounded window.

    Each ``for`` loop over it is a fresh epoch: every object once, in an order that ``seed`` and the epoch decide. After
    a loop that was left early the next one begins the next epoch; only a position that was loaded is gone on from.

    Of several processes that train together each is given its share, as ``torch.distributed`` or the launcher
    (torchrun, Accelerate, Lightning, Slurm, MPI) tell their number; those of one node share one window. All of them
    take as many batches: objects that are left at an epoch's end and are fewer than the processes are given to none.

    It may be given to a ``DataLoader`` with ``batch_size=None`` and ``num_workers=0``, to Lightning, and as it is to a
    loop that Accelerate prepares the model of.

    Args:
        source: ``s3://bucket/prefix``, ``hf://datasets/org/name``, ``https://host/folder/`` or a local folder.
        decode: makes a value, such as a tensor or a tuple of them, of an object's bytes and its key. The bytes may
            be viewed but not kept; it runs in the workers. If it draws from the generators of torch, numpy or random
            it finds them seeded for the object, and the training loop finds them as it left them.
        files: give ``decode`` the path of a file that holds the bytes, instead of them, for readers that need one. The
            file counts towards the window, one for each worker, and is gone when ``decode`` returns.
        transform: makes another value of a decoded one, with random numbers of ``seed``, epoch and key: the same for
            any number of workers or ranks, and after a resume.
        batch_size: samples of a batch, on each rank.
        drop_last: leave out batches that are not full.
        pin_memory: put batches into page-locked memory, from which a GPU is fed without waiting, where there is one.
        window: bound on disk use, like ``"2Gi"``, or bytes. It must hold the largest batch, of all ranks of a node.
        window_folder: where the window lies; a temporary folder by default. A tmpfs keeps it in memory.
        match: take the objects whose key fits this pattern, as a shell's, like ``"*.{jpg,png}"``, or one of several.
        shuffle: "full" (or True) puts every object anywhere, "block" keeps neighbours near one another, "none" (or
            False) gives the order of the keys.
        shuffle_block: consecutive samples of a block; None chooses by their size.
        shuffle_mix: blocks whose samples are mixed; None chooses by their size.
        repeat: read what is trained on part by part, each so many times before the next: an epoch then has every sample
            that often, and downloads it once.
        repeat_part: size of a part, like ``"4Gi"``, with ``repeat``; the window holds two. None chooses by the window.
        seed: of the shuffle.
        workers: processes that decode and collate; 0 does it in this one.
        collate: makes a batch of a list of values; torch's own does so in memory that is used again once nobody refers
            to a batch that lay there.
        epochs: ends the prefetching after that many; None goes on for as long as it is asked.
        endpoint_url: server of the store, where that is not its own.
        region: of the bucket; None asks for it.
        anonymous: do not sign requests, for public buckets.
        requester_pays: be charged for reading a bucket whose owner is not.
        storage_options: more of how the source is asked, by the names of fsspec's file systems (s3fs, gcsfs, adlfs,
            HfFileSystem), like ``{"key": ..., "secret": ...}``. What is secret stays in the memory of this process and
            of those that it starts.
        manifest_folder: a folder where manifests are kept, 64 of them. One of the same source and options that is
            fresh is taken instead of listing: what was added since is not seen; what changed since is an error when it
            is fetched, which forgets the manifest. None lists each time.
        manifest_hours: how long a manifest that was kept is fresh.
        stream_listing: begin before the source is listed to its end. The first epoch then gives the listing part by
            part, each twice as large as the one before and shuffled in itself; further epochs are shuffled as a
            whole. A folder is listed to its end all the same.
        in_flight: most ranges requested at a time.
        timeout_seconds: how long the prefetcher may show no sign of life, and how long other ranks are waited for.
        on_bad_sample: "skip" leaves out an object that is gone, or that ``decode`` fails on; ``meters()`` counts and
            names it. One that the listing finds that it may not read is then in ``left_out``. An object that changed
            since the listing is an error all the same.
        rank: of ``world_size`` processes that read together; found where it is not given. 0 of 1 reads everything.
        world_size: their number.
        local_rank: of ``local_world_size`` ranks on this node, numbered without a gap, which share a window.
        local_world_size: their number.

    Raises:
        SourceError: the source could not be listed.
        ConfigError: an option cannot be honoured.
        RankLost: another rank that shares the window did not open it.
    """

    @of.names_checked
    def __init__(
        self,
        source: str | os.PathLike[str],
        *,
        decode: Callable[[memoryview, str], Any] | Callable[[Path, str], Any],
        files: bool = False,
        transform: Callable[[Any, np.random.Generator], Any] | None = None,
        batch_size: int = 1,
        drop_last: bool = False,
        pin_memory: bool = False,
        window: str | int = "1Gi",
        window_folder: str | os.PathLike[str] | None = None,
        match: str | Iterable[str] = "*",
        shuffle: bool | Literal["full", "block", "none"] = True,
        shuffle_block: int | None = None,
        shuffle_mix: int | None = None,
        repeat: int = 1,
        repeat_part: str | int | None = None,
        seed: int = 0,
        workers: int = 0,
        collate: Callable[[list[Any]], Any] = default_collate,
        epochs: int | None = None,
        endpoint_url: str | None = None,
        region: str | None = None,
        anonymous: bool = False,
        requester_pays: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        manifest_folder: str | os.PathLike[str] | None = None,
        manifest_hours: float = 24.0,
        stream_listing: bool = False,
        in_flight: int = 512,
        timeout_seconds: float = 60.0,
        on_bad_sample: Literal["fail", "skip"] = "fail",
        rank: int | None = None,
        world_size: int | None = None,
        local_rank: int | None = None,
        local_world_size: int | None = None,
    ) -> None:
        # All arguments, and nothing else: nothing was named before this line.
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        with in_python():
            options = of.options_of(given)
        self._begin(options)

    @classmethod
    def made_of(cls, options: Options) -> Self:
        """Make one of options that were checked."""
        stream = cls.__new__(cls)
        stream._begin(options)
        return stream

    def _begin(self, options: Options) -> None:
        self._options = options
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._turn_of: int | None = None
        self._loops = 0
        self._has_given = self._has_loaded = self._is_closing = False
        self._asked_epoch: int | None = None
        self._reading = Reading(self._options)
        # It ends what was begun when nobody refers to this any more.
        self._end = weakref.finalize(self, _end, self._reading, self._pid)
        self._end.atexit = False
        _unended[id(self._reading)] = self._end
        _watch_the_end()
        self._settle(is_needed=False)

    def __repr__(self) -> str:
        asked = self._options
        return (
            f"<Stream of {asked.source.uri}: batches of {asked.batch_size}, window {format_bytes(asked.window_bytes)}>"
        )

    @property
    def num_samples(self) -> int:
        """Objects of one epoch, of all ranks; a listing that goes on is waited for."""
        self._settle()
        with in_python():
            return self._reading.stream.num_samples

    def __len__(self) -> int:
        """Return this rank's batches of one epoch; in the first of a listing that goes on, its end is waited for."""
        self._settle()
        options, world_size = self._options, self._reading.ranks.world_size
        with in_python():
            return sum(
                num_rank_batches(
                    size, batch_size=options.batch_size, world_size=world_size, drop_last=options.drop_last
                )
                for size in self._reading.stream.part_samples()
            )

    def __iter__(self) -> Iterator[Any]:
        """Begin a fresh epoch, or go on from the position that was loaded; an iterator from before is over.

        Raises:
            PenstockError: the data failed; raised at the batch that it belongs to.
        """
        with self._taking_turn():
            self._settle()
            self._refuse_sharing_again()
            asked, self._asked_epoch = self._asked_epoch, None
            if asked is not None and not self._has_loaded:
                self._reading.begin_at(asked, has_given=self._has_given)
            elif self._has_given:
                self._reading.stream.begin_epoch()
            self._has_given = False
            self._loops += 1
            return Epoch(self, self._loops, self._reading.stream.batches(self._reading.stream.epoch, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._close(is_patient=kind is None)

    @property
    def epoch(self) -> int:
        """The epoch, 0-based, of the position that was reached: after an epoch's last batch it is the next one."""
        self._settle()
        return self._reading.stream.epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next loop that epoch, 0-based; without it each loop is the epoch after the one before.

        A position that was loaded is gone on from all the same, until its loop has given a batch.

        Raises:
            ConfigError: it is no number of an epoch.
        """
        self._check_process()
        self._asked_epoch = count("epoch", epoch, 0)

    def state_dict(self) -> LoaderState:
        """Return the position after the last batch that was given, to save in a checkpoint; the same on all ranks."""
        self._settle()
        return self._reading.stream.state_dict()

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved position: the next batch is the one that would have come, of whatever batch size now.

        Raises:
            CheckpointMismatch: it is of another dataset or order.
        """
        with self._taking_turn():
            self._settle()
            self._reading.load(state)
            self._has_given, self._has_loaded = False, True
            self._asked_epoch = None
            self._loops += 1

    def meters(self) -> Meters:
        """Return what was requested, downloaded, handed over and kept so far, of this node; all of it once closed."""
        self._check_pid()
        return self._reading.meters()

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the listing left out, by reason: how many, and the keys of the first 100.

        Waits for the end of a listing that goes on.
        """
        self._settle()
        with in_python():
            return self._reading.left_out()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that targets are the numbers of; empty where there are none."""
        self._settle()
        with in_python():
            return self._reading.classes()

    @property
    def ranks(self) -> Ranks:
        """Which of the processes that read together this one is, and how many there are."""
        self._settle()
        return self._reading.ranks

    def close(self) -> None:
        """End the prefetcher and the workers, and remove the temporary folder."""
        self._close(is_patient=True)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise StreamMisused(
            "a Stream cannot be pickled or copied: it has processes and a window of its own",
            fix=f"make it in the process that needs it, or {_OWN_LOADING}",
        )

    def _close(self, *, is_patient: bool) -> None:
        if os.getpid() != self._pid or not self._end.alive:
            return
        if self._turn_of == threading.get_ident():
            # From within a decoder, or a signal's handler: the loop that this interrupts cannot go on behind it.
            self._reading.interrupt()
            self._is_closing = True
            return
        if self._turn.locked():
            self._reading.interrupt()
        with self._turn:
            if is_patient:
                with in_python():
                    self._reading.close()
            self._end()

    def _settle(self, *, is_needed: bool = True) -> None:
        """Find out which of the ranks this is, and read as that one from now on.

        Args:
            is_needed: whether it must be known by now; a launcher may tell it later.
        """
        self._check_process()
        asked = self._options.ranks
        if get_worker_info() is not None and asked.rank is None:
            raise StreamMisused(
                "a Stream is made in a loading worker, where each would read everything",
                fix=f"{_OWN_LOADING}, or give it rank= and world_size=",
            )
        with in_python():
            found = find_ranks(asked, environ=os.environ, timeout_seconds=self._options.timeout_seconds)
            if found is None and not self._reading.is_open:
                found = alone()
            if isinstance(found, Undecided):
                if is_needed and not self._reading.is_open:
                    raise found.error()
            elif found is not None:
                self._reading.settle(found)

    @contextlib.contextmanager
    def _taking_turn(self) -> Iterator[None]:
        """Let one thread read at a time; another is refused, and never kept waiting."""
        self._check_process()
        if not self._turn.acquire(blocking=False):
            raise StreamMisused(
                "a Stream is read by two threads at once, or by its own decode",
                fix="read it in one thread, or make a Stream for each",
            )
        self._turn_of = threading.get_ident()
        try:
            with in_python():
                yield
        finally:
            self._turn_of = None
            self._turn.release()
            if self._is_closing:
                self._close(is_patient=False)

    def _refuse_sharing_again(self) -> None:
        if self._reading.ranks.world_size > 1 and (reader := shared_again_by()):
            raise StreamMisused(
                f"Accelerate's {reader} would share out again what a Stream gives to this rank",
                fix="loop over the Stream itself, which needs no prepare(); with Hugging Face's Trainer return it from "
                "get_train_dataloader",
            )

    def _check_process(self) -> None:
        self._check_pid()
        if not self._end.alive:
            raise StreamMisused("this Stream is closed", fix="make another one")

    def _check_pid(self) -> None:
        if os.getpid() != self._pid:
            where = "a loading worker" if get_worker_info() is not None else f"process {os.getpid()}"
            raise StreamMisused(
                f"a Stream that process {self._pid} made is used in {where}, which was forked from it",
                fix=f"{_OWN_LOADING} (a DataLoader around it must have num_workers=0)",
            )


def _end(reading: Reading, pid: int) -> None:
    """End a reading in the process that began it; one that was forked from it has nothing to end."""
    _unended.pop(id(reading), None)
    if os.getpid() == pid:
        reading.close(patience_seconds=0)


_unended: dict[int, weakref.finalize[[Reading, int], Stream]] = {}


@functools.cache
def _watch_the_end() -> None:
    """End streams at the end of the process, before the folders that they use are removed by their own finalizers."""
    atexit.register(_end_all)


def _end_all() -> None:
    for end in list(_unended.values()):
        end()
