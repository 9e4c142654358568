"""Numbers and digits that follow from a seed: the simulated clouds invent nothing by chance."""

from __future__ import annotations

import hashlib


def digest_number(seed: str, below: int) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") % below


def digest_hex(seed: str, length: int) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:length]
