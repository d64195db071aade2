"""Surface of weights files: torch (zip and legacy), pickles of arrays, safetensors, Caffe, .npy."""

from __future__ import annotations

import io
import pickle
import random
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuzz.media import FileSurface
from safetensors.torch import save

from depth_perception.systems.checkpoints import (
    CheckpointError,
    load_strictly,
    read_checkpoint,
    read_configured,
    read_metadata,
)
from depth_perception.systems.omnidepth.files import caffe_entries, is_hdf5
from depth_perception.training.run import read_state

_CODES = b"()]}.0124BCGIJKLMNPQRSTUVXabcdeghijlopqrstu\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c"
_CODES += b"\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98"
_NAMES = (
    "numpy dtype", "numpy.core.multiarray _reconstruct", "numpy._core.multiarray scalar",
    "numpy ndarray", "collections OrderedDict", "_codecs encode", "os system", "builtins eval",
    "torch._utils _rebuild_tensor_v2", "torch FloatStorage", "builtins bytearray",
    "mmengine.config Config", "torch.storage _load_from_bytes", "builtins getattr", "torch Size",
    "numpy.core.multiarray _frombuffer", "argparse Namespace",
)  # fmt: skip


class _Config:
    """An object of a training script."""

    def __init__(self) -> None:
        self.text = "anything"


class Checkpoints(FileSurface):
    """Weights files of every kind that the package reads."""

    name = "checkpoints"
    refusals = (CheckpointError,)
    suffixes = (".pth", ".pt", ".pkl", ".safetensors", ".ckpt", ".h5", ".npy")
    share = 4.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))

    def make_samples(self) -> Sequence[bytes]:
        torch.manual_seed(0)
        state = OrderedDict(
            (f"module.block.{k}.weight", torch.randn(2, 3, dtype=kind))
            for k, kind in enumerate((torch.float32, torch.float16, torch.float64))
        )
        arrays = {f"res2_{k}_branch1_w": np.arange(6.0).reshape(2, 3) for k in range(2)}
        arrays["conv1_w"] = np.asfortranarray(np.ones((2, 3), np.float32))
        arrays["scalar"] = np.float32(2.5)
        whole = {"model": state, "epoch": 3, "optimizer": {"lr": 1e-3, "betas": (0.9, 0.999)}}
        whole["model_config"] = {"encoder": "tiny"}
        files = [save(dict(state), {"options": "{}"})]
        for content in (whole, {"state_dict": arrays, "config": _Config()}):
            for is_zip in (True, False):
                data = io.BytesIO()
                torch.save(content, data, _use_new_zipfile_serialization=is_zip)
                files.append(data.getvalue())
        files += [pickle.dumps({"model": arrays}, protocol) for protocol in (0, 2, 4, 5)]
        data = io.BytesIO()
        np.save(data, arrays["conv1_w"])
        files.append(data.getvalue())
        try:
            import h5py
        except ImportError:  # optional
            return files
        with h5py.File(self.folder / "whole.h5", "w") as file:
            file.create_dataset("data/conv1/0", data=np.ones((2, 3), np.float32))
        return [*files, (self.folder / "whole.h5").read_bytes()]

    def make(self, rng: random.Random) -> tuple[str, bytes]:
        if rng.random() < 0.25:
            return rng.choice(self.suffixes[:3]), _pickle_noise(rng)
        return super().make(rng)

    def feed(self, item: tuple[str, bytes]) -> list[CheckpointError]:
        path = self.written(item)
        if is_hdf5(path):
            caffe_entries(path)
            return []
        errors: list[CheckpointError] = []
        for read in (read_metadata, read_checkpoint, read_configured, read_state, self._load):
            try:
                read(path)
            except CheckpointError as error:
                errors.append(error)
        return errors

    def _load(self, path: Path) -> None:
        state: dict[str, Any] = read_checkpoint(path)
        names = {name: f"block.{name}" for name in self.network.state_dict()}
        load_strictly(self.network, state, names, str(path))


def _pickle_noise(rng: random.Random) -> bytes:
    """Opcodes of pickle in any order, with names that matter."""
    parts = [b"\x80\x02"]
    for _ in range(rng.randrange(1, 40)):
        kind = rng.random()
        if kind < 0.2:
            module, name = rng.choice(_NAMES).split()
            parts.append(f"c{module}\n{name}\n".encode())
        elif kind < 0.3:
            text = rng.choice((b"f4", b"O8", b"abc", b"|", b"<", b"\xff\xfe"))
            parts.append(b"U" + bytes([len(text)]) + text)
        elif kind < 0.4:
            parts.append(rng.choice((b"K\x01", b"J\xff\xff\xff\x7f", b"\x8a\x08" + b"\x7f" * 8)))
        elif kind < 0.45:
            parts.append(rng.choice((b"r", b"B", b"T", b"X")) + rng.randbytes(4))
        elif kind < 0.5:
            parts.append(rng.choice((b"(t", b"]", b"}", b"h\x00", b"q\x00", b"R", b"b", b"\x81")))
        else:
            parts.append(bytes([rng.choice(_CODES)]))
    return b"".join([*parts, b"."])
