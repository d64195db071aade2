"""The folder ``numpy_weight`` of the blind-spot VGG: TensorFlow's parameters as .npy files.

Every file holds one variable flattened in C order. Convolutions have the layout (rows, columns, in,
out). File names look like ``model.encoder.Conv_3.weights:0.npy``; where colons are not allowed in
file names, the ``:0`` is omitted or replaced by ``_0``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...io.arrays import ArrayReadError, read_array
from ..checkpoints import CheckpointError, reject_broken
from .config import SCALES

_FILE = re.compile(r"model\.(encoder|decoder)\.Conv(?:_(\d+))?\.(weights|biases)(?::0|_0)?\.npy")
_KINDS = {"weights": "weight", "biases": "bias"}


def numpy_entries(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The parameters of a folder by their names in ``generator.pkl``, on the CPU.

    Unknown files keep their file name and arrays of a wrong size keep their shape, so that
    :func:`~depth_perception.systems.checkpoints.load_strictly` lists them. Only files that end
    in .npy are read; pickled objects in them are rejected, not executed.

    Args:
        folder: the folder.
        shapes: the shape of each parameter of the network, by its name in ``generator.pkl``.

    Raises:
        CheckpointError: no .npy files, unreadable ones, two for one parameter, or values that are
            not finite.
    """
    paths = sorted(path for path in folder.glob("*.npy") if not path.name.startswith("."))
    if not paths:
        raise CheckpointError(f"{folder} has no .npy files: give the folder numpy_weight itself")
    parameters = _parameters(shapes)
    state: dict[str, Tensor] = {}
    sources: dict[str, Path] = {}
    for path in paths:
        values = _read(path)
        match = _FILE.fullmatch(path.name)
        variable = (match[1], int(match[2] or 0), _KINDS[match[3]]) if match else None
        name = parameters.get(variable, path.name)
        if name in state:
            raise CheckpointError(
                f"{sources[name]} and {path} are both {name}: keep the right one of them"
            )
        state[name] = _as_torch(values, shapes.get(name))
        sources[name] = path
    reject_broken(state, folder)
    return state


def _parameters(shapes: Mapping[str, tuple[int, ...]]) -> dict[tuple[str, int, str], str]:
    """(half, number, kind) of each of TensorFlow's variables -> name in ``generator.pkl``."""
    layers = {name.rpartition(".")[0] for name in shapes}
    encoder = [f"conv{n}" for n in range(1, len(layers)) if f"conv{n}" in layers]
    stages = sum(layer.startswith("upconv") for layer in layers) // 2
    decoder = []
    for stage in range(1, stages + 1):
        decoder += [f"upconv{2 * stage - 1}", f"upconv{2 * stage}"]
        if (scale := stage - (stages - SCALES)) > 0:
            decoder.append(f"get_disp{scale}")
    return {
        (half, number, kind): f"{layer}.{kind}"
        for half, sequence in (("encoder", encoder), ("decoder", decoder))
        for number, layer in enumerate(sequence)
        for kind in _KINDS.values()
    }


def _as_torch(values: np.ndarray, shape: tuple[int, ...] | None) -> Tensor:
    """A variable in the layout of torch; unchanged if its size does not match the shape."""
    if shape is None or values.size != int(np.prod(shape)):
        return torch.from_numpy(values)
    if len(shape) == 4:
        out, into, rows, columns = shape
        values = values.reshape(rows, columns, into, out).transpose(3, 2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(values.reshape(shape)))


def _read(path: Path) -> np.ndarray:
    try:
        values = read_array(path)
    except ArrayReadError as error:
        raise CheckpointError(
            f"{path} is not a plain array of floating point values: fetch it again"
        ) from error
    if values.dtype.kind != "f":
        raise CheckpointError(f"{path} does not hold one array of floating point values")
    return values.astype(np.float32)
