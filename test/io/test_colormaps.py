"""Depth maps as colour images, against PanDA's script and for unusual maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.depth_space import DepthSpace
from depth_perception.io.colormaps import (
    INVALID_COLOUR,
    PUBLISHED_COLORMAP,
    RunningRange,
    colourise,
    near_is_warm,
    normalise,
    render_depth,
)


@pytest.mark.parametrize("case", ["tiny_100x200", "tiny_90x150_h64", "small_100x200"])
@pytest.mark.parametrize("resized", [False, True])
def test_published_gray_and_colours(golden_dir, case, resized):
    golden = np.load(golden_dir / "panda" / f"golden-run_image_{case}.npz")
    suffix = "_resized" if resized else ""
    depth = golden["depth_resized"] if resized else golden["pred_depth"][0, 0]
    expected = golden[f"gray{suffix}"]
    gray = normalise(depth)
    difference = np.abs(gray.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.005
    assert np.array_equal(
        colourise(expected, PUBLISHED_COLORMAP)[..., ::-1], golden[f"color_bgr{suffix}"]
    )
    assert np.array_equal(render_depth(depth), colourise(gray))


def test_published_colours_of_some_indices():
    indices = np.array([[0, 64, 128, 192, 255]], np.uint8)
    assert colourise(indices, PUBLISHED_COLORMAP)[0].tolist() == [
        [94, 79, 162],
        [137, 207, 164],
        [254, 254, 189],
        [248, 139, 81],
        [158, 1, 66],
    ]


def test_values_are_truncated_between_the_limits():
    values = np.array([[-1, 0, 0.999, 1, 2, 3, 255, 400]], np.float32)
    assert normalise(values, limits=(0, 255)).tolist() == [[0, 0, 0, 1, 2, 3, 255, 255]]


def test_invalid_pixels_neither_count_nor_show():
    values = np.array([[1, 2, 3], [np.nan, np.inf, -100]], np.float32)
    valid = np.array([[True, True, True], [True, True, False]])
    assert normalise(values, valid).tolist() == [[0, 127, 255], [0, 0, 0]]
    for colormap in ("Spectral_r", None):
        picture = render_depth(values, valid, colormap=colormap)
        assert (picture[1] == INVALID_COLOUR).all()
        assert (picture[0] != INVALID_COLOUR).any(-1).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 3.5, np.nan, np.inf])
def test_constant_and_empty_maps_are_no_error(value):
    picture = render_depth(np.full((3, 4), value, np.float32))
    assert picture.shape == (3, 4, 3)
    assert (picture == picture[0, 0]).all()


def test_gray_has_equal_channels():
    picture = render_depth(np.random.default_rng(0).random((5, 6)), colormap=None)
    assert (picture == picture[..., :1]).all()
    assert picture.min() == 0
    assert picture.max() == 255


def test_unknown_colour_map_is_refused():
    with pytest.raises(ValueError, match="no colour map 'rainbows'"):
        colourise(np.zeros((2, 2), np.uint8), "rainbows")


def test_running_range_ignores_outliers_and_follows_slowly():
    limits = RunningRange(memory=10)
    frame = np.linspace(1, 2, 1000).reshape(20, 50)
    frame[0, 0] = 1e6
    first = limits.update(frame)
    assert first == pytest.approx((1.02, 1.98), abs=0.01)
    assert limits.update(frame) == pytest.approx(first)
    for _ in range(10):
        stepped = limits.update(frame + 1)
    assert stepped[0] == pytest.approx(first[0] + 1 - np.exp(-1), abs=0.01)
    for _ in range(200):
        stepped = limits.update(frame + 1)
    assert stepped == pytest.approx((2.02, 2.98), abs=0.01)


def test_running_range_flickers_less_than_the_extremes():
    rng = np.random.default_rng(0)
    limits, smooth, own = RunningRange(), [], []
    for _ in range(60):
        frame = rng.uniform(1, 5, (20, 30)) * rng.uniform(0.8, 1.2)
        smooth.append(limits.update(frame)[1])
        own.append(frame.max())
    assert np.abs(np.diff(smooth)).mean() < 0.1 * np.abs(np.diff(own)).mean()


def test_running_range_survives_frames_without_depth():
    limits = RunningRange()
    empty = np.full((2, 3), np.nan)
    assert limits.update(empty) is None
    known = limits.update(np.array([[1.0, 2.0]]))
    assert limits.update(empty) == known
    assert limits.update(np.ones((2, 3)), np.zeros((2, 3), bool)) == known


@pytest.mark.parametrize("arguments", [(98, 2), (-1, 50), (2, 101), (2, 98, 0)])
def test_running_range_refuses_nonsense(arguments):
    with pytest.raises(ValueError, match=r"percentiles|memory"):
        RunningRange(*arguments)


@pytest.mark.parametrize("space", list(DepthSpace))
def test_near_is_red_and_far_is_blue_in_every_space(space):
    depth = torch.tensor([[1.0, 3.0, 9.0]])
    values = space.from_depth(depth).numpy()
    near, _, far = render_depth(values, colormap=near_is_warm(space))[0].astype(int)
    assert near[0] > near[2]
    assert far[2] > far[0]


def test_logarithmic_colours_give_equal_steps_to_equal_ratios():
    depth = np.array([[0.0, 0.5, 1.0, 2.0, 4.0, np.inf]], np.float32)
    options = {"limits": (0.5, 4.0), "logarithmic": True, "unknown": (1, 2, 3)}
    gray = render_depth(depth, colormap=None, **options)[0]
    assert gray[[0, 5]].tolist() == [[1, 2, 3], [1, 2, 3]]
    assert gray[1:5, 0].tolist() == pytest.approx([0, 85, 170, 255], abs=1)
