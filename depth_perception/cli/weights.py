"""Download, locate and convert the weights of models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from .. import systems
from .terminal import failed, plain_table, table_console


def main(
    action: Annotated[Literal["fetch", "list", "path", "convert"], tyro.conf.Positional],
    name: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    directory: Path | None = None,
    checkpoint: Path | None = None,
    output: Path | None = None,
    half: bool = False,
) -> int:
    """Download official weights, show where they are, and convert them to safetensors.

    Args:
        action: fetch downloads the weights of a model and verifies them; list shows which are
            here; path prints where the weights of a model are expected; convert writes the
            parameters of any checkpoint of the model, without optimiser state, as safetensors.
        name: a model, see `depth-perception models`.
        directory: folder of the weights; by default $DEPTH_PERCEPTION_HOME or
            ~/.cache/depth_perception.
        checkpoint: file to convert; by default the downloaded or bundled weights of the model.
        output: file to write, ending in .safetensors.
        half: write float16, which halves the file size.

    Returns:
        0, 1 if the weights could not be downloaded or read, 2 for wrong usage.
    """
    if action == "list":
        _print_table(directory)
        return 0
    if name is None:
        return failed(f"weights {action}", "the name of a model is missing", 2)

    try:
        systems.card(name)
        if action == "convert":
            return _convert(name, checkpoint, output, half)
        located = systems.weights_path if action == "path" else systems.fetch
        print(located(name, directory))
    except KeyError as error:
        return failed("weights", error, 2)
    except systems.FetchError as error:
        return failed("weights", error)
    return 0


def _convert(name: str, checkpoint: Path | None, output: Path | None, half: bool) -> int:
    if output is None or output.suffix != ".safetensors":
        return failed("weights convert", "--output must be a file ending in .safetensors", 2)
    if systems.system_of(name).name == "moge":
        text = (
            f"the files of {name} contain the configuration of the network, which safetensors "
            "cannot store: use them as they are"
        )
        return failed("weights convert", text, 2)

    import torch

    from ..io.atomic import replacing
    from ..systems import CheckpointError, load_network, save_network
    from ..systems.checkpoints import read_metadata
    from ..systems.weights import find_weights

    try:
        source = find_weights(name) if checkpoint is None else checkpoint
        network = load_network(name, source)
        metadata = read_metadata(source)  # options of training and inference
        with replacing(output) as path:
            save_network(network, path, dtype=torch.float16 if half else None, metadata=metadata)
    except (CheckpointError, OSError) as error:
        return failed("weights", error)
    print(f"{output.stat().st_size / 1e6:.1f} MB: {output}")
    return 0


def _print_table(directory: Path | None) -> None:
    table = plain_table()
    table.add_column("model", no_wrap=True)
    for column in ("here", "file", "to get it"):
        table.add_column(column, overflow="fold")
    for model in systems.models():
        path = systems.weights_path(model.name, directory)
        here = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "-"
        table.add_row(model.name, here, path.name, _way(model))
    console = table_console(160)
    console.print(table)
    folder = directory or systems.weights_folder()
    console.print(f"folder: {folder}", highlight=False, soft_wrap=True)


def _way(model: systems.ModelCard) -> str:
    if model.embedded:
        return "in the package"
    if model.hub_repo is not None:
        return "fetch"
    return "by hand" if model.home_page else "-"
