"""Download, locate, remove and convert the weights of models."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .. import systems
from .terminal import failed, plain_table, table_console

_OF = {  # the action to which a flag belongs
    "--trust": "fetch",
    "--accept-licence": "fetch",
    "--checkpoint": "convert",
    "--output": "convert",
    "--half": "convert",
}
_PROGRESS_S = 0.2  # between two numbers on the terminal


def main(
    action: Annotated[Literal["fetch", "list", "path", "remove", "convert"], tyro.conf.Positional],
    name: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    directory: Path | None = None,
    trust: bool = False,
    accept_licence: Annotated[bool, tyro.conf.arg(aliases=["--accept-license"])] = False,
    checkpoint: Path | None = None,
    output: Path | None = None,
    half: bool = False,
) -> int:
    """Download official weights, show where they are, and convert them to safetensors.

    Args:
        action: fetch downloads the weights of a model, and of models that it needs, and verifies
            them; list shows which are here; path prints where the weights of a model are expected;
            remove deletes the weights of a model; convert writes the parameters of any checkpoint
            of the model, without optimiser state, as safetensors.
        name: a model, see `depth-perception models`.
        directory: folder of the weights; by default $DEPTH_PERCEPTION_HOME or
            ~/.cache/depth_perception.
        trust: fetch: also take files whose content is not known beforehand, and files over plain
            http. Their SHA-256 is recorded and holds from then on.
        accept_licence: fetch: the terms of weights without a permissive licence are accepted.
        checkpoint: convert: file to convert; by default the downloaded or bundled weights of the
            model.
        output: convert: file to write, ending in .safetensors.
        half: convert: write float16, which halves the file size.

    Returns:
        0, 1 if the weights could not be downloaded, read or removed, 2 for wrong usage.
    """
    given = {
        "--trust": trust,
        "--accept-licence": accept_licence,
        "--checkpoint": checkpoint is not None,
        "--output": output is not None,
        "--half": half,
    }
    if idle := [flag for flag, is_given in given.items() if is_given and _OF[flag] != action]:
        return failed(f"weights {action}", f"{idle[0]} belongs to weights {_OF[idle[0]]}", 2)
    if checkpoint is not None and directory is not None:
        return failed("weights convert", "give --checkpoint or --directory, not both", 2)
    if action == "list" and name is not None:
        return failed("weights list", f"it lists all models: leave out {name}", 2)
    if action == "list":
        return _print_table(directory)
    if name is None:
        return failed(f"weights {action}", "the name of a model is missing", 2)

    try:
        systems.card(name)
        if action == "convert":
            return _convert(name, directory, checkpoint, output, half)
        if action == "remove":
            return _remove(name, directory)
        if action == "path":
            print(systems.weights_path(name, directory))
            return 0
        return _fetch(name, directory, trust, accept_licence)
    except KeyError as error:
        return failed("weights", error, 2)
    except (systems.FetchError, OSError) as error:
        return failed("weights", error)


def _fetch(name: str, directory: Path | None, trust: bool, accept_licence: bool) -> int:
    shows_progress = sys.stderr.isatty()
    shown_at = 0.0

    def say(text: str) -> None:
        print(f"\r{text}" if shows_progress else text, file=sys.stderr, flush=True)

    def progress(done: int, total: int | None) -> None:
        nonlocal shown_at
        if done != total and time.monotonic() < shown_at + _PROGRESS_S:
            return
        shown_at = time.monotonic()
        of_all = f" of {total / 1e6:.1f}" if total else ""
        end = "\n" if done == total else ""
        print(f"\r  {done / 1e6:.1f}{of_all} MB", end=end, file=sys.stderr, flush=True)

    path = systems.fetch(
        name,
        directory,
        trust=trust,
        accept_licence=accept_licence,
        say=say,
        progress=progress if shows_progress else None,
    )
    print(path)
    return 0


def _remove(name: str, directory: Path | None) -> int:
    from ..systems.weights import remove

    removed = remove(name, directory)
    folder = directory or systems.weights_folder()
    for path in removed:
        print(f"removed {path}")
    if not removed:
        print(f"no weights of {name} in {folder}")
        return 0
    file_name = systems.card(name).file_name
    sharing = [m.name for m in systems.models() if m.file_name == file_name and m.name != name]
    if sharing:
        print(f"{', '.join(sharing)} used the same weights")
    return 0


def _convert(
    name: str, directory: Path | None, checkpoint: Path | None, output: Path | None, half: bool
) -> int:
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
        source = find_weights(name, directory) if checkpoint is None else checkpoint
        network = load_network(name, source)
        metadata = read_metadata(source)  # options of training and inference
        with replacing(output) as path:
            save_network(network, path, dtype=torch.float16 if half else None, metadata=metadata)
    except (CheckpointError, OSError) as error:
        return failed("weights", error)
    print(f"{output.stat().st_size / 1e6:.1f} MB: {output}")
    return 0


def _print_table(directory: Path | None) -> int:
    table = plain_table()
    table.add_column("model", no_wrap=True)
    for column in ("here", "file", "to get it"):
        table.add_column(column, overflow="fold")
    try:
        for model in systems.models():
            path = systems.weights_path(model.name, directory)
            table.add_row(model.name, _here(path), path.name, _way(model, directory))
    except systems.FetchError as error:
        return failed("weights list", error)
    console = table_console(160)
    console.print(table)
    folder = directory or systems.weights_folder()
    console.print(f"folder: {folder}", highlight=False, soft_wrap=True)
    return 0


def _here(path: Path) -> str:
    """Size of the weights, or of what an unfinished download left."""
    from ..systems.weights import size_of, unfinished

    if path.exists():
        return f"{size_of(path) / 1e6:.1f} MB"
    left = size_of(unfinished(path))
    return f"unfinished, {left / 1e6:.1f} MB" if left else "-"


def _way(model: systems.ModelCard, directory: Path | None) -> str:
    from ..systems.weights import fetch_flags

    if model.embedded:
        return "in the package"
    if model.can_be_fetched:
        return f"fetch {fetch_flags(model, directory)}".rstrip()
    return "by hand" if model.home_page else "-"
