"""Which of a run's processes this one is, as arguments say."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import ConfigError

__all__ = ["AskedRanks"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedRanks:
    """Ranks as arguments give them; None where they are to be found."""

    rank: int | None = None
    world_size: int | None = None
    local_rank: int | None = None
    local_world_size: int | None = None

    def __post_init__(self) -> None:
        pairs = (("rank", "world_size"), ("local_rank", "local_world_size"))
        for one, other in pairs:
            values = {name: getattr(self, name) for name in (one, other)}
            for name, value in values.items():
                if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                    raise ConfigError(f"{name} {value!r}", fix="give a whole number")
            if (values[one] is None) != (values[other] is None):
                missing = one if values[one] is None else other
                raise ConfigError(f"{values} leaves {missing} open", fix=f"give {one} and {other}, or neither")
