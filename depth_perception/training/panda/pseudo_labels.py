"""Pseudo labels: predictions of a trained teacher for images without range, written once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...io.atomic import replacing
from ...systems import load_network
from ..module import Track, untracked
from ..networks import known_card
from ..strict_mapping import RecipeError
from .frames import normalise, resized_image
from .student_data import LabelledImages

_NOTE = "teacher.json"


@dataclass(frozen=True)
class TeacherRecipe:
    """The teacher that makes missing pseudo labels.

    Attributes:
        name, checkpoint: of the teacher, a model whose output grows with range.
        height: of its input image; in the paper twice that of the training.
    """

    name: str
    checkpoint: str
    height: int = 1008

    def __post_init__(self) -> None:
        if self.height < 14 or self.height % 14:
            raise ValueError(f"height must be a multiple of 14, got {self.height}")


def write_pseudo_labels(
    teacher: TeacherRecipe,
    images: LabelledImages,
    folders: Iterable[Path],
    track: Track = untracked,
) -> int:
    """Write the missing labels and return their number.

    A label is float32 in (0, 1), larger is farther, at the size of the teacher input. Each folder
    of labels gets a note on the teacher, so that labels of two teachers are not mixed.

    Args:
        folders: of the labels.

    Raises:
        RecipeError: no such teacher, or one without range; or a folder has the labels of another
            teacher.
        CheckpointError: the checkpoint does not fit.
    """
    if known_card(teacher.name, "teacher.name").camera != "equirectangular":
        raise RecipeError(f"teacher.name: {teacher.name} is not a model for panoramas")
    network = load_network(teacher.name, teacher.checkpoint)
    with open(teacher.checkpoint, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    note = {"teacher": teacher.name, "sha256": digest, "height": teacher.height}
    for folder in folders:
        _sign(folder, note)
    todo = [i for i in range(len(images)) if not images.label_path(i).is_file()]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    for place in track(range(len(todo)), "writing pseudo labels"):
        rgb = resized_image(images.image(todo[place]), teacher.height)
        with torch.no_grad():
            values = network(normalise(rgb[None].to(device)))[0, 0] / network.max_depth
        path = images.label_path(todo[place])
        with replacing(path) as part, part.open("wb") as out:
            np.save(out, values.float().cpu().numpy())
    return len(todo)


def _sign(folder: Path, note: dict[str, object]) -> None:
    path = folder / _NOTE
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found != note:
            raise RecipeError(
                f"data.unlabelled: {folder} holds labels of {found}, not of {note}: give another "
                "folder"
            )
        return
    with replacing(path) as part:
        part.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
