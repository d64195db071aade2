"""What any model must beat: one depth for every pixel, and the same network untrained."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.frames import FrameReader
from ..systems import Estimator, EstimatorOptions, build_network, card, estimator_class, options_of
from .evaluate import Estimate, Values


def constant(depth_m: float) -> Estimate:
    """The same depth everywhere.

    Raises:
        ValueError: the depth is not positive.
    """
    if not depth_m > 0:
        raise ValueError(f"the constant depth must be positive, got {depth_m} m")
    return lambda image: Values(torch.full(image.shape[:2], float(depth_m)))


def median_depth_m(reader: FrameReader, max_depth_m: float) -> float:
    """Median range of all pixels of a data set with truth up to ``max_depth_m``, to 1 cm.

    Raises:
        ValueError: no pixel has truth.
    """
    counts = torch.zeros(int(100 * max_depth_m) + 1, dtype=torch.int64)
    for index in range(len(reader)):
        range_m: Tensor = reader[index].range_m
        valid = range_m[(range_m > 0) & (range_m <= max_depth_m)]
        counts += torch.bincount((100 * valid).long(), minlength=len(counts))
    if counts.sum() == 0:
        raise ValueError(f"no pixel has truth up to {max_depth_m} m")
    half = (counts.sum() + 1) // 2
    return (int(torch.searchsorted(counts.cumsum(0), half)) + 0.5) / 100


def untrained(
    name: str,
    seed: int,
    device: torch.device | str = "cpu",
    options: EstimatorOptions | None = None,
) -> Estimator:
    """The network of a model with random parameters; ``options`` are those of its family."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(name)
    if options is None:
        options = options_of(name)()
    return estimator_class(name)(card(name), network, device=device, options=options)
