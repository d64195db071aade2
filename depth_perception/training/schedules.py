"""How the learning rate moves over a run, and how far a run is."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Literal


class Clock:
    """How far a run is: by steps, or by time where that runs out first."""

    def __init__(self, steps: int, max_minutes: float | None = None) -> None:
        self.steps = steps
        self.max_seconds = None if max_minutes is None else 60 * max_minutes
        self.elapsed_s = 0.0
        self._resumed: float | None = None

    def start(self) -> None:
        """Let the time run from here, after what earlier parts of the run have used."""
        self._resumed = time.monotonic() - self.elapsed_s

    def progress(self, step: int) -> float:
        """Fraction of the run that is done at ``step``, from 0 to 1."""
        if self._resumed is not None:
            self.elapsed_s = time.monotonic() - self._resumed
        by_time = 0.0 if self.max_seconds is None else self.elapsed_s / self.max_seconds
        return min(1.0, max(step / self.steps, by_time))


@dataclass(frozen=True)
class _Warmed:
    """What all schedules begin with.

    Attributes:
        warmup: steps in which the rate rises linearly. warmup_from: share of it at step 0.
    """

    warmup: int = 0
    warmup_from: float = 0.01

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise ValueError(f"warmup must not be negative, got {self.warmup}")

    def factor(self, step: int, progress: float) -> float:
        """What the learning rate is multiplied by.

        Args:
            step: optimiser steps that were made before.
            progress: fraction of the run that is done, see :class:`Clock`.
        """
        share = min(1.0, step / self.warmup) if self.warmup else 1.0
        return (self.warmup_from * (1 - share) + share) * self.fall(progress)

    def fall(self, progress: float) -> float:
        """The factor after the warm-up."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(_Warmed):
    """The same rate to the end."""

    kind: Literal["constant"] = "constant"

    def fall(self, progress: float) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(_Warmed):
    """Half a cosine down to ``final``."""

    kind: Literal["cosine"] = "cosine"
    final: float = 0.01

    def fall(self, progress: float) -> float:
        half = 0.5 * (1 + math.cos(math.pi * progress))
        return self.final + (1 - self.final) * half


@dataclass(frozen=True)
class Poly(_Warmed):
    """(1 - progress) ** ``power``, which ends at 0."""

    kind: Literal["poly"] = "poly"
    power: float = 0.9

    def fall(self, progress: float) -> float:
        return (1 - progress) ** self.power


@dataclass(frozen=True)
class Drops(_Warmed):
    """Multiplied by ``factor_each`` at each of the fractions ``at`` of the run."""

    kind: Literal["drops"] = "drops"
    at: tuple[float, ...] = ()
    factor_each: float = 0.5

    def fall(self, progress: float) -> float:
        return self.factor_each ** sum(progress >= place for place in self.at)


Schedule = Constant | Cosine | Poly | Drops
