"""The protocol of Pixel-Perfect Depth's five benchmarks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from data.benchmarks.benchmark_samples import write_sample
from golden.ppd_reference import case
from torch import Tensor

from depth_perception.data.benchmarks import BENCHMARKS, kitti
from depth_perception.data.frames import PinholeFrame
from depth_perception.evaluation import pinhole
from depth_perception.evaluation.alignment import Alignment
from depth_perception.evaluation.loop import Sample, Values, evaluate, filled
from depth_perception.evaluation.pinhole import BENCHMARK_PARTS, eth3d_part, kitti_part
from depth_perception.evaluation.plain import predict_values
from depth_perception.evaluation.published import PUBLISHED
from depth_perception.evaluation.relative import RelativeProtocol, predict_log_depth
from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.io.images import write_image
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind


def _frame(depth_m: Tensor, camera: Pinhole | None = None) -> PinholeFrame:
    rgb = torch.zeros(3, *depth_m.shape, dtype=torch.uint8)
    return PinholeFrame(rgb, depth_m, camera, "x.png")


def test_part_of_kitti_matches_the_original(tmp_path: Path) -> None:
    reference = case("data-kitti-crop")
    size = tuple(reference.options["raw_shape"])
    samples = np.random.RandomState(5).randint(0, 23040, size)
    samples = samples * (np.random.RandomState(6).rand(*size) < 0.02)
    cv2.imwrite(str(tmp_path / "depth.png"), samples.astype(np.uint16))
    rows = np.arange(size[0])[:, None, None] % 256
    write_image(tmp_path / "image.png", np.broadcast_to(rows, (*size, 3)).astype(np.uint8))
    (tmp_path / "list.txt").write_text("image.png depth.png 721.5\n")
    part = kitti_part(kitti(tmp_path)[0])
    depth, mask = part.ground_truth, part.mask
    reference.assert_close(torch.tensor(depth.shape), "out_shape")
    reference.assert_close(mask.sum(), "out_valid_count")
    v, u = mask.nonzero().T
    box = torch.stack((v.min(), v.max(), u.min(), u.max()))
    reference.assert_close(box, "out_valid_bbox")
    counted = torch.where(mask, depth, 0)
    reference.assert_close(counted[::7, ::7], "out_depth_every7")
    reference.assert_close(counted.double().sum(), "out_depth_sum")
    assert part.rgb.shape == (3, *depth.shape)
    assert part.rgb[0, :, 0].tolist() == [(375 - 352 + row) % 256 for row in range(352)]
    assert (part.camera.cx, part.camera.cy) == (621 - 13, 187.5 - 23)


def test_small_frames_are_no_kitti() -> None:
    with pytest.raises(ValueError, match="480 x 640 has no crop"):
        kitti_part(_frame(torch.ones(480, 640)))


def test_part_of_eth3d_keeps_depths_and_averages_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinhole, "ETH3D_SIZE", (40, 60))
    height, width = 80, 120
    depth = torch.arange(height * width).reshape(height, width) % 7 * 1.0
    frame = _frame(depth, Pinhole.from_fov(height, width, 1.0))
    frame.rgb[:, ::2] = 100
    part = eth3d_part(frame)
    assert tuple(part.ground_truth.shape) == (40, 60)
    assert torch.equal(part.ground_truth, depth[::2, ::2])
    assert torch.equal(part.mask, part.ground_truth > 0)
    assert part.rgb.unique().tolist() == [50]
    assert part.camera.width == 60
    small = _frame(torch.ones(20, 30))
    assert eth3d_part(small).ground_truth is small.depth_m


@pytest.mark.parametrize(("name", "low"), [("nyu", 0.1), ("scannet", 0.01)])
def test_limits_of_rooms(name: str, low: float) -> None:
    depth = torch.tensor([[0.0, low, 1.5 * low, 9.99, 10.0, 12.0]])
    part = BENCHMARK_PARTS[name](_frame(depth))
    assert part.mask.tolist() == [[False, False, True, True, False, False]]


@pytest.mark.parametrize("name", sorted(set(BENCHMARKS) - {"kitti"}))
def test_what_knows_the_truth_is_perfect(name: str, tmp_path: Path) -> None:
    write_sample(name, tmp_path, Pinhole.from_fov(24, 32, 1.2), kind="room")
    reader = BENCHMARKS[name](tmp_path, None)
    depths = iter([reader[0].depth_m, reader[1].depth_m])

    def knowing(sample: Sample) -> Values:
        assert sample.image.shape == (24, 32, 3)
        return Values((next(depths).log1p() - 0.4) / 1.3, DepthSpace.LOG1P_DEPTH)

    result = evaluate("truth", knowing, reader, RelativeProtocol(BENCHMARK_PARTS[name]))
    assert (result.frames, result.skipped) == (2, 0)
    assert result.pixels > 100
    assert result.metrics["d0_5"] == 1
    assert result.metrics["abs_rel"] < 1e-4


def test_frames_without_truth_are_skipped() -> None:
    frames = [_frame(torch.zeros(4, 6)), _frame(torch.linspace(1, 5, 24).reshape(4, 6))]

    def values(sample: Sample) -> Values:
        return Values(torch.linspace(1, 5, 24).reshape(4, 6).log1p(), DepthSpace.LOG1P_DEPTH)

    protocol = RelativeProtocol(BENCHMARK_PARTS["nyu"])
    result = evaluate("x", values, frames, protocol)
    assert (result.frames, result.skipped, result.pixels) == (1, 1, 24)
    with pytest.raises(ValueError, match="none of 1"):
        evaluate("x", values, frames[:1], protocol)


def test_published_numbers_are_of_known_benchmarks() -> None:
    for numbers in PUBLISHED["ppd"].values():
        assert set(numbers) == set(BENCHMARKS) == set(BENCHMARK_PARTS)


def test_models_that_know_inverse_depth_are_refused() -> None:
    def inverse(image: Tensor, camera: Pinhole | None) -> Prediction:
        return Prediction(
            values=torch.ones(image.shape[:2]),
            valid=torch.ones(image.shape[:2], dtype=torch.bool),
            camera=Pinhole.from_fov(*image.shape[:2], 1.0),
            kind=DepthKind.Z,
            space=DepthSpace.INVERSE_DEPTH,
            scale=ScaleKind.AFFINE_INVARIANT,
        )

    with pytest.raises(ValueError, match=r"take --protocol plain"):
        predict_log_depth(inverse)(BENCHMARK_PARTS["nyu"](_frame(torch.ones(28, 28))))


def test_holes_take_the_largest_depth() -> None:
    hole = torch.tensor([[1.0, 4.0, torch.inf]])
    assert filled(hole).tolist() == [[1, 4, 4]]
    predict = predict_values(
        lambda *_: SimpleNamespace(depth=hole), Alignment.NONE, fill_holes=True
    )
    assert predict(BENCHMARK_PARTS["nyu"](_frame(hole))).values.tolist() == [[1, 4, 4]]
    with pytest.raises(ValueError, match="no depth for any pixel"):
        filled(torch.full((1, 2), torch.inf))
