"""Damaged copies of valid bytes: flipped, cut, extended, spliced, with extreme numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_MOST_CHANGES = 4
_MOST_JUNK = 200
_HEAD = 96  # bytes in which most formats keep their sizes
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
_EXTREMES += (2**64 - 1, 10_000, 10**7, 10**9, 10**12)

Change = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def damaged(rng: random.Random, samples: Sequence[bytes]) -> bytes:
    """One of the samples after a few changes; now and then plain noise or nothing at all."""
    kind = rng.random()
    if kind < 0.01:
        return b""
    if kind < 0.04:
        return rng.randbytes(rng.randrange(1, _MOST_JUNK))
    content = rng.choice(samples)
    if kind < 0.07:  # whole, or the head alone
        return content if kind < 0.05 else content[: rng.randrange(1, _HEAD)]
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        content = rng.choice(_CHANGES)(rng, content, samples)
    return content


def _place(rng: random.Random, content: bytes) -> int:
    """A place: at the head or the end more often than their share of the bytes."""
    size, kind = len(content), rng.random()
    if kind < 0.4:
        return rng.randrange(min(size, _HEAD) + 1)
    if kind < 0.6:
        return size - rng.randrange(min(size, _HEAD) + 1)
    return rng.randrange(size + 1)


def _flip(rng: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = min(_place(rng, content), len(changed) - 1)
        if place >= 0:
            changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _noise(rng: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place, size = _place(rng, content), rng.choice((1, 2, 4, 16))
    return content[:place] + rng.randbytes(size) + content[place + size :]


def _extreme(rng: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place, size = _place(rng, content), rng.choice((1, 2, 4, 8))
    value = rng.choice(_EXTREMES) & ((1 << 8 * size) - 1)
    order = rng.choice(("little", "big"))
    return content[:place] + value.to_bytes(size, order) + content[place + size :]


def _digits(rng: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    """Replace a number that is written in digits."""
    places = [k for k, value in enumerate(content) if 48 <= value < 58]
    if not places:
        return _extreme(rng, content, ())
    place = rng.choice(places)
    text = rng.choice((b"0", b"-1", b"99999999999", b"1e999", b"nan", b"\xff", b"1.5", b""))
    return content[:place] + text + content[place + 1 :]


def _cut_end(rng: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    return content[: _place(rng, content)]


def _cut_out(rng: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place = _place(rng, content)
    return content[:place] + content[place + rng.choice((1, 4, 16, 100)) :]


def _insert(rng: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place, size = _place(rng, content), rng.randrange(1, _MOST_JUNK)
    junk = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))
    return content[:place] + junk + content[place:]


def _repeat(rng: random.Random, content: bytes, _: Sequence[bytes]) -> bytes:
    place, size = _place(rng, content), rng.choice((1, 4, 16, 64, 512))
    return (
        content[:place] + content[place : place + size] * rng.choice((2, 3, 50)) + content[place:]
    )


def _splice(rng: random.Random, content: bytes, samples: Sequence[bytes]) -> bytes:
    other = rng.choice(samples) if samples else content
    return content[: _place(rng, content)] + other[_place(rng, other) :]


_CHANGES: tuple[Change, ...] = (
    *(_flip, _flip, _noise, _extreme, _extreme, _extreme, _digits, _cut_end, _cut_out),
    *(_insert, _repeat, _splice),
)
