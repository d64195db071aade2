"""Learning rate schedules, and the progress of a run that they depend on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Literal


class Clock:
    """Progress of a run: by steps, or by time if the time limit is reached first."""

    def __init__(self, steps: int, max_minutes: float | None = None) -> None:
        self.steps = steps
        self.max_seconds = None if max_minutes is None else 60 * max_minutes
        self.elapsed_s = 0.0
        self._resumed: float | None = None

    def start(self) -> None:
        """Start the timer, on top of the time used before a resume."""
        self._resumed = time.monotonic() - self.elapsed_s

    def progress(self, step: int) -> float:
        """Completed fraction of the run at ``step``, from 0 to 1."""
        if self._resumed is not None:
            self.elapsed_s = time.monotonic() - self._resumed
        by_time = 0.0 if self.max_seconds is None else self.elapsed_s / self.max_seconds
        return min(1.0, max(step / self.steps, by_time))


@dataclass(frozen=True)
class _Warmup:
    """Base of the schedules.

    Attributes:
        warmup: steps in which the rate rises linearly. warmup_from: share of the rate at step 0.
    """

    warmup: int = 0
    warmup_from: float = 0.01

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise ValueError(f"warmup must not be negative, got {self.warmup}")

    def factor(self, step: int, progress: float) -> float:
        """Factor of the learning rate.

        Args:
            step: completed optimiser steps.
            progress: completed fraction of the run, see :class:`Clock`.
        """
        share = min(1.0, step / self.warmup) if self.warmup else 1.0
        return (self.warmup_from * (1 - share) + share) * self.fall(progress)

    def fall(self, progress: float) -> float:
        """The factor after the warm-up."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(_Warmup):
    """A constant rate."""

    kind: Literal["constant"] = "constant"

    def fall(self, progress: float) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(_Warmup):
    """Cosine decay to ``final``."""

    kind: Literal["cosine"] = "cosine"
    final: float = 0.01

    def fall(self, progress: float) -> float:
        half = 0.5 * (1 + math.cos(math.pi * progress))
        return self.final + (1 - self.final) * half


@dataclass(frozen=True)
class Poly(_Warmup):
    """Polynomial decay to 0: (1 - progress) ** ``power``."""

    kind: Literal["poly"] = "poly"
    power: float = 0.9

    def fall(self, progress: float) -> float:
        return (1 - progress) ** self.power


@dataclass(frozen=True)
class Drops(_Warmup):
    """Steps: the rate is multiplied by ``factor_each`` at each fraction ``at`` of the run."""

    kind: Literal["drops"] = "drops"
    at: tuple[float, ...] = ()
    factor_each: float = 0.5

    def fall(self, progress: float) -> float:
        return self.factor_each ** sum(progress >= place for place in self.at)


Schedule = Constant | Cosine | Poly | Drops
