"""What loaders have in common whose values are made of another loader's, another number of them."""

from __future__ import annotations

from penstock.dataset.epoch_loader import EpochLoader
from penstock.dataset.mixed_loader import MixedLoader
from penstock.errors import ConfigError
from penstock.plan.ranks import Ranks
from penstock.records import Meters
from penstock.stream import LeftOut
from penstock.stream.face import Stream

__all__ = ["MadeLoader"]


class MadeLoader(EpochLoader):
    """A loader over another one.

    Args:
        source: gives what values are made of.
    """

    def __init__(self, source: Stream | MixedLoader) -> None:
        super().__init__()
        self._held = self._source = source
        self._given = 0
        self._is_begun = False

    @property
    def ranks(self) -> Ranks:
        """Which of the processes that read together this one is, and how many there are."""
        return self._source.ranks

    def meters(self) -> Meters:
        """Return what was moved so far, of this node."""
        return self._source.meters()

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What listings left out."""
        return self._source.left_out

    def _batches_of(self, number: int, size: int, *, drop_last: bool) -> int:
        """Return this rank's batches of so many values of all ranks."""
        own = number // self.ranks.world_size
        return own // size if drop_last else -(-own // size)

    def _check_epoch(self, most: int | None) -> None:
        """Refuse to begin an epoch behind the last one that was asked for; None is without end.

        Raises:
            ConfigError: it is one.
        """
        if most is not None and self._epoch >= most:
            raise ConfigError(f"epoch {self._epoch} of {most} epochs", fix="ask for more epochs")
