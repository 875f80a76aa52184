"""Generators of the process are seeded as their own functions do it."""

from __future__ import annotations

import random

import numpy as np
import torch
import xxhash

from penstock.loader.chance import SampleChance


def drawn() -> list[float]:
    return [random.random(), random.gauss(0, 1), float(np.random.random()), float(torch.rand(()))]


def test_what_a_sample_draws_is_of_seed_epoch_and_key_alone_whatever_was_drawn_before() -> None:
    chance = SampleChance(3)
    random.gauss(0, 1)  # leaves a second number behind, for its next call
    found = []
    for _ in range(2):
        rng = chance.seed(2, "a/é.jpg", 7)
        found.append([*drawn(), float(rng.random())])
    assert found[0] == found[1]
    number = xxhash.xxh64_intdigest("3 2 a/é.jpg".encode())
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.manual_seed(number)
    assert found[0][:4] == drawn()
