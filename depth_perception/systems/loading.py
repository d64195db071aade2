"""Networks with their parameters in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from .blindspot.files import numpy_entries
from .blindspot.network import BlindSpotVgg
from .catalog import card, recipe
from .checkpoints import load_strictly, read_checkpoint, save_checkpoint
from .depth_anything.network import DepthAnything
from .moge.config import released_config
from .moge.files import load_moge, transformer_entries
from .moge.network import Moge
from .omnidepth.files import caffe_entries, is_hdf5
from .omnidepth.network import RectNet, UResNet
from .panda.hybrid import PandaHybrid
from .panda.network import Panda
from .panopticdepth.files import panoptic_entries, read_detectron
from .panopticdepth.network import PanopticDepth
from .ppd.transformer import SpDit, SpDitConfig
from .scaledepth.files import class_count, depth_entries
from .scaledepth.network import ScaleDepth
from .weights import find_weights


def _released_moge(size: str, normal: bool) -> Moge:
    return Moge(released_config(size, normal=normal))


def _transformer(semantics: str, **sizes: int) -> SpDit:
    """``semantics`` names the model whose tokens prompt it, which is no part of it."""
    return SpDit(SpDitConfig(**sizes))


FAMILIES: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {
        "depth_anything": DepthAnything,
        "panda": Panda,
        "panda_hybrid": PandaHybrid,
        "moge": _released_moge,
        "ppd": _transformer,
        "scaledepth": ScaleDepth,
        "blindspot": BlindSpotVgg,
        "blindspot_pinhole": BlindSpotVgg,
        "omnidepth_rectnet": RectNet,
        "omnidepth_uresnet": UResNet,
        "panopticdepth": PanopticDepth,
    }
)
# objects beside the parameters in files of mmengine, passed over unread; it pickles methods of its
# classes as calls of getattr
_PASSED_OVER = {"scaledepth": ("mmengine.", "numpy.", "_codecs.", "builtins.getattr")}


def build_network(name: str, **overrides: Any) -> DepthAnything:
    """The network of a model with freshly initialised parameters, for training.

    Args:
        name: a name of the catalogue.
        overrides: constructor arguments that replace those of the catalogue, such as
            ``lora_rank=None`` (plain trainable encoder) or ``max_depth=10.0``.

    Raises:
        KeyError: no such model.
        TypeError: the network has no such argument.
    """
    plan = recipe(name)
    return FAMILIES[plan.family](**{**plan.arguments, **overrides})


def load_network(
    name: str,
    checkpoint: str | Path | None = None,
    *,
    device: torch.device | str = "cpu",
    merge_lora: bool = True,
) -> DepthAnything:
    """The network of a model with the parameters of a file, float32, in evaluation mode.

    Args:
        name: a name of the catalogue.
        checkpoint: safetensors or what the authors released, be it a file or a folder of arrays;
            None takes the embedded or fetched file.
        device: where the network shall be.
        merge_lora: fold LoRA adapters into the plain weights.

    Raises:
        KeyError: no such model.
        CheckpointError: the file is missing, unreadable, or of another network.
    """
    card(name)  # an unknown name is the first thing to tell
    path = Path(checkpoint) if checkpoint is not None else find_weights(name)
    family = recipe(name).family
    if family == "moge":
        return load_moge(name, path, device)
    state = _read(name, family, path)
    overrides: dict[str, Any] = {}
    if family == "ppd":
        state = transformer_entries(state)
    if family == "scaledepth":
        state = depth_entries(state)
        overrides["classes"] = class_count(state)
    with torch.device("meta"):
        network = build_network(name, **overrides)
        if isinstance(network, Panda) and (rank := _lora_rank(state)) != network.lora_rank:
            network = build_network(name, lora_rank=rank)
    if isinstance(network, PanopticDepth):
        state = panoptic_entries(state, network)
    network.to_empty(device=device)
    if isinstance(network, ScaleDepth):
        network.restore_constants()
    load_strictly(network, state, network.official_names(), f"{path} (for {name})")
    if merge_lora and isinstance(network, Panda):
        network.merge_lora()
    return network.requires_grad_(False).eval() if merge_lora else network.eval()


def save_network(
    network: DepthAnything,
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a network as safetensors with official names; :func:`load_network` reads it.

    ``dtype`` is the precision of the file: float16 halves it, None keeps that of the network.
    """
    save_checkpoint(network, path, network.official_names(), dtype=dtype, metadata=metadata)


def _read(name: str, family: str, path: Path) -> dict[str, Any]:
    """The entries of a checkpoint, whichever of the formats of its family it has."""
    if family.startswith("blindspot") and path.is_dir():
        with torch.device("meta"):
            network = build_network(name)
        names = network.official_names()
        shapes = {names[n]: tuple(value.shape) for n, value in network.state_dict().items()}
        return dict(numpy_entries(path, shapes))
    if family == "omnidepth_rectnet" and is_hdf5(path):
        return dict(caffe_entries(path))
    if family == "panopticdepth":
        return read_detectron(path)
    return read_checkpoint(path, passed_over=_PASSED_OVER.get(family, ()))


def _lora_rank(state: dict[str, torch.Tensor]) -> int | None:
    """Rank of the adapters in a file; None where it has none."""
    for name, value in state.items():
        if name.endswith(".linear_a_q.weight") and isinstance(value, torch.Tensor):
            return value.shape[0]
    return None
