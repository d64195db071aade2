"""Files of PanopticDepth: as Detectron2 writes them, with tensors or with NumPy arrays."""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoints import CheckpointError, load_strictly, read_checkpoint, reject_broken
from .network import DEPTH_PARTS, PanopticDepth
from .resnet import NORM_EPSILON

_COUNTER = ".num_batches_tracked"  # of trained batch norms; nothing depends on it
_PASSED_OVER = ("detectron2.", "fvcore.")  # what a trainer keeps beside the parameters
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")  # of NumPy 1 and 2
# ImageNet's ResNet-50 in the names of Caffe2: res3_0_branch2a_w, res3_0_branch2a_bn_s, ...
_CAFFE2_BLOCK = re.compile(r"^res(\d)_(\d+)_branch(1|2a|2b|2c)(_bn)?_([wsb])$")
_CAFFE2_PARTS = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}


def read_detectron(path: str | Path) -> dict[str, Any]:
    """The entries of a file that Detectron2 wrote, torch's or a plain pickle, as tensors.

    Only tensors, arrays and plain containers are created from the file.

    Raises:
        CheckpointError: as :func:`read_checkpoint`.
    """
    path = Path(path)
    try:
        return read_checkpoint(path, passed_over=_PASSED_OVER)
    except CheckpointError:
        content = _with_arrays(path) if path.is_file() else None
        if content is None:
            raise
    entries = content.get("model", content)
    if not isinstance(entries, Mapping):
        raise CheckpointError(f"{path} holds no parameters")
    state = {
        str(name).removeprefix("module."): torch.from_numpy(np.array(value))
        if isinstance(value, np.ndarray)
        else value
        for name, value in entries.items()
        if isinstance(value, (np.ndarray, Tensor))
    }
    if not state:
        raise CheckpointError(f"{path} holds no parameters")
    reject_broken(state, path)
    return state


def panoptic_entries(state: Mapping[str, Any], network: PanopticDepth) -> dict[str, Any]:
    """The entries for this network, with the counters of batch norms if it has them."""
    entries = {name: value for name, value in state.items() if not name.endswith(_COUNTER)}
    for name in network.official_names().values():
        if name.endswith(_COUNTER):
            entries[name] = state.get(name, torch.zeros((), dtype=torch.int64))
    return entries


def load_panoptic(network: PanopticDepth, path: str | Path) -> None:
    """Copy a file of the same model, whatever its norms; CheckpointError for another."""
    state = panoptic_entries(read_detectron(path), network)
    load_strictly(network, state, network.official_names(), str(path))


def load_segmentation(network: PanopticDepth, path: str | Path) -> None:
    """Copy a model without depth into one with depth; its depth branch is unchanged.

    The third stage of training starts with this.

    Raises:
        CheckpointError: no such file, or one of another network.
    """
    names = network.official_names()
    state = panoptic_entries(read_detectron(path), network)
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
    for name, value in read_detectron(path).items():
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


def _with_arrays(path: Path) -> Mapping[str, Any] | None:
    """What a file with NumPy arrays holds; None where it cannot be read as one."""
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    try:
        if is_archive:
            with torch.serialization.safe_globals(_array_globals()):
                content = torch.load(path, map_location="cpu", weights_only=True)
        else:
            with path.open("rb") as file:
                content = _ArrayUnpickler(file, encoding="latin1").load()
    except Exception:  # a damaged pickle can raise nearly anything; the caller reports it
        return None
    return content if isinstance(content, Mapping) else None


def _array_globals() -> list[Any]:
    """Globals that torch must allow to rebuild arrays, by the names of NumPy 1 and 2."""
    reconstruct, scalar = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    allowed: list[Any] = [np.ndarray, np.dtype]
    allowed += [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")]
    for module in _NUMPY:
        allowed += [(reconstruct, f"{module}._reconstruct"), (scalar, f"{module}.scalar")]
    return allowed


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays and plain containers, and rejects everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _NUMPY and name in ("_reconstruct", "scalar"):
            source = np.zeros(0) if name == "_reconstruct" else np.float64(0)
            return source.__reduce__()[0]
        known = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("collections", "OrderedDict"): OrderedDict,
            ("_codecs", "encode"): _latin1,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is not made")
        return known[module, name]


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """Encoding of bytes in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes as {encoding}")
    return text.encode(encoding)
