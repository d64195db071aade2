"""The chain in small: teacher, student on another look of the worlds, metres."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import depth_perception as dp
from depth_perception.data.worlds import FolderOptions, WorldFolder, write_folder
from depth_perception.geometry import Equirectangular
from depth_perception.systems import load_network, weights_path
from depth_perception.training.panda.frames import normalise
from depth_perception.training.panda.student_task import StudentRecipe
from depth_perception.training.panda.task import trainable_network
from depth_perception.training.recipe import load_recipe, task_module
from depth_perception.training.run import train
from depth_perception.training.stream import Draw, seeded

HEIGHT = 28


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames of a room, as usual and of the wild look."""
    root = tmp_path_factory.mktemp("chain")
    for look in ("usual", "wild"):
        options = FolderOptions("room", look=look)
        list(write_folder(root / look, [5], Equirectangular(HEIGHT, 2 * HEIGHT), options))
    return root


def stage(name: str, root: Path, start: Path, *overrides: str) -> StudentRecipe:
    return load_recipe(
        f"panda-tiny-{name}",
        [
            f"data.root={root}/usual", f"data.val_root={root}/wild",
            f"data.sizes=[{{start: 0, height: {HEIGHT}}}]", f"model.checkpoint={start}",
            "run.steps=2", "run.batch=2", "run.val_every=2", "run.val_frames=2",
            "run.save_every=2", *overrides,
        ],
    )  # fmt: skip


def trained(recipe: StudentRecipe, out: Path) -> Path:
    training, data = task_module(recipe.task).prepare(recipe)
    train(training, data, out, device="cpu")
    last = json.loads((out / "history.jsonl").read_text().splitlines()[-1])
    assert 0 < last["val/abs_rel"] < 10
    return out / "last.safetensors"


def test_each_stage_starts_from_the_one_before(root: Path, tmp_path: Path) -> None:
    teacher = trained(stage("teacher", root, weights_path("panda-tiny-metric")), tmp_path / "t")
    labels = tmp_path / "labels"
    recipe = stage(
        "student", root, teacher, f"teacher.checkpoint={teacher}", f"teacher.height={HEIGHT}",
        f"data.unlabelled=[{{kind: worlds, root: {root}/wild, labels: {labels}}}]",
    )  # fmt: skip
    student = trained(recipe, tmp_path / "s")

    pictures = WorldFolder(root / "wild")
    assert len(list(labels.rglob("*.npy"))) == len(pictures) == 2
    said = np.load(labels / "frames" / f"{pictures[1].name}_rgb.npy")
    with torch.no_grad():
        network = load_network("panda-tiny-relative", teacher)
        expected = network(normalise(pictures[1].rgb[None].float() / 255))[0, 0]
    torch.testing.assert_close(torch.from_numpy(said), expected)

    _, data = task_module("panda-student").prepare(recipe)
    batch = data.batch(Draw(0, 0.0, (0, 1), (seeded(1), seeded(2))))
    raw = torch.stack([pictures[index].rgb for index in range(2)]).float() / 255
    assert torch.equal(batch.raw, normalise(raw))
    assert batch.pseudo_mask.all()
    assert batch.mask.all()

    recipe = stage("metres", root, student)
    start = trainable_network(recipe).state_dict()
    assert all(torch.equal(v, start[k]) for k, v in _state("panda-tiny-relative", student).items())
    before = _state("panda-tiny-relative", teacher)
    assert not all(torch.equal(value, start[name]) for name, value in before.items())
    metres = trained(recipe, tmp_path / "m")
    estimator = dp.load("panda-tiny-metric", metres, "cpu", output_size="input")
    assert estimator.options.height == HEIGHT  # the weights remember it
    assert estimator(np.zeros((28, 56, 3), np.uint8)).values.max() <= 20


def _state(name: str, path: Path) -> dict[str, torch.Tensor]:
    return load_network(name, path).state_dict()
