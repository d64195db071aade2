"""KITTI metrics of disparity against monodepth's."""

from __future__ import annotations

import pytest
import torch
from golden.blindspot_reference import case

from depth_perception.data.kitti_raw import KittiRaw, read_pairs, write_kitti_raw
from depth_perception.data.stereo import StereoFrame
from depth_perception.evaluation.loop import evaluate
from depth_perception.evaluation.nyu_kitti import crop_box
from depth_perception.evaluation.stereo_metrics import (
    EigenProtocol,
    d1_all,
    depth_of_disparity,
    metrics_2015,
    predict_pairs,
)
from depth_perception.geometry import DepthKind, Pinhole


def seven(metrics):
    names = ("abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3")
    return torch.tensor([metrics[name] for name in names], dtype=torch.float32)


def evaluate_kitti(disparity, reader, protocol=None):
    predict = predict_pairs(lambda sample: disparity)
    return evaluate("x", predict, reader, protocol or EigenProtocol())


@pytest.mark.parametrize("crop", ["none", "garg", "eigen"])
def test_errors_match_the_original(crop):
    golden = case("kitti-metrics")
    arrays = golden.arrays
    metrics = EigenProtocol(crop=crop).metrics(arrays["in_pred_depth"], arrays["in_gt_depth"])
    golden.assert_close(seven(metrics), f"out_errors_{crop}")
    if crop != "none":
        assert crop_box(crop, 40, 120) == tuple(arrays[f"out_crop_{crop}"].tolist())


def test_disparity_of_2015_matches_the_original():
    golden = case("kitti-metrics")
    metrics = metrics_2015(golden.arrays["in_s15_pred_disp"], golden.arrays["in_s15_gt_disp"])
    golden.assert_close(torch.tensor([metrics["d1_all"]]), "out_s15_d1_all")
    golden.assert_close(seven(metrics), "out_s15_errors")


def test_medians_remove_a_wrong_scale():
    truth = 5 + 20 * torch.rand(40, 120, generator=torch.Generator().manual_seed(0))
    truth[::2] = 0
    plain, scaled = (EigenProtocol(median=m).metrics(0.5 * truth, truth) for m in (False, True))
    assert plain["abs_rel"] == pytest.approx(0.5)
    assert scaled["abs_rel"] == pytest.approx(0, abs=1e-6)
    for median in (False, True):
        assert EigenProtocol(median=median).metrics(truth, torch.zeros(40, 120)) is None


def test_a_disparity_is_wrong_by_both_measures():
    truth = torch.tensor([10.0, 10.0, 100.0, 100.0])
    wrong = torch.tensor([12.9, 13.1, 104.0, 106.0])
    assert d1_all(wrong, truth) == 50


def test_a_whole_data_set(tmp_path):
    """The true disparity is judged as right, up to the pixel that the protocol is shifted by."""
    camera = Pinhole.from_fov(48, 96, 1.4)
    depth = torch.linspace(8, 4, 48)[:, None].expand(48, 96).contiguous()
    picture = torch.zeros(3, 48, 96, dtype=torch.uint8)
    frame = StereoFrame(picture, picture, depth, DepthKind.Z, camera, 0.5)
    blank = StereoFrame(picture, picture, 0 * depth, DepthKind.Z, camera, 0.5)
    pairs = read_pairs(write_kitti_raw(tmp_path, [frame, blank]), tmp_path)
    disparity = 0.5 * camera.fx / (depth * 96)
    torch.testing.assert_close(depth_of_disparity(disparity, camera.fx, 0.5), depth)

    reader = KittiRaw(pairs, truth=True)
    result = evaluate_kitti(disparity, reader)
    assert (result.frames, result.skipped) == (1, 1)
    assert result.metrics["abs_rel"] < 0.02
    assert result.metrics["d1"] == 1
    half = evaluate_kitti(2 * disparity[::2, ::2], reader)
    assert half.metrics["abs_rel"] == pytest.approx(0.5, abs=0.02)
    aligned = evaluate_kitti(2 * disparity, reader, EigenProtocol(median=True))
    assert aligned.metrics["abs_rel"] < 0.02

    with pytest.raises(ValueError, match="none of 2"):  # without truth
        evaluate_kitti(disparity, KittiRaw(pairs))
    with pytest.raises(ValueError, match="none of 1"):
        evaluate_kitti(disparity, KittiRaw(pairs[1:], truth=True))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="middle"):
        EigenProtocol(crop="middle")
    with pytest.raises(ValueError, match="1000"):
        metrics_2015(torch.ones(2, 4), torch.ones(10, 1000))
    with pytest.raises(ValueError, match="no ground truth"):
        metrics_2015(torch.ones(2, 4), torch.zeros(2, 1242))
    assert not depth_of_disparity(torch.zeros(2, 4), 1.0, 1.0).any()
