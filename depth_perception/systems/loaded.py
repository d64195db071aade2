"""From the name of a model to the estimator of its family."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import torch

from ..backends.engines import check_backend
from .catalog import card as find_card
from .catalog import recipe
from .checkpoints import CheckpointError, read_metadata
from .estimator import Estimator, EstimatorOptions
from .loading import load_network
from .weights import find_weights


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
        device: None takes CUDA where there is one and the backend can use it, else the CPU.
        options: fields of the options in :mod:`depth_perception.systems`: ``MogeOptions`` for
            MoGe-2, ``PpdOptions`` for Pixel-Perfect Depth, ``ScaleDepthOptions`` for ScaleDepth,
            ``BlindSpotOptions`` and ``BlindSpotPinholeOptions`` for the blind-spot VGG,
            ``PanopticDepthOptions`` for PanopticDepth,
            :class:`EstimatorOptions` for the others. Weights of :mod:`depth_perception.training`
            carry those of their training (:func:`stored_options`), which hold where nothing else
            is asked for; ``height=None`` asks for nothing.

    Raises:
        KeyError: no such model.
        CheckpointError: the weights are missing, unreadable or of another network.
        TypeError, ValueError: an option or the device is wrong, or a backend is not installed.
    """
    card = find_card(name)
    family = recipe(name).family
    estimator, options_of = _classes_of(family)
    chosen = options_of(**options)  # type: ignore[arg-type]
    if device is None and chosen.backend == "openvino":
        device = "cpu"
    device = _device_of(device)
    check_backend(chosen.backend, device, chosen.precision)
    if family == "ppd":
        from .ppd.estimator import load_ppd

        return load_ppd(card, checkpoint, device, chosen)
    path = find_weights(name) if checkpoint is None else Path(checkpoint)
    if stored := stored_options(name, path):
        asked = {k: v for k, v in options.items() if not (k == "height" and v is None)}
        chosen = options_of(**{**stored, **asked})  # type: ignore[arg-type]
    network = load_network(name, path, device=device)
    return estimator(card, network, device=device, options=chosen)


def stored_options(name: str, checkpoint: Path) -> dict[str, object]:
    """How a network was trained to run, as fields of the options of its model.

    The header of the safetensors file says it: ``options``, a JSON object, and ``model``, whose
    family must be that of ``name``. Other files say nothing.

    Raises:
        CheckpointError: the file is missing or damaged, or its header says what cannot be.
    """
    header = read_metadata(checkpoint)
    if "options" not in header or not _same_family(name, header.get("model")):
        return {}
    try:
        stored = json.loads(header["options"])
        known = {field.name for field in fields(options_of(name))}
        if not isinstance(stored, dict) or not stored.keys() <= known:
            raise ValueError(f"expected some of {', '.join(sorted(known))}")
        options_of(name)(**stored)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint} has options in its header that {name} does not take "
            f"({header['options']}): {error}"
        ) from error
    return stored


def _same_family(name: str, other: str | None) -> bool:
    if other is None:
        return False
    try:
        return recipe(name).family == recipe(other).family
    except KeyError:
        return False


def estimator_class(name: str) -> type[Estimator]:
    """The class of the estimator of a model.

    Raises:
        KeyError: no such model.
    """
    return _classes_of(recipe(name).family)[0]


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
        from .moge.estimator import MogeEstimator, MogeOptions

        return MogeEstimator, MogeOptions
    if family == "ppd":
        from .ppd.estimator import PpdEstimator, PpdOptions

        return PpdEstimator, PpdOptions
    if family == "scaledepth":
        from .scaledepth.estimator import ScaleDepthEstimator, ScaleDepthOptions

        return ScaleDepthEstimator, ScaleDepthOptions
    if family == "blindspot":
        from .blindspot.estimator import BlindSpotEstimator, BlindSpotOptions

        return BlindSpotEstimator, BlindSpotOptions
    if family == "blindspot_pinhole":
        from .blindspot.estimator import BlindSpotPinholeEstimator, BlindSpotPinholeOptions

        return BlindSpotPinholeEstimator, BlindSpotPinholeOptions
    if family == "panopticdepth":
        from .panopticdepth.estimator import PanopticDepthEstimator, PanopticDepthOptions

        return PanopticDepthEstimator, PanopticDepthOptions
    if family.startswith("omnidepth"):
        from .omnidepth.estimator import OmniDepthEstimator

        return OmniDepthEstimator, EstimatorOptions
    return Estimator, EstimatorOptions
