"""Random numbers from a key and a counter: the n-th draw of a stream never depends on the other draws."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from zlib import crc32

_MASK = (1 << 64) - 1
_NORMAL = NormalDist()


def uniform(seed: int, stream: str, index: int) -> float:
    """The `index`-th number of a stream, inside (0, 1). SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    return ((_mixed((_key(seed, stream) + index * 0x9E3779B97F4A7C15) & _MASK) >> 11) + 0.5) / (1 << 53)


def normal(seed: int, stream: str, index: int) -> float:
    """The `index`-th number of a standard normal stream."""
    return _NORMAL.inv_cdf(uniform(seed, stream, index))


@lru_cache(maxsize=1024)
def _key(seed: int, stream: str) -> int:
    return _mixed((seed & _MASK) ^ (crc32(stream.encode()) << 32))


def _mixed(z: int) -> int:
    z = (z + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
