"""CameraInfo to camera, image to CameraInfo, parameters to model options; in this process."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from depth_perception.msg import DepthScale
from hypothesis import given, settings
from hypothesis import strategies as st
from ros_harness import FRAME
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.geometry.calibration import Calibration, View
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind, Scene
from depth_perception.ros.inputs.camera_info_sync import Arrival, InfoMatcher, stamp_ns
from depth_perception.ros.messages.frames import info_message
from depth_perception.ros.nodes.diagnostics import prediction_warnings
from depth_perception.ros.nodes.pinhole import model_options
from depth_perception.ros.outputs.depth_image import scale_message
from depth_perception.ros.parameters.pinhole import (
    PinholeSettings,
    Sync,
)
from depth_perception.scale import FitModel, ScaleFit
from depth_perception.systems.scaledepth.options import ScaleDepthOptions, Windows

USUAL = PinholeSettings()
PPD, MOGE, SCALEDEPTH = USUAL.ppd, USUAL.moge, USUAL.scaledepth
CAMERA = Pinhole(48, 64, 60.0, 58.0, 33.2, 22.7)
HEADER = Header(frame_id=FRAME)
BARREL = [-0.2, 0.03, 0.0, 0.0, 0.0]


def info(**changes: object) -> CameraInfo:
    message = info_message(HEADER, CAMERA)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def view(message: CameraInfo, *, rectify: bool = True, is_rectified: bool = False) -> View:
    return Calibration.of(message, rectify=rectify, is_rectified=is_rectified).view()


IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


def _k(**changes: float) -> list[float]:
    k = CAMERA.to_k()
    for name, value in changes.items():
        k[int(name[1:])] = value
    return k


def test_undistorted_image_is_used_as_it_is_with_half_a_pixel_added() -> None:
    found = view(info(p=[1.0, 0.0, 7.0, -5.0, 0.0, 1.0, 7.0, 0.0, 0.0, 0.0, 1.0, 0.0]))
    assert (found.camera, found.grid, found.unseen) == (CAMERA, None, None)
    assert found.camera.cx == pytest.approx(info().k[2] + 0.5)
    image = torch.zeros((48, 64, 3), dtype=torch.uint8)
    assert found.apply(image) is image


def test_binning_and_region_of_interest() -> None:
    roi = RegionOfInterest(x_offset=8, y_offset=4, width=40, height=24)

    found = view(info(roi=roi, binning_x=2, binning_y=4)).camera

    assert found == CAMERA.crop(4, 8, 24, 40).resize(6, 20)
    bent = view(info(roi=roi, binning_x=2, binning_y=2, d=BARREL))
    assert bent.grid is not None
    assert (bent.grid.height, bent.grid.width) == (bent.camera.height, bent.camera.width)
    full = view(info(d=BARREL)).grid
    assert full is not None
    # pixel (0, 0) of the binned part is the middle of pixels (4, 8) to (5, 9) of the whole
    expected = (full.u[4:6, 8:10].mean() - 8) / 2
    assert float(bent.grid.u[0, 0]) == pytest.approx(float(expected), abs=1e-3)
    with pytest.raises(ValueError, match="roi does not fit"):
        view(info(roi=RegionOfInterest(x_offset=40, width=40, height=24)))


def test_rectified_image_has_the_camera_p_and_rotation_r() -> None:
    angle = 0.1
    turn = [math.cos(angle), 0.0, math.sin(angle), 0.0, 1.0, 0.0]
    turn += [-math.sin(angle), 0.0, math.cos(angle)]
    p = [50.0, 0.0, 30.0, -6.0, 0.0, 51.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]

    found = view(info(d=BARREL, r=turn, p=p))

    assert found.camera == Pinhole(48, 64, 50.0, 51.0, 30.5, 20.5)
    straight = view(info(d=BARREL, p=p))
    assert (found.grid.u - straight.grid.u)[10:20, 20:40].abs().max() > 3.0
    no_p = view(info(d=BARREL, p=[0.0] * 12))
    assert no_p.camera == CAMERA
    already = view(info(d=BARREL, r=turn, p=p), is_rectified=True)
    assert (already.camera, already.grid) == (found.camera, None)


REFUSALS = {
    "uncalibrated": (
        {"k": [0.0] * 9, "p": [0.0] * 12},
        r"K\[0\] = 0.*fallback_fov_deg.*use panoramic_depth",
    ),
    "our own panorama": (
        {"k": [0.0] * 9, "distortion_model": "equirectangular"},
        r"K\[0\] = 0.*use panoramic_depth",
    ),
    "identity": (
        {"k": IDENTITY, "p": [0.0] * 12},
        "1 pixels in K .* no camera with 64",
    ),
    "identity, bent": ({"k": IDENTITY, "d": BARREL}, "1 pixels in K is that of no camera"),
    "far too long": (
        {"k": _k(_0=1e6), "p": [0.0] * 12},
        r"1e\+06 pixels in K",
    ),
    "far too short": ({"k": _k(_4=1e-3), "p": [0.0] * 12}, "0.001 pixels in K .* 48 rows"),
    "far centre": ({"k": _k(_2=1e5), "p": [0.0] * 12}, "principal point at 100000 in K"),
    "NaN": ({"k": _k(_2=math.nan)}, "K must be finite"),
    "infinite": ({"k": _k(_0=math.inf)}, "K must be finite"),
    "negative": ({"k": _k(_4=-3.0)}, "focal lengths in K must be positive, got 60 and -3"),
    "skew": ({"k": _k(_1=0.3)}, r"K\[1\] = 0.3 is skew"),
    "not a matrix": ({"k": _k(_8=0.0)}, r"K must be \[fx, 0, cx"),
    "unknown distortion": ({"distortion_model": "bent", "d": BARREL}, "'bent'; known are plumb"),
    "unknown without coefficients": ({"distortion_model": "bent"}, "'bent'; known are plumb_bob"),
    "nameless distortion": ({"distortion_model": "", "d": BARREL}, "unknown distortion_model ''"),
    "too few": ({"d": [0.1, 0.2]}, "distortion coefficients, got 2"),
    "bent R": ({"d": BARREL, "r": [2.0, *[0.0] * 8]}, "R is not a rotation"),
    "mirrored R": ({"d": BARREL, "r": [-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0]}, "R is not a rotation"),
    "skew in P": ({"d": BARREL, "p": [50.0, 1.0, *[0.0] * 3, 50.0, *[0.0] * 4, 1.0, 0.0]}, "skew"),
    "no size": ({"height": 0}, "size must be positive"),
    "looks away": (
        {"d": BARREL, "r": [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0]},
        "nothing of the image is left",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_pinhole_is_refused(name: str) -> None:
    changes, reason = REFUSALS[name]
    with pytest.raises(ValueError, match=reason):
        view(info(**changes))


@pytest.mark.parametrize("k", [[0.0] * 9, IDENTITY])
def test_the_camera_is_p_where_k_is_none_and_nothing_is_bent(k: list[float]) -> None:
    assert view(info(k=k)).camera == CAMERA
    assert view(info(k=k)).grid is None


@pytest.mark.parametrize(
    ("model", "given", "kept"),
    [
        ("plumb_bob", [*BARREL, 0.0, 0.0, 0.0], BARREL),
        ("equidistant", [-0.008, 0.04, -0.04, 0.007, 0.0], [-0.008, 0.04, -0.04, 0.007]),
        ("fisheye", [-0.008, 0.04, -0.04, 0.007], [-0.008, 0.04, -0.04, 0.007]),
        ("Plumb_Bob ", BARREL, BARREL),
        ("plumb_bob", [*BARREL, 0.1, 0.0, 0.0], [*BARREL, 0.1, 0.0, 0.0]),  # rational
        ("rational_polynomial", BARREL, BARREL),
    ],
)
def test_zeros_at_the_end_of_d_change_nothing(
    model: str, given: list[float], kept: list[float]
) -> None:
    usual = {5: "plumb_bob", 4: "equidistant", 8: "rational_polynomial"}[len(kept)]
    found, expected = (
        view(info(distortion_model=model, d=given)),
        view(info(distortion_model=usual, d=kept)),
    )
    assert torch.equal(found.grid.u, expected.grid.u)


@pytest.mark.parametrize(
    "model", ["", "none", "None", "pinhole", "plumb_bob", "rational_polynomial"]
)
@pytest.mark.parametrize("d", [[], [0.0], [0.0] * 5, [0.0] * 9])
def test_no_distortion_has_many_names(model: str, d: list[float]) -> None:
    assert view(info(distortion_model=model, d=d)).grid is None


def test_sizes_are_compared_before_anything_of_the_stated_size_is_made() -> None:
    huge = info(d=BARREL, height=60_000, width=60_000, k=_k(_0=6e4, _4=6e4))
    calibration = Calibration.of(huge, rectify=True, is_rectified=False)
    began = time.process_time()
    with pytest.raises(ValueError, match=r"the image is 160 x 120 .* 60000 x 60000"):
        calibration.view((120, 160))
    with pytest.raises(ValueError, match="DEPTH_PERCEPTION_IMAGE_PIXELS raises it"):
        calibration.view()
    assert time.process_time() - began < 1.0
    half = info(binning_x=2, binning_y=2)
    assert Calibration.of(half, rectify=True, is_rectified=False).view((24, 32)).camera.width == 32


def test_a_camera_info_without_a_size_has_that_of_its_image() -> None:
    nameless = Calibration.of(info(height=0, width=0), rectify=True, is_rectified=False)
    assert nameless.view((48, 64)).camera == CAMERA


def test_a_camera_that_was_never_calibrated_is_known() -> None:
    def is_empty(**changes: object) -> bool:
        return Calibration.of(info(**changes), rectify=True, is_rectified=False).is_empty

    zeros = {"k": [0.0] * 9, "p": [0.0] * 12}
    assert is_empty(**zeros, distortion_model="", d=[])
    assert not is_empty()
    assert not is_empty(k=[0.0] * 9)
    assert not is_empty(**zeros, distortion_model="equirectangular")


NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 60.0, 1e-30, 1e30, math.nan, math.inf]) | st.floats(
    -200.0, 200.0, width=32
)
SMALL = st.floats(-2.0, 2.0, width=32) | NUMBERS


@settings(max_examples=300, deadline=None)
@given(
    k=st.just(CAMERA.to_k()) | st.lists(NUMBERS, min_size=9, max_size=9),
    d=st.sampled_from([0, 3, 4, 5, 8]).flatmap(lambda n: st.lists(SMALL, min_size=n, max_size=n)),
    r=st.just([0.0] * 9) | st.lists(SMALL, min_size=9, max_size=9),
    p=st.just(info().p) | st.lists(NUMBERS, min_size=12, max_size=12),
    model=st.sampled_from(["plumb_bob", "rational_polynomial", "equidistant", "", "bent"]),
    size=st.just((48, 64)) | st.tuples(st.integers(0, 30), st.integers(0, 30)),
    binning=st.just((0, 0)) | st.tuples(st.integers(0, 40), st.integers(0, 40)),
    roi=st.just((0, 0, 0, 0)) | st.tuples(*[st.integers(0, 40)] * 4),
    is_rectified=st.booleans(),
)
def test_any_camera_info_is_refused_with_a_reason_or_gives_a_finite_view(
    k: list[float], d: list[float], r: list[float], p: list[float], model: str,
    size: tuple[int, int], binning: tuple[int, int], roi: tuple[int, ...], is_rectified: bool,
) -> None:  # fmt: skip
    message = CameraInfo(
        height=size[0], width=size[1], distortion_model=model, d=d, k=k, r=r, p=p,
        binning_x=binning[0], binning_y=binning[1],
        roi=RegionOfInterest(x_offset=roi[0], y_offset=roi[1], height=roi[2], width=roi[3]),
    )  # fmt: skip
    _assert_refused_or_finite(message, is_rectified)


@settings(max_examples=200, deadline=None)
@given(
    lens=st.sampled_from(
        [("plumb_bob", 5), ("rational_polynomial", 8), ("equidistant", 4)]
    ).flatmap(
        lambda kind: st.tuples(
            st.just(kind[0]), st.lists(SMALL, min_size=kind[1], max_size=kind[1])
        )
    ),
    angles=st.tuples(*[st.floats(-3.0, 3.0)] * 3),
    p=st.just(info().p) | st.tuples(*[st.floats(1.0, 300.0)] * 4),
)
def test_any_distortion_is_refused_with_a_reason_or_gives_a_finite_view(
    lens: tuple[str, list[float]], angles: tuple[float, ...], p: tuple[float, ...]
) -> None:
    turn, _ = cv2.Rodrigues(np.array(angles) / 3)
    if len(p) == 4:
        p = (p[0], 0.0, p[1], 0.0, 0.0, p[2], p[3], 0.0, 0.0, 0.0, 1.0, 0.0)
    message = info(distortion_model=lens[0], d=lens[1], r=turn.ravel().tolist(), p=p)
    _assert_refused_or_finite(message, is_rectified=False)


def _assert_refused_or_finite(message: CameraInfo, is_rectified: bool) -> None:
    found = None
    with contextlib.suppress(ValueError):
        found = view(message, is_rectified=is_rectified)
    if found is None or found.grid is None:
        return
    assert found.grid.valid.any()
    assert torch.isfinite(found.grid.u).all()
    assert torch.isfinite(found.grid.v).all()
    raw = torch.zeros((found.grid.height, found.grid.width, 3), dtype=torch.uint8)
    assert found.apply(raw).shape == (found.camera.height, found.camera.width, 3)


def test_distortion_may_be_refused() -> None:
    with pytest.raises(ValueError, match=r"plumb_bob, D = .*rectify is false"):
        view(info(d=BARREL), rectify=False)
    assert view(info(), rectify=False).camera == CAMERA
    with pytest.raises(ValueError, match="P = 0"):
        view(info(p=[0.0] * 12), is_rectified=True)


@pytest.mark.parametrize("d", [[], BARREL])
def test_another_size_is_refused_with_both_sizes(d: list[float]) -> None:
    with pytest.raises(ValueError, match=r"32 x 24 .*but its camera_info is of 64 x 48"):
        view(info(d=d)).apply(torch.zeros((24, 32, 3), dtype=torch.uint8))


def arrival(stamp_s: int, arrived_s: float = 0.0) -> Arrival:
    message = Image(header=Header(frame_id=FRAME))
    message.header.stamp.sec = stamp_s
    return Arrival(message, arrived_s or float(stamp_s))


def stamped(stamp_s: int) -> CameraInfo:
    message = CameraInfo(header=Header(frame_id=FRAME))
    message.header.stamp.sec = stamp_s
    return message


def test_exact_stamps_pair_in_either_order() -> None:
    matcher = InfoMatcher(Sync.EXACT)
    assert matcher.add_info(stamped(1)) == (None, 0)
    found, given_up = matcher.add_image(arrival(1))
    assert (found.info, given_up) == (stamped(1), 0)
    assert matcher.add_image(arrival(2)) == (None, 0)
    assert matcher.unmatched_since_s == 2.0
    assert matcher.add_info(stamped(3)) == (None, 0)
    found, given_up = matcher.add_info(stamped(2))
    assert (found.message.header.stamp.sec, found.info, given_up) == (2, stamped(2), 0)
    assert matcher.unmatched_since_s is None


def test_newest_complete_image_wins_and_older_ones_are_given_up() -> None:
    matcher = InfoMatcher(Sync.EXACT)
    for k in (1, 2, 3):
        assert matcher.add_image(arrival(k)) == (None, 0)
    found, given_up = matcher.add_info(stamped(2))
    assert (stamp_ns(found.message.header), given_up) == (2_000_000_000, 1)
    assert matcher.add_info(stamped(1)) == (None, 0)  # its image is gone
    found, given_up = matcher.add_info(stamped(3))
    assert (found.info, given_up) == (stamped(3), 0)


def test_few_images_wait_and_few_infos_are_kept() -> None:
    matcher = InfoMatcher(Sync.EXACT)
    given_up = sum(matcher.add_image(arrival(k))[1] for k in range(1, 101))
    assert given_up == 96
    assert matcher.unmatched_since_s == 1.0
    assert matcher.add_info(stamped(96)) == (None, 0)
    assert matcher.add_info(stamped(97))[0] is not None
    for k in range(200, 400):
        matcher.add_info(stamped(k))
    assert matcher.add_image(arrival(200))[0] is None
    assert matcher.add_image(arrival(399))[0] is not None
    matcher.add_image(arrival(500))
    assert matcher.clear() == 1
    assert matcher.clear() == 0
    assert matcher.add_info(stamped(500)) == (None, 0)


def test_latest_info_serves_all_images() -> None:
    matcher = InfoMatcher(Sync.LATEST)
    assert matcher.add_image(arrival(5)) == (None, 1)
    assert matcher.unmatched_since_s == 5.0
    assert matcher.add_info(stamped(1)) == (None, 0)
    for k in (6, 7):
        assert matcher.add_image(arrival(k))[0].info == stamped(1)
    matcher.clear()
    assert matcher.add_image(arrival(8))[0].info == stamped(1)
    matcher.add_info(stamped(2))
    assert matcher.add_image(arrival(9))[0].info == stamped(2)


def test_options_of_each_model() -> None:
    usual = PinholeSettings()
    assert model_options(usual) == {
        "precision": "float32", "backend": "torch", "output_size": "network", "num_tokens": None
    }  # fmt: skip
    relative = replace(usual, model="depth-anything-v2-small", height=280, flip=True)
    assert model_options(relative)["height"] == 280
    assert model_options(relative)["flip"] is True
    changes = {"ppd": replace(PPD, steps=2, moge_checkpoint="m.pt")}
    changes["moge"] = replace(MOGE, num_tokens=900)
    ppd = replace(usual, model="ppd-large-moge", **changes)
    found = model_options(ppd)
    assert (found["steps"], found["num_tokens"]) == (2, 900)
    assert found["moge_checkpoint"] == "m.pt"
    assert found["semantics_checkpoint"] is None
    windows = replace(SCALEDEPTH, windows="joint", reference_focal_px=519.0)
    found = model_options(replace(usual, model="scaledepth-nk", scaledepth=windows))
    assert ScaleDepthOptions(**found).grid == Windows(352, 512, 160, "joint")
    assert found["reference_focal_px"] == 519.0
    assert model_options(replace(usual, model="scaledepth-nk"))["windows"] == "off"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "panda-small"}, "panda-small is for equirectangular images"),
        ({"height": 280}, "moge-2-vits-normal does not have height"),
        ({"ppd": replace(PPD, steps=9, seed=3)}, "does not have ppd.steps, ppd.seed"),
        ({"model": "ppd-large", "flip": True}, "ppd-large does not have flip"),
        (
            {"model": "scaledepth-nk", "moge": replace(MOGE, num_tokens=7)},
            "does not have moge.num_tokens",
        ),
        (
            {
                "model": "depth-anything-v2-small",
                "scaledepth": replace(SCALEDEPTH, windows="own"),
            },
            "does not have scaledepth.windows",
        ),
    ],
)
def test_parameters_that_the_model_does_not_know_are_refused(
    changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        model_options(replace(PinholeSettings(), **changes))


def test_windows_must_not_leave_gaps() -> None:
    with pytest.raises(ValueError, match="window_stride"):
        replace(SCALEDEPTH, window_stride=400).check()


def _prediction(**changes: object) -> Prediction:
    usual = {
        "values": torch.ones(48, 64), "valid": torch.ones(48, 64, dtype=torch.bool),
        "camera": CAMERA, "kind": DepthKind.Z, "space": DepthSpace.DEPTH,
        "scale": ScaleKind.METRIC,
    }  # fmt: skip
    return Prediction(**{**usual, **changes})


def test_scale_message_tells_the_fit() -> None:
    fit = ScaleFit(FitModel.LOG1P_DEPTH, 2.0, 0.5, -0.1, 0.01, 0.02, 0.03, 700, 800)

    message = scale_message(HEADER, _prediction(fit=fit, fit_source="moge-2"))

    assert (message.scale, message.shift, message.inliers) == (2.0, 0.5, 700)
    assert message.sigma == pytest.approx(0.05)
    assert (message.source, message.kind) == ("moge-2", DepthScale.KIND_LOG1P_DEPTH)
    assert message.is_metric
    by_itself = scale_message(HEADER, _prediction())
    assert (by_itself.source, by_itself.scale, by_itself.shift) == ("model", 1.0, 0.0)
    unknown_line = scale_message(HEADER, _prediction(fit_source="moge-2"))
    assert (unknown_line.source, unknown_line.is_metric) == ("moge-2", True)
    assert math.isnan(unknown_line.scale)
    none = scale_message(HEADER, _prediction(scale=ScaleKind.AFFINE_INVARIANT))
    assert (none.source, none.is_metric) == ("none", False)
    assert np.isnan([none.scale, none.shift, none.sigma]).all()


def test_doubts_about_a_prediction() -> None:
    assert list(prediction_warnings(_prediction())) == []
    relative = _prediction(scale=ScaleKind.AFFINE_INVARIANT, note="a flat wall")
    assert list(prediction_warnings(relative)) == ["not metric: a flat wall"]
    floor = _prediction(scene=Scene(0.01, is_at_floor=True))
    assert "its scale is unreliable" in next(prediction_warnings(floor))


def test_missing_weights_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from depth_perception.systems.weights import HOME_VARIABLE, find_weights

    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match="`depth-perception weights fetch moge-2-vits-normal`"):
        find_weights(PinholeSettings().model)
