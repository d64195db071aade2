"""PanopticDepth from a picture to a prediction with segments."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.panopticdepth_reference import case

import depth_perception as dp
from depth_perception.geometry.segment_boxes import segment_boxes
from depth_perception.systems import (
    PanopticDepthEstimator,
    PanopticDepthOptions,
    card,
    load_network,
    save_network,
)
from depth_perception.systems.panopticdepth.config import (
    CITYSCAPES_FOCAL_PX,
    PANOPTICDEPTH_TINY,
    PanopticLimits,
)
from depth_perception.systems.panopticdepth.network import PanopticDepth

MODEL = "panopticdepth-tiny"
GOLDEN = case("infer-tiny-dps")
CAMERA = dp.Pinhole(128, 256, 200.0, 200.0, 128.0, 64.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("panopticdepth") / "model_final.pth"
    torch.save({"model": GOLDEN.state(), "iteration": 9999}, path)
    return path


@pytest.fixture(scope="module")
def estimator(checkpoint: Path) -> PanopticDepthEstimator:
    return dp.load(MODEL, checkpoint, "cpu", reference_focal_px=0.0)


@pytest.fixture(scope="module")
def prediction(estimator: PanopticDepthEstimator) -> dp.Prediction:
    return estimator(GOLDEN.image, CAMERA)


def test_prediction_equals_the_original(prediction: dp.Prediction) -> None:
    expected = GOLDEN["panoptic_id"]
    same = prediction.segments == expected.clamp(min=0)
    assert same.float().mean() >= 0.999
    GOLDEN.assert_close(prediction.values, "depth", where=same)
    assert prediction.is_metric
    assert prediction.kind is dp.DepthKind.Z
    assert prediction.camera == CAMERA
    prediction.values.add_(0)  # no tensor of inference mode
    prediction.segments.add_(0)


def test_instances_say_what_the_map_holds(prediction: dp.Prediction) -> None:
    classes = GOLDEN["semantic"]
    ids = {instance.id for instance in prediction.instances}
    assert ids == set(prediction.segments.unique().tolist()) - {0}
    assert len(ids) == len(prediction.instances) > 3
    assert {instance.is_thing for instance in prediction.instances} == {True, False}
    names = PanopticDepth(dataclasses.replace(PANOPTICDEPTH_TINY, depth=False)).config.classes
    for instance in prediction.instances:
        mask = prediction.segments == instance.id
        left, top, right, bottom = instance.box
        assert torch.equal(mask[top:bottom, left:right], instance.mask)
        assert instance.mask.sum() == mask.sum()
        for border in (instance.mask[0], instance.mask[-1]):
            assert border.any()
        for border in (instance.mask[:, 0], instance.mask[:, -1]):
            assert border.any()
        found = classes[mask]
        assert (found == instance.class_id).float().mean() > 0.95
        assert instance.label == names[instance.class_id].name
        assert instance.is_thing == (instance.class_id >= 11)
        assert 0 < instance.score <= 1
    sky = {instance.id for instance in prediction.instances if instance.label == "sky"}
    in_sky = torch.isin(prediction.segments, torch.tensor(sorted(sky), dtype=torch.int32))
    assert not prediction.valid[in_sky].any()
    assert prediction.valid[~in_sky & (prediction.values > 0)].all()


def test_plain_and_lean_are_one(
    estimator: PanopticDepthEstimator, prediction: dp.Prediction
) -> None:
    plain = estimator.with_options(lean=False)(GOLDEN.image, CAMERA)
    assert torch.equal(plain.segments, prediction.segments)
    torch.testing.assert_close(plain.values, prediction.values, atol=2e-4, rtol=1e-5)


def test_batches_and_other_sizes(estimator: PanopticDepthEstimator) -> None:
    small = estimator.with_options(height=64, output_size="input")
    images = [GOLDEN.image, GOLDEN.image[::-1], np.zeros_like(GOLDEN.image)]
    together = small.batch(images, [CAMERA] * 3)
    for image, one in zip(images, together, strict=True):
        alone = small(image, CAMERA)
        assert one.values.shape == one.segments.shape == (128, 256)
        assert (one.segments == alone.segments).float().mean() > 0.99
    network = small.with_options(output_size="network")(GOLDEN.image, CAMERA)
    assert network.values.shape == (64, 128)
    assert network.camera == CAMERA.resize(64, 128)
    assert small.input_size(dp.Pinhole.from_fov(100, 90, 1.0)) == (71, 64)
    odd = small.with_options(height=None)(GOLDEN.image[:45, :77])
    assert odd.values.shape == (45, 77)
    estimator.warm_up(32, 64)


def test_half_precision_finds_nearly_the_same(checkpoint: Path, prediction: dp.Prediction) -> None:
    half = dp.load(MODEL, checkpoint, "cpu", precision="float16", reference_focal_px=0.0)
    found = half(GOLDEN.image, CAMERA)
    same = found.segments == prediction.segments
    assert same.float().mean() > 0.95
    assert found.values.dtype == torch.float32
    difference = (found.values - prediction.values)[same].abs()
    assert difference.median() < 0.5  # random weights answer with 0.2 m over a range of 88 m


def test_nothing_found_is_a_prediction(estimator: PanopticDepthEstimator) -> None:
    strict = PanopticLimits(combine_score=1.0, stuff_area_px=10**9)
    found = estimator.with_options(limits=strict)(GOLDEN.image, CAMERA)
    assert found.instances == ()
    assert (found.segments == 0).all()
    assert not found.valid.any()


def test_classes_may_be_dropped(
    estimator: PanopticDepthEstimator, prediction: dp.Prediction
) -> None:
    label = next(i.label for i in prediction.instances if not i.is_thing)
    found = estimator.with_options(drop=(label,), without_depth=())(GOLDEN.image, CAMERA)
    assert label not in {instance.label for instance in found.instances}
    assert len(found.instances) == len(prediction.instances) - 1
    assert (found.segments == 0).any()
    assert found.valid[found.segments == 0].any()


def test_focal_length_scales_depth(
    estimator: PanopticDepthEstimator, prediction: dp.Prediction
) -> None:
    for reference, factor in ((100.0, 2.0), (None, 200.0 / card(MODEL).reference_focal_px)):
        corrected = estimator.with_options(reference_focal_px=reference)
        found = corrected(GOLDEN.image, CAMERA).values
        torch.testing.assert_close(found, factor * prediction.values)
    torch.testing.assert_close(corrected(GOLDEN.image).values, prediction.values)
    corrected = estimator.with_options(reference_focal_px=100.0)
    with pytest.raises(ValueError, match="needs the camera"):
        corrected(GOLDEN.image)


def test_the_card_knows_the_camera_of_the_training(
    estimator: PanopticDepthEstimator, prediction: dp.Prediction
) -> None:
    known = replace(estimator.card, reference_focal_px=400.0)
    plain = PanopticDepthEstimator(known, estimator.network)
    torch.testing.assert_close(plain(GOLDEN.image, CAMERA).values, prediction.values / 2)
    torch.testing.assert_close(plain(GOLDEN.image).values, prediction.values)  # no camera
    left = plain.with_options(reference_focal_px=0.0)
    torch.testing.assert_close(left(GOLDEN.image, CAMERA).values, prediction.values)
    assert card("panopticdepth-r50").reference_focal_px == CITYSCAPES_FOCAL_PX


def test_a_model_without_depth_has_segments_alone() -> None:
    golden = case("infer-tiny-ps-pad")
    network = PanopticDepth(dataclasses.replace(PANOPTICDEPTH_TINY, depth=False))
    state = golden.state()
    network.load_state_dict({n: state[o] for n, o in network.official_names().items()})
    estimator = PanopticDepthEstimator(card("panopticdepth-r50-seg"), network)
    found = estimator(golden.image)
    assert found.values.isnan().all()
    assert not found.valid.any()
    assert len(found.instances) >= 3


def test_wrong_options_are_named(estimator: PanopticDepthEstimator) -> None:
    with pytest.raises(ValueError, match="banana"):
        estimator.with_options(drop=("banana",))
    with pytest.raises(TypeError, match="drop"):
        PanopticDepthOptions(drop="sky")
    with pytest.raises(ValueError, match="flip"):
        PanopticDepthOptions(flip=True)
    with pytest.raises(ValueError, match="reference_focal_px"):
        PanopticDepthOptions(reference_focal_px=-1.0)
    with pytest.raises(ValueError, match="seam"):
        estimator.with_options(seam="blend")


def test_weights_may_bring_their_limits(checkpoint: Path, tmp_path: Path) -> None:
    stored = tmp_path / "stored.safetensors"
    options = {"height": 32, "limits": {"stuff_area_px": 7}}
    header = {"model": MODEL, "options": json.dumps(options)}
    save_network(load_network(MODEL, checkpoint), stored, metadata=header)
    found = dp.load(MODEL, stored, "cpu").options
    assert (found.height, found.limits) == (32, PanopticLimits(stuff_area_px=7))
    with pytest.raises(TypeError, match="banana"):
        PanopticDepthOptions(limits={"banana": 1})


def test_boxes_of_segments() -> None:
    segments = torch.zeros((5, 6), dtype=torch.int32)
    segments[1:3, 2] = 7
    segments[4, 5] = 3
    segments[0, 0] = 9
    assert segment_boxes(segments, [3, 7]) == [(5, 4, 6, 5), (2, 1, 3, 3)]
    assert segment_boxes(segments, []) == []
