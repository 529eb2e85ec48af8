"""Named random streams: each part of the city draws from its own, so that adding one feed moves no other."""

import hashlib

import numpy as np


class Streams:
    """Random generators by name, fixed by (city, seed)."""

    def __init__(self, city: str, seed: int) -> None:
        """Nothing is drawn yet; `seed` may be any integer."""
        self._root = f"{city}/{seed}"

    def get(self, name: str) -> np.random.Generator:
        """A fresh generator for `name`; asking twice gives the same draws again."""
        digest = hashlib.sha256(f"{self._root}/{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))
