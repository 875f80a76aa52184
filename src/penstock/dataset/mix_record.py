"""Mixes as plans hold them, and back."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.dataset.mixed_epochs import MixEpochs
from penstock.dataset.mixing import Mixed, window_parts
from penstock.dataset.proportions import Limit, Rule
from penstock.dataset.weights import Weighed, Weight
from penstock.records import Mixing, MixLimit, MixTree, MixWeight, Plan

__all__ = ["epochs_of", "mixing_of", "shares_of"]


def mixing_of(mixed: Mixed, plans: Sequence[Plan]) -> Mixing:
    """Return how a mix is drawn, for a plan.

    Args:
        plans: of its datasets.
    """
    return Mixing(
        tree=_tree(mixed.weighed),
        stop=mixed.rule.stop,
        samples=mixed.rule.samples,
        limits=tuple(MixLimit(most_samples=each.most_samples, most_epochs=each.most_epochs) for each in mixed.limits),
        seed=mixed.seed,
        plans=tuple(plans),
    )


def epochs_of(mixing: Mixing, sizes: Sequence[int]) -> MixEpochs:
    """Return the epochs of a mix.

    Args:
        sizes: training samples of each dataset.
    """
    return MixEpochs(
        weighed=_weighed(mixing.tree),
        rule=Rule(stop=mixing.stop, samples=mixing.samples),
        limits=[Limit(most_samples=each.most_samples, most_epochs=each.most_epochs) for each in mixing.limits],
        seed=mixing.seed,
        sizes=tuple(sizes),
    )


def shares_of(mixing: Mixing) -> list[float]:
    """Return what each dataset is given of a window: a half evenly, a half by its usual share."""
    return window_parts(_weighed(mixing.tree))


def _tree(weighed: Weighed) -> MixTree:
    weights = weighed.weights
    return MixTree(
        members=tuple(None if each is None else _tree(each) for each in weighed.members),
        weights=None if weights is None else tuple(MixWeight(firsts=w.firsts, values=w.values) for w in weights),
        temperature=weighed.temperature,
    )


def _weighed(tree: MixTree) -> Weighed:
    weights = tree.weights
    return Weighed(
        members=tuple(None if each is None else _weighed(each) for each in tree.members),
        weights=None
        if weights is None
        else tuple(Weight(firsts=w.firsts, values=w.values, told=_told(w)) for w in weights),
        temperature=tree.temperature,
    )


def _told(weight: MixWeight) -> str:
    if len(weight.values) == 1:
        return f"{weight.values[0]:g}"
    return str(dict(zip(weight.firsts, weight.values, strict=True)))
