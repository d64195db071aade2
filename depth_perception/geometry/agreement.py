"""One common scale for overlapping depth maps of one scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_TIE = 1e-6  # regularises maps without overlap; too small to change the others


@dataclass(frozen=True)
class Overlap:
    """Comparison of two maps where both are valid.

    Attributes:
        one, other: indices of the two maps.
        log_ratio: ln(one / other), typically the median over the overlap; any shape.
        weight: importance, such as the area of the overlap.
    """

    one: int
    other: int
    log_ratio: Tensor
    weight: float


def agreeing_factors(
    overlaps: Sequence[Overlap], count: int, trust: Sequence[float] | None = None
) -> Tensor:
    """Factors (count, ...) that bring overlapping maps into the best agreement.

    Weighted least squares on the logarithms of the ratios. The geometric mean of the factors,
    weighted by ``trust`` (equal weights if None), is 1.

    Raises:
        ValueError: there is no overlap to compare.
    """
    if not overlaps:
        raise ValueError("no two maps overlap")
    logs = torch.stack([o.log_ratio for o in overlaps]).cpu().double()  # one transfer
    shares = torch.ones(count) if trust is None else torch.as_tensor(trust)
    shares = shares.to(torch.float64) / shares.sum()
    normal = count**2 * torch.outer(shares, shares) + _TIE * torch.eye(count)
    right = torch.zeros((count, logs[0].numel()), dtype=torch.float64)
    for overlap, log in zip(overlaps, logs.reshape(len(logs), -1), strict=True):
        one, other, weight = overlap.one, overlap.other, overlap.weight
        normal[one, one] += weight
        normal[other, other] += weight
        normal[one, other] -= weight
        normal[other, one] -= weight
        right[one] -= weight * log
        right[other] += weight * log
    solved = torch.linalg.solve(normal, right)
    solved = solved - shares @ solved  # a mean of exactly 1 in spite of the regulariser
    return solved.exp().view(count, *logs.shape[1:])
