"""The folder of a training run: what a run writes there, and what protects another run."""

from __future__ import annotations

import shutil
from pathlib import Path

EVENTS = "events"  # folder of TensorBoard events in that of a run
WEIGHTS_OF_A_RUN = ("best.safetensors", "last.safetensors")
_FILES_OF_A_RUN = ("last.ckpt", "history.jsonl", *WEIGHTS_OF_A_RUN, "best.md", "last.md")


class RunExistsError(FileExistsError):
    """A folder holds another run already."""


def check_folder(folder: Path, *, resume: bool = False, overwrite: bool = False) -> None:
    """Check the folder of a run before anything is computed for it.

    Args:
        folder: made by the run where it does not exist.
        resume: the run continues from ``last.ckpt``.
        overwrite: another run may be in the folder.

    Raises:
        FileNotFoundError: there is nothing to resume from.
        RunExistsError: there is another run and neither ``resume`` nor ``overwrite``.
    """
    checkpoint = folder / "last.ckpt"
    if resume and not checkpoint.is_file():
        raise FileNotFoundError(f"nothing to resume from: {checkpoint} does not exist")
    files = [name for name in _FILES_OF_A_RUN if (folder / name).exists()]
    if files and not (resume or overwrite):
        first = "continue it with --resume, c" if checkpoint.is_file() else "without a state, c"
        raise RunExistsError(
            f"{folder} holds a run ({', '.join(files)}): {first}hoose another folder with --out, "
            "or replace it with --overwrite"
        )


def clear_folder(folder: Path) -> None:
    """Remove a run: its state, weights, cards, history and events, and nothing else."""
    for name in _FILES_OF_A_RUN:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / EVENTS, ignore_errors=True)
