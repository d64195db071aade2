"""EoMT: files, limits, sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bright_segments import BRIGHT, DARK, bright_eomt
from golden.cases import FOLDER, cases
from golden.fill import fill_manifest, load_manifest

import depth_perception as dp
from depth_perception.segment_classes import COCO_PANOPTIC
from depth_perception.systems import CheckpointError, build_network, card, load_network
from depth_perception.systems.eomt.config import EomtLimits
from depth_perception.systems.eomt.estimator import EomtEstimator
from depth_perception.systems.eomt.options import EomtOptions
from depth_perception.systems.eomt.segments import Candidates, panoptic_map

WHOLE = EomtOptions(output_size="input")
MANIFESTS = {
    "eomt-small": "eomt_small_640",
    "eomt-large": "eomt_large_640",
    "eomt-tiny": "eomt_tiny_run_160x160",
}
CONSTANTS = {
    "network.attn_mask_probs": torch.zeros(2),
    "network.encoder.pixel_mean": torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1),
    "network.encoder.pixel_std": torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1),
    "criterion.empty_weight": torch.ones(134),
}


def manifest(name: str) -> dict[str, list]:
    return load_manifest(FOLDER / "eomt" / f"manifest-{MANIFESTS[name]}.json")


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return fill_manifest(manifest("eomt-tiny"), 0) | CONSTANTS


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_parameter_has_its_official_name_and_shape(name: str) -> None:
    with torch.device("meta"):
        network = build_network(name)
    names = network.official_names()
    ours = {names[key]: list(value.shape) for key, value in network.state_dict().items()}
    assert ours == {key: shape for key, (shape, _) in manifest(name).items()}
    assert sum(p.numel() for p in network.parameters()) == card(name).parameters


@pytest.mark.parametrize("wrapping", ["flat", "lightning", "compiled"])
def test_official_files_load(wrapping: str, state: dict, tmp_path: Path) -> None:
    content = {
        "flat": state,
        "lightning": {"state_dict": state, "epoch": 3},
        "compiled": {name.replace("network.", "network._orig_mod.", 1): v
                     for name, v in state.items()},
    }[wrapping]  # fmt: skip
    torch.save(content, tmp_path / "pytorch_model.bin")
    network = load_network("eomt-tiny", tmp_path / "pytorch_model.bin")
    assert torch.equal(network.q.weight, state["network.q.weight"])


def test_other_files_are_refused_with_the_differing_names(state: dict, tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    value = state.pop("network.q.weight")
    torch.save({**state, "network.queries.weight": value}, path)
    with pytest.raises(CheckpointError) as caught:
        load_network("eomt-tiny", path)
    assert caught.value.missing == ("network.q.weight",)
    assert caught.value.unexpected == ("network.queries.weight",)
    table = "network.encoder.backbone.pos_embed"
    torch.save({**state, "network.q.weight": value, table: torch.zeros(1, 400, 64)}, path)
    with pytest.raises(CheckpointError, match=r"pos_embed \(1, 400, 64\) in the file"):
        load_network("eomt-tiny", path)
    torch.save({**state, "network.encoder.pixel_mean": torch.zeros(1, 3, 1, 1)}, path)
    with pytest.raises(CheckpointError, match="pixel_mean"):
        load_network("eomt-tiny", path)
    torch.save({"model.embeddings.cls_token": torch.zeros(1, 1, 64)}, path)
    with pytest.raises(CheckpointError, match="Transformers library"):
        load_network("eomt-tiny", path)


def test_estimator_equals_the_original() -> None:
    (case,) = cases("eomt", "run_tiny_photo")
    network = build_network("eomt-tiny")
    state, names = case.state(), network.official_names()
    network.load_state_dict({ours: state[theirs] for ours, theirs in names.items()})
    estimator = EomtEstimator(card("eomt-tiny"), network.eval(), options=WHOLE)
    found = estimator(case["image"])
    # the original resizes by Pillow, which differs by a grey level
    agree = (found.segments == case["segment_map"] + 1) | ~case["stable"]
    assert agree.float().mean() > 0.99
    classes = [entry.class_id for entry in found.instances]
    assert classes == case["segments"][:, 1].tolist()
    assert all(0.8 < entry.score <= 1 for entry in found.instances)


def test_images_of_any_shape_keep_their_place() -> None:
    estimator = EomtEstimator(card("eomt-tiny"), bright_eomt(), options=WHOLE)
    for height, width in ((160, 160), (40, 200), (300, 90)):
        image = np.full((height, width, 3), 30, np.uint8)
        image[height // 4 : height // 2, width // 4 : width // 2] = 255
        found = estimator(image)
        assert {i.label for i in found.instances} == {BRIGHT, DARK}
        (box,) = (i.box for i in found.instances if i.label == BRIGHT)
        expected = (width // 4, height // 4, width // 2, height // 2)
        assert max(abs(a - b) for a, b in zip(box, expected, strict=True)) <= max(image.shape) / 20


def test_limits_choose_the_segments() -> None:
    masks = torch.full((2, 8, 8), -9.0)
    masks[0, :4], masks[1, 4:, :2] = 9.0, 9.0
    stuff = next(i for i, entry in enumerate(COCO_PANOPTIC) if not entry.is_thing)
    found = Candidates(masks, torch.tensor([0.9, 0.9]), torch.tensor([0, stuff]))
    ids, segments = panoptic_map(found, COCO_PANOPTIC, EomtLimits())
    assert [entry.class_id for entry in segments] == [0, stuff]
    limits = EomtLimits().changed(None, 9)
    ids, segments = panoptic_map(found, COCO_PANOPTIC, limits)
    assert [entry.class_id for entry in segments] == [0]
    assert set(ids.unique().tolist()) == {0, 1}
    with pytest.raises(ValueError, match=r"score must lie in \[0, 1\]"):
        EomtLimits(score=1.5)
    assert EomtLimits().changed(0.5, None) == EomtLimits(score=0.5)


def test_options_that_it_does_not_have_are_rejected() -> None:
    with pytest.raises(ValueError, match="height=320 is not an option"):
        dp.load("eomt-tiny", "none.bin", "cpu", height=320)


def test_classes_are_told_apart() -> None:
    assert (len(COCO_PANOPTIC), sum(entry.is_thing for entry in COCO_PANOPTIC)) == (133, 80)
    assert len({entry.colour for entry in COCO_PANOPTIC}) == 133
    assert len({entry.name for entry in COCO_PANOPTIC}) == 133
