"""Files of PanopticDepth: as Detectron2 writes them, with tensors or with NumPy arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..checkpoints import load_strictly, read_checkpoint
from .network import DEPTH_PARTS, PanopticDepth
from .resnet import NORM_EPSILON

_COUNTER = ".num_batches_tracked"  # of trained batch norms; nothing depends on it
# ImageNet's ResNet-50 in the names of Caffe2: res3_0_branch2a_w, res3_0_branch2a_bn_s, ...
_CAFFE2_BLOCK = re.compile(r"^res(\d)_(\d+)_branch(1|2a|2b|2c)(_bn)?_([wsb])$")
_CAFFE2_PARTS = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}


def panoptic_entries(state: Mapping[str, Any], network: PanopticDepth) -> dict[str, Any]:
    """The entries for this network, with the counters of batch norms if it has them."""
    entries = {name: value for name, value in state.items() if not name.endswith(_COUNTER)}
    for name in network.official_names().values():
        if name.endswith(_COUNTER):
            entries[name] = state.get(name, torch.zeros((), dtype=torch.int64))
    return entries


def load_panoptic(network: PanopticDepth, path: str | Path) -> None:
    """Copy a file of the same model, whatever its norms; CheckpointError for another."""
    state = panoptic_entries(read_checkpoint(path), network)
    load_strictly(network, state, network.official_names(), str(path))


def load_segmentation(network: PanopticDepth, path: str | Path) -> None:
    """Copy a model without depth into one with depth; its depth branch is unchanged.

    The third stage of training starts with this.

    Raises:
        CheckpointError: no such file, or one of another network.
    """
    names = network.official_names()
    state = panoptic_entries(read_checkpoint(path), network)
    for ours, value in network.state_dict().items():
        if ours.startswith(DEPTH_PARTS):
            state.setdefault(names[ours], value)
    load_strictly(network, state, names, f"{path} (a model without depth)")


def load_imagenet(network: PanopticDepth, path: str | Path) -> None:
    """Copy Detectron2's ResNet-50 of ImageNet (``MSRA/R-50.pkl``) into the backbone.

    Its norms are a scale and a shift.

    Raises:
        CheckpointError: no such file, or one of another network.
    """
    official = network.official_names()
    prefix = "backbone.bottom_up."
    names = {
        name.removeprefix("backbone."): official[name].removeprefix(prefix)
        for name in official
        if name.startswith("backbone.")
    }
    state = {}
    for name, value in read_checkpoint(path).items():
        known = _from_caffe2(name)
        if known is not None:
            state[known] = value
    ours = network.backbone.state_dict()
    for name, target in names.items():
        if name.endswith((".running_mean", ".running_var", _COUNTER)):
            state[target] = torch.zeros_like(ours[name])
            if name.endswith("_var"):
                state[target] += 1 - NORM_EPSILON  # the norm is then the scale and shift alone
    load_strictly(network.backbone, state, names, f"the ResNet of {path}")


def _from_caffe2(name: str) -> str | None:
    """A name of Caffe2 -> that of Detectron2; None for the classifier and solver state."""
    fixed = {
        "conv1_w": "stem.conv1.weight",
        "res_conv1_bn_s": "stem.conv1.norm.weight",
        "res_conv1_bn_b": "stem.conv1.norm.bias",
    }
    if name in fixed:
        return fixed[name]
    match = _CAFFE2_BLOCK.match(name)
    if match is None:
        return None
    stage, block, part, norm, kind = match.groups()
    leaf = ".norm" if norm else ""
    leaf += ".bias" if kind == "b" else ".weight"
    return f"res{stage}.{block}.{_CAFFE2_PARTS[part]}{leaf}"
