"""Loading of a network or an estimator by the name of its model."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..backends.engines import check_backend
from ..layers.cpu_info import warn_if_slow
from .catalog import model, options_of, system_of
from .checkpoints import CheckpointError, read_metadata, save_checkpoint
from .estimator import Estimator
from .weights import find_weights

_log = logging.getLogger(__name__)


def build_network(name: str, **overrides: Any) -> nn.Module:
    """The network of a model with freshly initialised parameters, for training.

    Args:
        name: a name of the catalogue.
        overrides: constructor arguments that replace those of the catalogue, such as
            ``lora_rank=None`` (plain trainable encoder) or ``max_depth=10.0``.

    Raises:
        KeyError: no such model.
        TypeError: the network has no such argument.
    """
    return system_of(name).build(model(name), **overrides)


def load_network(
    name: str,
    checkpoint: str | Path | None = None,
    *,
    device: torch.device | str = "cpu",
    merge_lora: bool = True,
) -> nn.Module:
    """The network of a model with the parameters of a file, float32, in evaluation mode.

    Args:
        name: a name of the catalogue.
        checkpoint: safetensors, or the authors' release, a file or a folder of arrays; None takes
            the embedded or fetched file.
        device: device of the network.
        merge_lora: fold LoRA adapters into the plain weights.

    Raises:
        KeyError: no such model.
        CheckpointError: the file is missing, unreadable, or of another network.
    """
    system = system_of(name)  # raises for an unknown name first
    path = Path(checkpoint) if checkpoint is not None else find_weights(name)
    return system.load_network(model(name), path, device, merge_lora=merge_lora)


def save_network(
    network: nn.Module,
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a network as safetensors with official names; :func:`load_network` reads it.

    ``dtype`` is the precision of the file: float16 halves it, None keeps that of the network.
    """
    save_checkpoint(network, path, network.official_names(), dtype=dtype, metadata=metadata)


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
        options: fields of the options of the model (:func:`options_of`): those of
            :class:`EstimatorOptions` and of ``systems/SYSTEM/options.py``. Weights of
            :mod:`depth_perception.training` carry the options of their training
            (:func:`stored_options`), which hold unless others are given; ``height=None`` gives
            none.

    Raises:
        KeyError: no such model.
        CheckpointError: the weights are missing, unreadable or of another network.
        TypeError, ValueError: an option or the device is wrong, or a backend is not installed.
    """
    system, entry = system_of(name), model(name)
    kind = system.options_class(entry)
    chosen = kind(**options)  # type: ignore[arg-type]
    if device is None and chosen.backend == "openvino":
        device = "cpu"
    device = device_of(device)
    check_backend(chosen.backend, device, chosen.precision)
    path = find_weights(name) if checkpoint is None else Path(checkpoint)
    if stored := stored_options(name, path):
        given = {k: v for k, v in options.items() if not (k == "height" and v is None)}
        chosen = kind(**{**stored, **given})  # type: ignore[arg-type]
    warn_if_slow(chosen.precision, device.type)
    estimator = system.load(entry, path, device, chosen)
    if checkpoint is None and (remark := entry.card.height_remark(chosen.height)):
        estimator.remarks = (remark,)
        _log.warning("%s", remark)
    return estimator


def stored_options(name: str, checkpoint: Path) -> dict[str, object]:
    """Options that a network was trained with, as fields of the options of its model.

    They are read from the header of the safetensors file: ``options``, a JSON object, and
    ``model``, which must take the same options as ``name``. Other files have none.

    Raises:
        CheckpointError: the file is missing or damaged, or its header is invalid.
    """
    header = read_metadata(checkpoint)
    if "options" not in header or not _takes_the_same(name, header.get("model")):
        return {}
    kind = options_of(name)
    try:
        stored = json.loads(header["options"])
        known = {field.name for field in fields(kind)}
        if not isinstance(stored, dict) or not stored.keys() <= known:
            raise ValueError(f"expected some of {', '.join(sorted(known))}")
        kind(**stored)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint} has options in its header that {name} does not take "
            f"({header['options']}): {error}"
        ) from error
    return stored


def _takes_the_same(name: str, other: str | None) -> bool:
    if other is None:
        return False
    try:
        return system_of(name) is system_of(other) and options_of(name) is options_of(other)
    except KeyError:
        return False


def device_of(device: torch.device | str | None) -> torch.device:
    """A device; None takes CUDA where it is available, else the CPU; may raise ValueError."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"no device {device!r}; take cpu, cuda or cuda:N ({error})") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {str(device)!r} was asked for but this machine has no CUDA")
    return device
