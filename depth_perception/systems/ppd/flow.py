"""Flow matching along straight lines: time-steps, noising, and the sampler."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LAST_TIME = 1000


def sampling_times(steps: int, last: int = LAST_TIME) -> tuple[int, ...]:
    """``steps`` evenly spaced times from ``last`` downward; ValueError if not in 1..``last``."""
    if not 1 <= steps <= last:
        raise ValueError(f"steps must be in 1..{last}, got {steps}")
    # the arithmetic of torch.arange decides ties; it may give one time too many
    times = torch.arange(last, -1, -(last + 1) / steps)[:steps]
    return tuple(times.round().int().tolist())


def noised(clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """The point of the line from ``clean`` to ``noise`` (B, ...) at time-steps (B,)."""
    share = _share(times, clean)
    return (1 - share) * clean + share * noise


def ends_of(velocity: Tensor, latent: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """The clean and the noise end of the line through ``latent`` with this velocity."""
    share = _share(times, latent)
    return latent - share * velocity, latent + (1 - share) * velocity


def euler_step(velocity: Tensor, latent: Tensor, now: int, following: int | None) -> Tensor:
    """The latent at the following time-step; None is the clean end."""
    target = 0 if following is None else following
    return latent + (target - now) / LAST_TIME * velocity


def sample(
    velocity: Callable[[Tensor, int], Tensor], noise: Tensor, times: tuple[int, ...]
) -> Tensor:
    """Follow the velocity from noise to the clean end, with one evaluation per time-step.

    Args:
        velocity: called with the latent and the index of its time-step.
        noise: the latent at the first time-step.
        times: see :func:`sampling_times`.
    """
    latent = noise
    for index, now in enumerate(times):
        following = times[index + 1] if index + 1 < len(times) else None
        latent = euler_step(velocity(latent, index).float(), latent, now, following)
    return latent


def noise_field(height: int, width: int, seed: int, count: int = 1) -> Tensor:
    """Standard normal noise (count, 1, height, width), the same for the same seed anywhere.

    Drawn on the CPU, whose generator does not depend on the machine.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 1, height, width, generator=generator)


def _share(times: Tensor, like: Tensor) -> Tensor:
    return times.to(like.dtype).reshape(-1, *(1,) * (like.ndim - 1)) / LAST_TIME
