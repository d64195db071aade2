"""What a Prediction promises about its numbers."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception import (
    AffineInvariantError,
    DepthKind,
    DepthSpace,
    Equirectangular,
    Instance,
    Pinhole,
    Prediction,
    ScaleKind,
)

CAMERA = Pinhole.from_fov(4, 6, 1.0)


def predict(values: torch.Tensor, **changes: object) -> Prediction:
    fields = {
        "values": values,
        "valid": torch.ones(values.shape, dtype=torch.bool),
        "camera": CAMERA,
        "kind": DepthKind.Z,
        "space": DepthSpace.DEPTH,
        "scale": ScaleKind.METRIC,
    }
    return Prediction(**{**fields, **changes})


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (DepthSpace.DEPTH, 0.5),
        (DepthSpace.INVERSE_DEPTH, 2.0),
        (DepthSpace.LOG_DEPTH, math.exp(0.5)),
    ],
)
def test_depth_leaves_its_space(space: DepthSpace, expected: float) -> None:
    depth = predict(torch.full((4, 6), 0.5), space=space).depth
    torch.testing.assert_close(depth, torch.full((4, 6), expected))


def test_affine_invariant_values_refuse_depth_and_points() -> None:
    prediction = predict(torch.rand(4, 6) + 1, scale=ScaleKind.AFFINE_INVARIANT)
    with pytest.raises(AffineInvariantError, match=r"prediction\.values"):
        _ = prediction.depth
    with pytest.raises(AffineInvariantError, match="bend"):
        prediction.points()
    assert torch.isfinite(prediction.points(allow_affine=True)).all()


def test_points_of_z_depth_have_that_z() -> None:
    values = torch.rand(4, 6) + 1
    torch.testing.assert_close(predict(values).points()[..., 2], values)


def test_points_of_range_have_that_norm() -> None:
    camera = Equirectangular(4, 8)
    values = torch.rand(4, 8) + 1
    valid = torch.ones(4, 8, dtype=torch.bool)
    points = predict(values, camera=camera, valid=valid, kind=DepthKind.RANGE).points()
    torch.testing.assert_close(points.norm(dim=-1), values)


def test_invalid_and_impossible_pixels_have_no_point() -> None:
    values = torch.ones(4, 6)
    values[0, 0], values[0, 1], values[0, 2] = math.nan, math.inf, -1.0
    valid = torch.ones(4, 6, dtype=torch.bool)
    valid[0, 3] = False
    prediction = predict(values, valid=valid)
    assert not prediction.valid[0, [0, 1, 3]].any()
    assert prediction.valid[0, 2]
    assert torch.isnan(prediction.points()[0, :4]).all()
    assert torch.isfinite(prediction.points()[1:]).all()


@pytest.mark.parametrize("shape", [(4, 5), (6, 4)])
def test_values_must_fit_the_camera(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="grid of the camera"):
        predict(torch.ones(shape))


def test_dtypes_are_checked() -> None:
    with pytest.raises(TypeError, match="float32"):
        predict(torch.ones(4, 6, dtype=torch.float64))
    with pytest.raises(TypeError, match="bool"):
        predict(torch.ones(4, 6), valid=torch.ones(4, 6))


def test_instance_mask_must_fill_its_box() -> None:
    with pytest.raises(ValueError, match="box"):
        Instance(1, 0, "chair", 0.9, True, (0, 0, 3, 2), torch.ones(3, 2, dtype=torch.bool))
    segment = Instance(1, 0, "chair", 0.9, True, (0, 0, 3, 2), torch.ones(2, 3, dtype=torch.bool))
    moved = predict(torch.ones(4, 6), instances=(segment,)).to("meta")
    assert moved.values.is_meta
    assert moved.instances[0].mask.is_meta


def test_boxes_lie_in_the_image_and_may_cross_the_border_of_a_full_turn() -> None:
    def segment(box: tuple[int, int, int, int]) -> Instance:
        mask = torch.ones((box[3] - box[1], box[2] - box[0]), dtype=torch.bool)
        return Instance(1, 0, "car", 0.9, True, box, mask)

    with pytest.raises(ValueError, match="0 <= left < right"):
        Instance(1, 0, "car", 0.9, True, (3, 0, 3, 2), torch.ones(2, 0, dtype=torch.bool))
    with pytest.raises(ValueError, match="0 <= left < right"):
        segment((-1, 0, 2, 2))
    for box in ((4, 0, 7, 2), (0, 3, 2, 5), (6, 0, 7, 1)):
        with pytest.raises(ValueError, match="leaves the 6 x 4 image"):
            predict(torch.ones(4, 6), instances=(segment(box),))
    around = {"camera": Equirectangular(4, 8), "kind": DepthKind.RANGE}
    for box in ((6, 0, 11, 2), (7, 0, 15, 4), (0, 0, 8, 4)):
        assert predict(torch.ones(4, 8), instances=(segment(box),), **around).instances
    for box in ((8, 0, 9, 2), (3, 0, 12, 2)):
        with pytest.raises(ValueError, match="may cross the right border"):
            predict(torch.ones(4, 8), instances=(segment(box),), **around)
    part = Equirectangular.partial(4, 8, 3.0, 1.0)
    with pytest.raises(ValueError, match=r"leaves the 8 x 4 image$"):
        predict(torch.ones(4, 8), instances=(segment((6, 0, 11, 2)),), **{**around, "camera": part})


def test_segments_belong_to_the_grid_and_have_statistics() -> None:
    depth = torch.full((4, 6), 2.0)
    segments = torch.ones((4, 6), dtype=torch.int32)
    segments[:, 3:] = 7
    mask = torch.ones((4, 3), dtype=torch.bool)
    instance = Instance(7, 2, "car", 0.5, True, (3, 0, 6, 4), mask)
    prediction = predict(depth, segments=segments, instances=(instance,))
    found = prediction.to("cpu").segment_statistics()
    assert found.count.tolist() == [12]
    assert found.median.tolist() == [2.0]
    torch.testing.assert_close(found.centroid[0], prediction.points()[:, 3:].mean((0, 1)))
    with pytest.raises(ValueError, match="panoptic model"):
        predict(depth).segment_statistics()
    for wrong in (segments[:2], segments.long()):
        with pytest.raises(ValueError, match="segments must be int32"):
            predict(depth, segments=wrong)
