"""Weights and recipes of version 0.1 still load, and its weights give the same depth.

test/data/v0.1 was made with the code of that version: weights/TASK.safetensors.xz are small models
after four steps of training, of which most values were set to zero to keep the files small;
weights/TASK.npz is what they predicted for :func:`image`. recipes/ are the recipes of then.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.cases import Case, cases
from golden.fill import noise_image
from golden.kinds.ppd import parameters

import depth_perception as dp
from depth_perception.training.recipe import load_recipe, packaged_recipes, tasks

FORMER = Path(__file__).parent / "data" / "v0.1"
RECIPES = sorted((FORMER / "recipes").glob("*.yaml"))
MODELS = {
    "omnidepth": "omnidepth-rectnet-tiny",
    "panoptic": "panopticdepth-tiny",
    "ppd": "ppd-tiny",
    "range": "panda-tiny",
    "scaledepth": "scaledepth-tiny",
    "stereo": "blindspot-tiny",
    "student": "panda-tiny",
}
TASKS = {"range": "panda", "student": "panda-student", "stereo": "blindspot",
         "panoptic": "panopticdepth"}  # fmt: skip
CLOSE = {"atol": 1e-5, "rtol": 1e-4}  # of other processors; here it is the same to the bit


def image() -> np.ndarray:
    return noise_image(64, 128, 3)


def unpacked(path: Path, folder: Path) -> Path:
    """A file without its compression."""
    file = folder / path.stem
    file.write_bytes(lzma.decompress(path.read_bytes()))
    return file


def semantics(folder: Path) -> Path:
    """The prompting encoder that the weights of Pixel-Perfect Depth were trained with."""
    case: Case
    (case,) = cases("ppd", "moge-tiny-infer")
    content = {"model_config": case.entry["constructor"], "model": parameters(case)}
    torch.save(content, folder / "moge2.pt")
    return folder / "moge2.pt"


@pytest.mark.parametrize("task", MODELS)
def test_weights_give_the_same_depth(task: str, tmp_path: Path) -> None:
    options: dict[str, object] = {}
    if task in ("range", "student"):
        options = {"seam": "off"}  # the default of that version
    if task == "ppd":
        options = {"steps": 2, "num_tokens": 30, "max_pixels": 48 * 64, "align": "none"}
        options["semantics_checkpoint"] = semantics(tmp_path)
    path = unpacked(FORMER / "weights" / f"{task}.safetensors.xz", tmp_path)
    estimator = dp.load(MODELS[task], path, "cpu", **options)
    expected = np.load(FORMER / "weights" / f"{task}.npz")
    if task == "panoptic":  # so short a training finds no segment: the maps of the network
        bgr = torch.from_numpy(image()[..., ::-1].copy()).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            found = estimator.network(bgr - 100)
        maps = {"things": found.things[0], "stuff": found.stuff[0], "depths": found.depths}
        for name, values in {**maps, "masks": found.masks[:, :16]}.items():
            np.testing.assert_allclose(values.numpy(), expected[name], **CLOSE)
        return
    prediction = estimator(image())
    np.testing.assert_allclose(prediction.values.numpy(), expected["values"], **CLOSE)
    valid = np.packbits(prediction.valid.numpy(), axis=-1)
    assert np.array_equal(valid, expected["valid"])
    assert prediction.values.std() > 1e-4, "all alike: nothing was compared"


def test_every_recipe_of_then_is_kept() -> None:
    assert len(RECIPES) == 24
    assert {path.stem for path in RECIPES} <= set(packaged_recipes())
    used = {line for path in RECIPES for line in path.read_text().splitlines()}
    assert {f"task: {name}" for name in TASKS} <= used


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_the_same(path: Path) -> None:
    former = load_recipe(str(path))
    assert former == load_recipe(path.stem)
    assert former.task in tasks()
    assert former.task not in TASKS or former.task in TASKS.values()


@pytest.mark.parametrize(("former", "now"), TASKS.items())
def test_tasks_keep_their_former_names(former: str, now: str) -> None:
    (path, *_) = (p for p in RECIPES if f"task: {former}\n" in p.read_text())
    assert load_recipe(str(path), [f"name={json.dumps('mine')}"]).task == now
