"""Chance that depends on what is asked, never on the order of asking.

A stream of random numbers would give every request another draw as soon as two requests change places. Here each
draw is keyed by what it is about, so that one seed gives one world over HTTP and on the virtual clock alike.
"""

from hashlib import blake2b
from statistics import NormalDist

_NORMAL = NormalDist()
_SPAN = 1 << 64


def uniform(*about: object) -> float:
    """A number in [0, 1), always the same for the same key. The first part of the key is the seed by custom."""
    text = "\x1f".join(map(str, about))
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SPAN


def lognormal(median: float, spread: float, *about: object) -> float:
    """A positive number around `median`; `spread` is the standard deviation of its logarithm (0: always the median)."""
    if not spread:
        return median
    draw = min(max(uniform(*about), 1e-9), 1 - 1e-9)
    return float(median * 2.718281828459045 ** (spread * _NORMAL.inv_cdf(draw)))


def hexadecimal(length: int, *about: object) -> str:
    """`length` (at most 128) hexadecimal digits, always the same for the same key."""
    text = "\x1f".join(map(str, about))
    return blake2b(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def uuid_like(*about: object) -> str:
    """An id in the form that the provider gives to clusters and charts."""
    digits = hexadecimal(32, *about)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
