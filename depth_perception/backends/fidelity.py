"""Differences between a backend and torch, and their limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .engines import BackendError, Precision

TOLERANCE = 1e-3  # of float32
HALF_MEDIAN, HALF_MOST = 5e-3, 2e-2  # of half precision: median, 99th percentile
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Fidelity:
    """Relative differences of one output to that of torch in float32.

    So that zeros have a difference, values below a hundredth of the largest one count as that. Of
    an output with both signs (logits, coordinates), those below the mean magnitude count as that.
    """

    what: str
    median: float
    most: float
    largest: float

    def __str__(self) -> str:
        return (
            f"{self.what}: relative difference {self.largest:.1e} at most, {self.median:.1e} in "
            f"the median, {self.most:.1e} at the 99th percentile"
        )


def compare(what: str, expected: Tensor, found: Tensor) -> Fidelity:
    """Compare two tensors of one shape.

    Raises:
        BackendError: the shapes differ, or ``found`` is not finite where ``expected`` is.
    """
    if expected.shape != found.shape:
        raise BackendError(
            f"{what} has shape {tuple(found.shape)} instead of {tuple(expected.shape)}"
        )
    expected, found = expected.double().flatten(), found.double().flatten()
    size = expected.abs()
    has_both_signs = bool(expected.min() < 0) and bool(expected.max() > 0)
    finite = size[size.isfinite()]
    finite = finite if finite.numel() else size.new_zeros(1)
    least = finite.mean() if has_both_signs else _LEAST_SHARE * finite.max()
    least = least.clamp(min=torch.finfo(torch.float32).tiny)
    apart = (found - expected).abs() / size.clamp(min=least)
    apart = torch.where(found == expected, 0.0, apart)  # infinities that agree
    if bool(apart.isnan().any()):
        raise BackendError(f"{what} is not a number where torch has one")
    ordered, last = apart.sort().values, len(apart) - 1
    return Fidelity(what, *(float(ordered[k]) for k in (last // 2, int(0.99 * last), last)))


def check(found: Sequence[Fidelity], precision: Precision, tolerance: float = TOLERANCE) -> None:
    """Reject differences that are too large.

    ``float32`` may differ by ``tolerance`` anywhere; half precision by 0.5 % in the median and by
    2 % at the 99th percentile.

    Raises:
        BackendError: names the worst of them.
    """
    for entry in found:
        if precision == "float32":
            good, wanted = entry.largest <= tolerance, f"{tolerance:g} at most"
        else:
            good = entry.median <= HALF_MEDIAN and entry.most <= HALF_MOST
            wanted = f"{HALF_MEDIAN:g} in the median and {HALF_MOST:g} at the 99th percentile"
        if not good:
            raise BackendError(f"not equal to torch: {entry}; allowed are {wanted}")
