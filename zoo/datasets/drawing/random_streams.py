"""Random numbers that depend on names alone, not on what was drawn before."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")


def stream(*names: object) -> np.random.RandomState:
    """Gives the stream that belongs to these names, such as ("train", 17)."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    # RandomState, because NumPy promises that its stream never changes; default_rng's may.
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4"))


def chance(random: np.random.RandomState, probability: float) -> bool:
    """Tells whether something of that probability happens."""
    return random.random_sample() < probability


def pick(random: np.random.RandomState, options: Sequence[Option]) -> Option:
    """Gives one of the options, each as likely as the others."""
    return options[random.randint(len(options))]
