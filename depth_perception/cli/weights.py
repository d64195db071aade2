"""Fetch official weights and say where they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..io.atomic import replacing
from ..systems import (
    CheckpointError,
    FetchError,
    ModelCard,
    card,
    fetch,
    load_network,
    models,
    save_network,
    weights_folder,
    weights_path,
)
from ..systems.catalog import system_of
from ..systems.checkpoints import read_metadata
from ..systems.weights import find_weights

PLAIN_WIDTH = 160  # columns of a table that is piped into a file or another program


def main(
    action: Annotated[Literal["fetch", "list", "path", "convert"], tyro.conf.Positional],
    name: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    directory: Path | None = None,
    checkpoint: Path | None = None,
    output: Path | None = None,
    half: bool = False,
) -> int:
    """Fetch official weights, say where they are, and turn them into safetensors.

    Args:
        action: fetch downloads and checks the weights of a model, list shows which are here, path
            prints where the weights of a model are or belong, convert writes the parameters of a
            file, such as one of the authors with optimiser state and all, as safetensors.
        name: a model, see `depth-perception models`.
        directory: folder of the weights; by default $DEPTH_PERCEPTION_HOME or
            ~/.cache/depth_perception.
        checkpoint: what to convert; by default the weights of the model that are here.
        output: the file to write, ending in .safetensors.
        half: write float16, which halves the file.

    Returns:
        0, 1 if the weights could not be fetched or read, 2 for wrong usage.
    """
    if action == "list":
        _print_table(directory)
        return 0
    if name is None:
        print(f"depth-perception weights {action}: which model? (NAME is missing)", file=sys.stderr)
        return 2
    try:
        card(name)
    except KeyError as error:
        print(f"depth-perception weights: {error.args[0]}", file=sys.stderr)
        return 2
    if action == "path":
        print(weights_path(name, directory))
        return 0
    if action == "convert":
        return _convert(name, checkpoint, output, half)
    try:
        print(fetch(name, directory))
    except FetchError as error:
        print(f"depth-perception weights: {error}", file=sys.stderr)
        return 1
    return 0


def _convert(name: str, checkpoint: Path | None, output: Path | None, half: bool) -> int:
    if output is None or output.suffix != ".safetensors":
        print(
            "depth-perception weights convert: --output must be a file ending in .safetensors",
            file=sys.stderr,
        )
        return 2
    if system_of(name).name == "moge":
        print(
            f"depth-perception weights convert: the files of {name} hold the shape of its network, "
            "which safetensors cannot: use them as they are",
            file=sys.stderr,
        )
        return 2
    try:
        source = find_weights(name) if checkpoint is None else checkpoint
        network = load_network(name, source)
        told = read_metadata(source)  # how it was trained and how it runs
        with replacing(output) as path:
            save_network(network, path, dtype=torch.float16 if half else None, metadata=told)
    except (CheckpointError, OSError) as error:
        print(f"depth-perception weights: {error}", file=sys.stderr)
        return 1
    print(f"{output.stat().st_size / 1e6:.1f} MB: {output}")
    return 0


def _print_table(directory: Path | None) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for column in ("here", "file", "to get it"):
        table.add_column(column, overflow="fold")
    for model in models():
        path = weights_path(model.name, directory)
        here = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "-"
        table.add_row(model.name, here, path.name, _way(model))
    console = Console()
    console = console if console.is_terminal else Console(width=PLAIN_WIDTH)
    console.print(table)
    console.print(f"folder: {directory or weights_folder()}", highlight=False, soft_wrap=True)


def _way(model: ModelCard) -> str:
    if model.embedded:
        return "in the package"
    if model.hub_repo is not None:
        return "fetch"
    return "by hand" if model.home_page else "-"
