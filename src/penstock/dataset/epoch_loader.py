"""What loaders of batches, epoch after epoch, have in common."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar, NoReturn, Protocol, Self

from torch.utils.data import IterableDataset

from penstock.errors import StreamMisused
from penstock.stream.checks import count

__all__ = ["EpochLoader"]


class _Held(Protocol):
    """What a loader ends when it is left."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> object: ...

    def close(self) -> None: ...


class EpochLoader(IterableDataset[Any]):
    """A loader that is entered and left, has one loop at a time, and cannot be copied."""

    called: ClassVar[str]
    """What it is, for messages: ``a packed loader``."""

    _held: _Held

    def __init__(self) -> None:
        self._epoch = self._loops = 0
        self._asked_epoch: int | None = None
        self._has_loaded = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)

    @property
    def epoch(self) -> int:
        """The epoch, 0-based, of the position that was reached: after an epoch's last batch it is the next one."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next loop that epoch, 0-based, as ``Stream.set_epoch`` does.

        Raises:
            ConfigError: it is no number of an epoch.
        """
        self._asked_epoch = count("epoch", epoch, 0)

    def close(self) -> None:
        """End what was begun."""
        self._held.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise StreamMisused(
            f"{self.called} cannot be pickled or copied: it has processes and a window of its own",
            fix="make it in the process that needs it; to read in several processes give it workers=",
        )

    def _check_loop(self, loop: int) -> None:
        """Refuse to go on with a loop, by its number, that is over.

        Raises:
            StreamMisused: another one was begun since, or a position loaded.
        """
        if loop != self._loops:
            raise StreamMisused(
                "another loop over this loader was begun, or a position loaded, since this one began",
                fix="use one iterator at a time",
            )
