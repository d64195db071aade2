"""Images of point clouds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_perception.io.cloud_view import WHITE, cloud_view

RED, GREEN, BLUE = (255, 0, 0), (0, 160, 0), (0, 0, 255)
PLAIN = replace(WHITE, camera=WHITE.background, shading=0.0)


def image_of(*cloud, **options):
    """The image of a cloud."""
    return cloud_view(*cloud, **options)[0]


def block(centre, colour, spread=0.15, count=400):
    points = np.random.default_rng(0).uniform(-spread, spread, (count, 3)) + centre
    return points, np.full((count, 3), colour, np.uint8)


def joined(*blocks):
    return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))


def where(picture, colour):
    """Mean row and column of a colour, and how many pixels have it."""
    rows, columns = np.nonzero((np.abs(picture.astype(int) - colour) < 60).all(-1))
    return rows.mean(), columns.mean(), len(rows)


AROUND = joined(
    block((0, 0, 3), RED), block((3, 0, 0), GREEN), block((0, 0, -3), BLUE), block((-3, 0, 0), BLUE)
)


def test_from_above_forward_is_up_and_right_is_right():
    picture = image_of(*AROUND, size=(300, 300), style=PLAIN)
    assert picture.shape == (300, 300, 3)
    assert picture.dtype == np.uint8
    red_row, red_column, _ = where(picture, RED)
    green_row, green_column, _ = where(picture, GREEN)
    assert red_row < 60
    assert red_column == pytest.approx(150, abs=4)
    assert green_column > 240
    assert green_row == pytest.approx(150, abs=4)


def test_from_the_side_forward_is_right_and_the_right_half_is_cut_off():
    cloud = joined(block((-0.5, 0, 3), RED), block((-0.5, -2, 0), BLUE), block((1, 1, 1), GREEN))
    picture = image_of(*cloud, side="side", size=(200, 300), style=PLAIN)
    red_row, red_column, _ = where(picture, RED)
    blue_row, blue_column, _ = where(picture, BLUE)
    assert red_column > blue_column + 100
    assert blue_row < red_row - 50
    assert not (picture == GREEN).all(-1).any()


def test_what_is_higher_covers_what_is_lower():
    cloud = joined(block((1, 0.0, 1), GREEN), block((1, 1.0, 1), RED))
    for order in (slice(None), slice(None, None, -1)):
        picture = image_of(cloud[0][order], cloud[1][order], size=(200, 200), style=PLAIN)
        counts = [(picture == colour).all(-1).sum() for colour in (GREEN, RED)]
        assert counts[0] > 5 * counts[1]


def test_the_ceiling_is_taken_off():
    cloud = joined(block((1, 1.0, 1), RED, 0.4), block((1, -2.0, 1), GREEN, 0.4))
    open_room = image_of(*cloud, size=(200, 200), style=PLAIN)
    closed_room = image_of(*cloud, size=(200, 200), style=PLAIN, headroom_m=None)
    assert (open_room == RED).all(-1).any()
    assert not (open_room == GREEN).all(-1).any()
    assert (closed_room == GREEN).all(-1).any()


def test_distances_in_the_picture_are_true_in_both_directions():
    cloud = joined(
        block((-2, 0, 0), RED, 0.05), block((2, 0, 0), GREEN, 0.05), block((0, 0, 4), BLUE, 0.05)
    )
    picture = image_of(*cloud, size=(400, 600), style=PLAIN)
    red, green, blue = (np.array(where(picture, colour)[:2]) for colour in (RED, GREEN, BLUE))
    assert (green - red)[1] == pytest.approx((red - blue)[0], rel=0.03)


@pytest.mark.parametrize("side", ["above", "side"])
def test_the_extent_says_where_a_point_is_drawn(side):
    cloud = joined(
        block((-1, 0.3, 2), RED, 0.02), block((-3, -0.2, -4), BLUE), block((1, 0, 1), BLUE)
    )
    height, width = 300, 500
    picture, extent = cloud_view(*cloud, side=side, size=(height, width), style=PLAIN)
    left, right, bottom, top = extent
    row, column, _ = where(picture, RED)
    across, upward = (-1, 2) if side == "above" else (2, -0.3)
    assert left + (column + 0.5) / width * (right - left) == pytest.approx(across, abs=0.03)
    assert top - (row + 0.5) / height * (top - bottom) == pytest.approx(upward, abs=0.03)
    assert (right - left) / (top - bottom) == pytest.approx(width / height)


def test_a_few_outliers_do_not_shrink_the_picture():
    points, colours = AROUND
    far = joined(AROUND, (np.array([[900.0, 0, 900.0]]), np.array([RED], np.uint8)))
    near_picture = image_of(points, colours, size=(200, 200))
    far_picture = image_of(*far, size=(200, 200))
    assert np.abs(near_picture.astype(int) - far_picture).mean() < 3


@pytest.mark.parametrize("spacing_px", [7, 14, 21])
def test_every_pixel_that_is_drawn_is_near_a_point(spacing_px: int) -> None:
    """Gaps that are filled up to some width leave shapes of the filling behind: white worms."""
    radius_m = np.arange(1, 15) * spacing_px / 100
    angle = np.linspace(0, 2 * np.pi, 400)
    across, ahead = radius_m[:, None] * np.sin(angle), radius_m[:, None] * np.cos(angle)
    points = np.stack((across, np.zeros_like(across), ahead), -1)  # rings of a floor
    colours = np.full(points.shape, RED, np.uint8)
    style = replace(PLAIN, grid=PLAIN.background)
    image, (left, _, _, top) = cloud_view(points, colours, size=(320, 320), style=style)
    drawn = (image != PLAIN.background).any(-1)
    drawn[-60:, :80] = False  # the scale bar
    drawn[140:180, 140:180] = False  # the camera
    scale = 320 / (-2 * left)
    rows, columns = np.nonzero(drawn)
    place = np.stack((left + (columns + 0.5) / scale, top - (rows + 0.5) / scale), -1)
    rings_m = np.linalg.norm(place, axis=-1)
    to_ring_px = np.abs(rings_m[:, None] - radius_m).min(1) * scale
    assert drawn.any()
    assert to_ring_px.max() < style.point_px / 2 + 1.5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("style", [WHITE, replace(WHITE, background=(18, 20, 24))])
@pytest.mark.parametrize("side", ["above", "side"])
def test_awkward_clouds_give_a_picture(style, side):
    for points in (np.zeros((0, 3)), np.full((2, 3, 3), np.nan), np.zeros((1, 3))):
        colours = np.zeros(points.shape, np.uint8)
        picture = image_of(points, colours, side=side, size=(120, 160), style=style)
        assert picture.shape == (120, 160, 3)


def test_camera_grid_and_scale_bar_are_drawn():
    points, colours = block((1, 0, 1), RED)
    picture = image_of(points, colours, size=(300, 300))
    for colour in (WHITE.camera, WHITE.grid, WHITE.ink):
        assert (np.abs(picture.astype(int) - colour) < 8).all(-1).any()


@pytest.mark.parametrize(
    ("points", "colours", "side", "message"),
    [
        (np.zeros((4, 2)), np.zeros((4, 2), np.uint8), "above", "points must be"),
        (np.zeros((4, 3)), np.zeros((3, 3), np.uint8), "above", "points must be"),
        (np.zeros((4, 3)), np.zeros((4, 3)), "above", "points must be"),
        (np.zeros((4, 3)), np.zeros((4, 3), np.uint8), "below", "'above' or 'side'"),
    ],
)
def test_wrong_use_is_refused(points, colours, side, message):
    with pytest.raises(ValueError, match=message):
        image_of(points, colours, side=side)
