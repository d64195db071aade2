"""From the name of a model to the estimator of its family."""

from __future__ import annotations

from pathlib import Path

import torch

from ..systems.catalog import card as find_card
from ..systems.catalog import recipe
from ..systems.loading import load_network
from .base import Estimator, EstimatorOptions


def load(
    name: str,
    checkpoint: str | Path | None = None,
    device: torch.device | str | None = None,
    **options: object,
) -> Estimator:
    """Load a model.

    Args:
        name: a name of :func:`depth_perception.models`.
        checkpoint: safetensors, or an official file or folder; None takes the weights that are
            part of the package or were fetched.
        device: None takes CUDA where there is one, else the CPU.
        options: fields of the options in :mod:`depth_perception.estimators`: ``MogeOptions`` for
            MoGe-2, ``PpdOptions`` for Pixel-Perfect Depth, ``ScaleDepthOptions`` for ScaleDepth,
            ``BlindSpotOptions`` and ``BlindSpotPinholeOptions`` for the blind-spot VGG,
            :class:`EstimatorOptions` for the others.

    Raises:
        KeyError: no such model.
        CheckpointError: the weights are missing, unreadable or of another network.
        TypeError, ValueError: an option or the device is wrong.
    """
    card = find_card(name)
    family = recipe(name).family
    estimator, options_of = _classes_of(family)
    chosen = options_of(**options)  # type: ignore[arg-type]
    device = _device_of(device)
    if family == "ppd":
        from .ppd import load_ppd

        return load_ppd(card, checkpoint, device, chosen)
    network = load_network(name, checkpoint, device=device)
    return estimator(card, network, device=device, options=chosen)


def options_of(name: str) -> type[EstimatorOptions]:
    """The class of the options that a model takes.

    Raises:
        KeyError: no such model.
    """
    return _classes_of(recipe(name).family)[1]


def _device_of(device: torch.device | str | None) -> torch.device:
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"no device {device!r}; take cpu, cuda or cuda:N ({error})") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {str(device)!r} was asked for but this machine has no CUDA")
    return device


def _classes_of(family: str) -> tuple[type[Estimator], type[EstimatorOptions]]:
    """The classes of a family; only its own module is imported."""
    if family == "moge":
        from .moge import MogeEstimator, MogeOptions

        return MogeEstimator, MogeOptions
    if family == "ppd":
        from .ppd import PpdEstimator, PpdOptions

        return PpdEstimator, PpdOptions
    if family == "scaledepth":
        from .scaledepth import ScaleDepthEstimator, ScaleDepthOptions

        return ScaleDepthEstimator, ScaleDepthOptions
    if family == "blindspot":
        from .blindspot import BlindSpotEstimator, BlindSpotOptions

        return BlindSpotEstimator, BlindSpotOptions
    if family == "blindspot_pinhole":
        from .blindspot import BlindSpotPinholeEstimator, BlindSpotPinholeOptions

        return BlindSpotPinholeEstimator, BlindSpotPinholeOptions
    if family.startswith("omnidepth"):
        from .omnidepth import OmniDepthEstimator

        return OmniDepthEstimator, EstimatorOptions
    return Estimator, EstimatorOptions
