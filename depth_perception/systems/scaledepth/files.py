"""Entries of ScaleDepth's files that do not belong to the depth network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..checkpoints import CheckpointError, load_strictly, read_checkpoint, shortened
from ..torch_files import read_torch_file
from .config import UNUSED_IN_FILES
from .network import ScaleDepth

_EMBEDDINGS = "decode_head.class_embeddings"
_TABLE = "class_embeddings"
_TRUNK = "visual.trunk."


def depth_entries(state: Mapping[str, Any]) -> dict[str, Any]:
    """The entries used for depth: all except CLIP's text encoder and visual head."""
    return {name: value for name, value in state.items() if not name.startswith(UNUSED_IN_FILES)}


def class_count(state: Mapping[str, Any]) -> int:
    """Number of scene classes of a file; 0 where it was trained without."""
    embeddings = state.get(_EMBEDDINGS)
    return len(embeddings) if isinstance(embeddings, Tensor) and embeddings.ndim == 2 else 0


def load_clip_trunk(network: ScaleDepth, path: str | Path) -> None:
    """Copy the visual trunk of a file of open_clip's ``convnext_large_d_320`` into the encoder.

    Raises:
        CheckpointError: no such file, or one of another model.
    """
    state = read_checkpoint(path)
    trunk = {
        name.removeprefix(_TRUNK): value
        for name, value in state.items()
        if name.startswith(_TRUNK) and not name.startswith(f"{_TRUNK}head.")
    }
    names = {name: name for name in network.encoder.state_dict()}
    load_strictly(network.encoder, trunk, names, f"the visual trunk of {path}")


def write_class_embeddings(
    path: str | Path, embeddings: Tensor, names: Sequence[str], *, source: str
) -> None:
    """Write (classes, width) embeddings as safetensors, with the names and their source."""
    if len(names) != len(embeddings):
        raise ValueError(f"{len(embeddings)} embeddings but {len(names)} names")
    table = {_TABLE: embeddings.detach().to("cpu", torch.float32).contiguous()}
    save_file(table, str(path), metadata={"classes": ",".join(names), "source": source})


def read_class_embeddings(path: str | Path, classes: int, width: int) -> Tensor:
    """The first ``classes`` rows of a file of text embeddings, (classes, width) float32.

    Args:
        path: as :func:`write_class_embeddings` writes it, or a torch file that holds the bare
            tensor, as the authors use it. Models trained on NYU alone lack the last class.

    Raises:
        CheckpointError: no such file, or one of other embeddings.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no file {path}: make it with depth-perception scenes")
    if path.suffix == ".safetensors":
        table = read_checkpoint(path).get(_TABLE)
    else:
        try:
            table = read_torch_file(path)
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise CheckpointError(f"{path} holds no plain tensor: {shortened(error)}") from error
    if not isinstance(table, Tensor) or table.ndim != 2:
        raise CheckpointError(f"{path} holds no table of class embeddings")
    if len(table) < classes or table.shape[1] != width:
        raise CheckpointError(
            f"{path} has embeddings of shape {tuple(table.shape)}, but this network needs "
            f"{classes} of {width} numbers"
        )
    return table[:classes].float()
