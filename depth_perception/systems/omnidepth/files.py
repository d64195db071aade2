"""Reader of RectNet's Caffe file (HDF5), as released by the authors of OmniDepth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoints import CheckpointError, reject_broken

_MAGIC = b"\x89HDF\r\n\x1a\n"
_BLOBS = {"0": "weight", "1": "bias"}
_LAYERS = {
    "preprocBlock01_dist01_conv": "input0_0.conv",
    "preprocBlock01_dist02_conv": "input0_1.conv",
    "preprocBlock01_dist03_conv": "input0_2.conv",
    "preprocBlock01_central_conv": "input0_3.conv",
    "preprocBlock02_dist01_conv": "input1_0.conv",
    "preprocBlock02_dist02_conv": "input1_1.conv",
    "preprocBlock02_dist03_conv": "input1_2.conv",
    "preprocBlock02_central_conv": "input1_3.conv",
    "downBlock01_conv01": "encoder0_0.conv",
    "downBlock01_conv02": "encoder0_1.conv",
    "downBlock01_conv03": "encoder0_2.conv",
    "dilBlock01_strConv01": "encoder1_0.conv",
    "dilBlock01_conv01": "encoder1_1.conv",
    "dilBlock01_conv02": "encoder1_2.conv",
    "dilBlock01_1x1": "encoder1_3.conv",
    "dilBlock02_conv01": "encoder2_0.conv",
    "dilBlock02_conv02": "encoder2_1.conv",
    "dilBlock02_1x1": "encoder2_2.conv",
    "upBlock01_deconv": "decoder0_0.conv",
    "upBlock01_conv": "decoder0_1.conv",
    "prediction_x_2": "prediction0",
    "upBlock02_deconv": "decoder1_0.conv",
    "upBlock02_conv": "decoder1_1.conv",
    "prediction_x_1_1x1": "decoder1_2.conv",
    "prediction_x_1": "prediction1",
}
_SEES_PIXELS = "input0_"  # Caffe expects BGR, everything else RGB


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def caffe_entries(path: Path) -> dict[str, Tensor]:
    """The parameters of a Caffe file by their names in ``rectnet.pth``, for RGB images, on the CPU.

    They are stored in the first group as layer/0 (weight) and layer/1 (bias). Other entries keep
    their name in the file.

    Raises:
        CheckpointError: h5py is not installed, or the file is truncated, of another layout, or
            has values that are not finite.
    """
    try:
        import h5py
    except ImportError as error:
        raise CheckpointError(f"{path} is HDF5: `pip install h5py` to read it") from error
    try:
        with h5py.File(path, "r") as file:
            groups = [name for name in file if isinstance(_own(h5py, file, name), h5py.Group)]
            if not groups:
                raise CheckpointError(
                    f"{path} has no groups: it is not a file of Caffe, fetch it again"
                )
            layers = file[groups[0]]
            state = {}
            for layer in layers:
                for blob, values in _blobs(h5py, layers, layer).items():
                    name = f"{layer}/{blob}"
                    if layer in _LAYERS and blob in _BLOBS:
                        name = f"{_LAYERS[layer]}.{_BLOBS[blob]}"
                    if name.startswith(_SEES_PIXELS) and values.ndim == 4:
                        values = np.ascontiguousarray(values[:, ::-1])
                    state[name] = torch.from_numpy(values)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file can raise nearly anything
        raise CheckpointError(
            f"{path} cannot be read: it is truncated or corrupt, fetch it again"
        ) from error
    reject_broken(state, path)
    return state


def _blobs(h5py: Any, layers: Any, layer: str) -> dict[str, np.ndarray]:
    """The arrays of a layer; layers without parameters are empty groups."""
    group = _own(h5py, layers, layer)
    if not isinstance(group, h5py.Group):
        raise CheckpointError(
            f"{layers.file.filename}: {layer} is not a group: no file of Caffe, fetch it again"
        )
    blobs = {}
    for name in group:
        values = _own(h5py, group, name)
        if not isinstance(values, h5py.Dataset) or values.dtype.kind != "f":
            raise CheckpointError(
                f"{layers.file.filename}: {layer}/{name} is no array of floating point values: "
                "fetch it again"
            )
        blobs[name] = np.asarray(values[()], dtype=np.float32)
    return blobs


def _own(h5py: Any, group: Any, name: str) -> Any:
    """An object of the file itself: links could lead into other files."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise CheckpointError(
            f"{group.file.filename}: {name} is a link, which is not followed: fetch it again"
        )
    return group[name]
