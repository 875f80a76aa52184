"""Pseudo-random permutations in O(1) memory: any position is computed on its own, and no list of indices is held.

A generalised Feistel network over the smallest square that holds the size, with cycle walking for the values past the
end (Black and Rogaway 2002, "Ciphers with arbitrary finite domains", methods 2 and 3). The square is at most
2 sqrt(size) + 1 larger than the size, so that hardly any value walks. It is for shuffling, not for secrecy.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["GOLDEN", "BlockPermutation", "Permutation", "draw", "scramble"]

ROUNDS = 6
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_BY_30, _BY_27, _BY_31, _BY_32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


class Permutation:
    """A pseudo-random permutation of ``range(size)``, below 2**62, named by a seed, an epoch and a purpose."""

    def __init__(self, size: int, *, seed: int, epoch: int, purpose: str = "samples") -> None:
        self.size = size
        self._side = np.uint64(math.isqrt(max(size - 1, 0)) + 1)
        self._keys = np.frombuffer(_digest(size, seed, epoch, purpose, 8 * ROUNDS), dtype="<u8").astype(np.uint64)

    def __call__(self, positions: NDArray[np.int64], *, tweak: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the value at each position, shape as given; positions lie in ``range(size)``.

        Args:
            tweak: numbers of the same shape; each number has a permutation of its own.
        """
        tweaks = None if tweak is None else scramble(tweak.astype(np.uint64) * GOLDEN)
        values = self._encrypt(positions.astype(np.uint64), tweaks)
        outside = np.flatnonzero(values >= self.size)
        while len(outside):
            values[outside] = self._encrypt(values[outside], None if tweaks is None else tweaks[outside])
            outside = outside[values[outside] >= self.size]
        return values.astype(np.int64)

    def _encrypt(self, values: NDArray[np.uint64], tweaks: NDArray[np.uint64] | None) -> NDArray[np.uint64]:
        side = self._side
        left = values // side
        right = values - left * side
        for key in self._keys:
            mixed = scramble(right + key if tweaks is None else right + (tweaks ^ key))
            mixed >>= _BY_32
            mixed *= side
            mixed >>= _BY_32
            mixed += left
            # Modulo: what is below the side becomes huge when the side is taken off, since these numbers wrap.
            left, right = right, np.minimum(mixed, mixed - side)
        return left * side + right


class BlockPermutation:
    """A permutation of ``range(size)`` that keeps neighbours near one another.

    The range is cut into blocks of ``block_samples`` numbers, of which the last may be shorter. Blocks come in a
    pseudo-random order; each ``blocks_mixed`` of them in a row are a group, and in a group's positions another
    permutation spreads their numbers. So a group's values lie in at most ``blocks_mixed`` blocks.

    The short block lies anywhere in the order. It makes its group, and where all later ones begin, shorter by what it
    lacks; the last group may have fewer blocks. All that is arithmetic on three permutations: memory is O(1).
    """

    def __init__(self, size: int, *, block_samples: int, blocks_mixed: int, seed: int, epoch: int) -> None:
        self.size = size
        self._block = block_samples
        self._mixed = blocks_mixed
        self._whole, rest = divmod(size, block_samples)
        num_blocks = self._whole + (rest > 0)
        # The place of the short block among the blocks; behind all of them where there is none.
        self._short_at = draw(num_blocks, seed=seed, epoch=epoch, purpose="short block") if rest else num_blocks
        self._lacking = block_samples - rest if rest else 0
        self._blocks = Permutation(self._whole, seed=seed, epoch=epoch, purpose="blocks")
        short_group, last_group = self._short_at // blocks_mixed, max(0, num_blocks - 1) // blocks_mixed
        self._short_group = short_group
        last_blocks = num_blocks - last_group * blocks_mixed
        span = block_samples * blocks_mixed
        sizes = {last_group: block_samples * last_blocks}
        if rest:
            sizes[short_group] = sizes.get(short_group, span) - self._lacking
        self._inside = Permutation(span, seed=seed, epoch=epoch, purpose="group")
        self._inside_of = {
            group: Permutation(number, seed=seed, epoch=epoch, purpose="group") for group, number in sizes.items()
        }

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the value at each position, shape as given; positions lie in ``range(size)``."""
        span = self._block * self._mixed
        # Positions as they would be if no block were short.
        even = np.where(
            positions >= (self._short_group + 1) * span - self._lacking, positions + self._lacking, positions
        )
        group = even // span
        inside = self._mix(even - group * span, group)
        first_lacking = (self._short_at - self._short_group * self._mixed + 1) * self._block - self._lacking
        inside += np.where((group == self._short_group) & (inside >= first_lacking), self._lacking, 0)
        place, rest = np.divmod(inside, self._block)
        return self._block_at(group * self._mixed + place) * self._block + rest

    def _mix(self, inside: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
        """Permute positions in their groups."""
        usual = np.ones(len(group), dtype=bool)
        mixed = np.empty_like(inside)
        for number, permutation in self._inside_of.items():
            of_this = group == number
            if of_this.any():
                usual &= ~of_this
                mixed[of_this] = permutation(inside[of_this], tweak=group[of_this])
        if usual.all():
            return self._inside(inside, tweak=group)
        mixed[usual] = self._inside(inside[usual], tweak=group[usual])
        return mixed

    def _block_at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the blocks at places of the blocks' order; each is computed once where they repeat."""
        first, end = (int(places.min()), int(places.max()) + 1) if len(places) else (0, 0)
        if end - first >= len(places):
            return self._compute_blocks(places)
        return self._compute_blocks(np.arange(first, end, dtype=np.int64))[places - first]

    def _compute_blocks(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        blocks = np.full(len(places), self._whole, dtype=np.int64)
        whole = places != self._short_at
        blocks[whole] = self._blocks((places - (places > self._short_at))[whole])
        return blocks


def draw(size: int, *, seed: int, epoch: int, purpose: str) -> int:
    """Draw a number of ``range(size)``, the same for the same seed, epoch and purpose."""
    return int.from_bytes(_digest(size, seed, epoch, purpose, 16), "little") % size


def _digest(size: int, seed: int, epoch: int, purpose: str, length: int) -> bytes:
    return hashlib.shake_256(f"penstock {purpose} {size} {seed} {epoch}".encode()).digest(length)


def scramble(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit words in place (the finaliser of SplitMix64, Steele et al. 2014)."""
    values ^= values >> _BY_30
    values *= _FIRST
    values ^= values >> _BY_27
    values *= _SECOND
    values ^= values >> _BY_31
    return values
