"""The three stages of PanopticDepth on synthetic streets in the layout of Cityscapes-DVPS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from depth_perception.data.dvps import street_sequences, write_cityscapes_dvps
from depth_perception.geometry import Pinhole
from depth_perception.systems.checkpoints import CheckpointError
from depth_perception.training.panopticdepth.targets import GroundTruth
from depth_perception.training.panopticdepth.task import PanopticDepthRecipe, prepare, stacked
from depth_perception.training.recipe import load_recipe
from depth_perception.training.run import train
from depth_perception.training.stream import Draw, seeded
from depth_perception.training.strict_mapping import RecipeError

STAGES = ("panopticdepth-panoptic", "panopticdepth-full-scale", "panopticdepth-depth")
CAMERA = Pinhole(128, 256, fx=200.0, fy=200.0, cx=128.0, cy=64.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("video_sequence")
    for split, seeds in (("train", (3, 5)), ("val", (3,))):
        write_cityscapes_dvps(folder, split, street_sequences(seeds, CAMERA, frames=1))
    return folder


def small(stage: str, root: Path, *overrides: str) -> PanopticDepthRecipe:
    """A packaged recipe on the narrow network and synthetic streets."""
    data = {name: {"kind": "cityscapes-dvps", "root": str(root), "split": name} for name in SPLITS}
    plan = [
        "model.name=panopticdepth-tiny",
        "model.imagenet=null",
        "model.checkpoint=null",
        "model.segmentation=null",
        f"model.depth={'true' if stage.endswith('-depth') else 'false'}",
        *(f"data.{name}={json.dumps(entry)}" for name, entry in data.items()),
        "data.augment={short_sides: [128], crop: [128, 256]}",
        "limits.stuff_area_px=64",
        "losses.positions=2",  # the coarsest level of such small pictures has no more
        *("run.steps=1", "run.batch=1", "run.val_every=1", "run.loaders=0", "run.val_frames=1"),
    ]
    return load_recipe(stage, [*plan, *overrides])


SPLITS = ("train", "val")


def test_three_stages_go_on_from_each_other(root: Path, tmp_path: Path) -> None:
    files = {"panopticdepth-full-scale": "checkpoint", "panopticdepth-depth": "segmentation"}
    before: Path | None = None
    for stage in STAGES:
        start = [] if before is None else [f"model.{files[stage]}={before}"]
        prepared = prepare(small(stage, root, *start))
        folder = tmp_path / stage
        train(prepared.training, prepared.data, folder, device="cpu")
        before = folder / "last.safetensors"
        assert before.is_file()
        numbers = json.loads((folder / "history.jsonl").read_text().splitlines()[-1])
        assert {"val/pq", "val/pq_all"} <= set(numbers)
        assert ("val/dpq" in numbers) == (stage == STAGES[-1])
    again = prepare(small(STAGES[-1], root, f"model.checkpoint={before}"))
    trained = [name for name, p in again.training.network.named_parameters() if p.requires_grad]
    assert not any(name.startswith(("backbone.stem", "backbone.stages.0")) for name in trained)


def test_a_batch_depends_on_its_draw_only(root: Path) -> None:
    data = prepare(small(STAGES[2], root)).data
    first, again = (data.batch(Draw(3, 0.0, (1, 0), (seeded(1), seeded(2)))) for _ in range(2))
    assert len(first) == 2
    for a, b in zip(first.images, again.images, strict=True):
        assert torch.equal(a, b)
    truth = GroundTruth(*first.to(torch.device("cpu")).ground_truths[0])
    assert truth.masks.shape[0] == len(truth.labels) == len(truth.boxes)
    assert stacked([first.images[0], first.images[1][:, :100, :150]]).shape == (2, 3, 128, 256)


def test_bad_recipes_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is not trained by task panopticdepth"):
        prepare(small(STAGES[0], root, "model.name=panda-tiny"))
    with pytest.raises(RecipeError, match="needs a depth branch"):
        prepare(small(STAGES[0], root, "run.metric=dpq"))
    with pytest.raises(RecipeError, match="at most"):
        small(STAGES[0], root, "model.checkpoint=a", "model.imagenet=b")
    with pytest.raises(FileNotFoundError, match="no frames"):
        prepare(small(STAGES[0], root, "data.train.split=nowhere"))
    with pytest.raises(CheckpointError):
        prepare(small(STAGES[1], root, f"model.checkpoint={tmp_path / 'nothing.pth'}"))


def test_offsets_may_be_held_still(root: Path) -> None:
    training = prepare(small(STAGES[2], root, "model.still=true")).training
    layers = training.network.mask_encoder.stack
    assert all(layer.is_still for layer in layers)
    assert not any(p.requires_grad for layer in layers for p in layer.offsets.parameters())
    assert not any(
        x.is_still for x in prepare(small(STAGES[2], root)).training.network.mask_encoder.stack
    )
