"""The picture board has its panels, and they hold something."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_perception.demo.board import BoardContent, Fact, write_board, write_pictures
from depth_perception.demo.cloud_views import from_above, from_the_side
from depth_perception.demo.recording import Cloud
from depth_perception.geometry import Equirectangular
from depth_perception.io.images import read_image

HEIGHT, WIDTH = 64, 128
LOW, HIGH = np.array([-3.0, -2.0, -4.0]), np.array([4.0, 1.5, 6.0])


@pytest.fixture(scope="module")
def content() -> BoardContent:
    """A box of 7 x 3.5 x 10 m seen from inside, predicted 10 % too far."""
    rays = Equirectangular(HEIGHT, WIDTH).rays().numpy().astype(np.float64)
    with np.errstate(divide="ignore"):
        truth = np.where(rays > 0, HIGH / rays, LOW / rays).min(-1).astype(np.float32)
    points = (rays * truth[..., None] * 1.1).astype(np.float32)
    image = np.clip(127 + 40 * points, 0, 255).astype(np.uint8)
    return BoardContent(
        title="Depth of a box",
        subtitle="by hand",
        facts=(Fact("0.100", "AbsRel"), Fact("100 %", "δ1")),
        image=image,
        predicted_m=truth * np.float32(1.1),
        truth_m=truth,
        cloud=Cloud(points.reshape(-1, 3), image.reshape(-1, 3)),
    )


def test_board_with_truth_has_three_rows_without_it_two(
    tmp_path: Path, content: BoardContent
) -> None:
    write_board(tmp_path / "full.png", content)
    write_board(tmp_path / "short.png", replace(content, truth_m=None))

    full, short = read_image(tmp_path / "full.png"), read_image(tmp_path / "short.png")
    assert full.shape[1] == short.shape[1] == 1600
    assert full.shape[0] > short.shape[0] + 300
    for picture in (full, short):
        thirds = np.array_split(picture, 3)
        assert all((part < 250).any(-1).mean() > 0.2 for part in thirds)


def test_parts_are_saved_one_by_one(tmp_path: Path, content: BoardContent) -> None:
    paths = write_pictures(tmp_path, content)

    assert [path.stem for path in paths] == [
        "input", "depth", "ground_truth", "error", "cloud_above", "cloud_side",
    ]  # fmt: skip
    assert read_image(paths[0]).shape == (HEIGHT, WIDTH, 3)
    error = read_image(paths[3])
    assert (error[..., 0] > error[..., 2]).all(), "10 % too far must be red everywhere"


def test_unknown_truth_is_grey(tmp_path: Path, content: BoardContent) -> None:
    truth = content.truth_m.copy()
    truth[:10] = 0

    paths = write_pictures(tmp_path, replace(content, truth_m=truth))

    assert np.unique(read_image(paths[2])[:10].reshape(-1, 3), axis=0).tolist() == [[185, 190, 197]]


def test_view_from_above_is_cut_and_to_scale(content: BoardContent) -> None:
    view = from_above(content.cloud, (300, 400), content.truth_m)

    left, right, bottom, top = view.extent_m
    assert (right - left) / (top - bottom) == pytest.approx(4 / 3)
    assert view.picture.shape == (300, 400, 3)
    outline = view.outline_m[np.isfinite(view.outline_m).all(-1)]
    np.testing.assert_allclose(outline.min(0), LOW[[0, 2]], atol=0.05)
    np.testing.assert_allclose(outline.max(0), HIGH[[0, 2]], atol=0.05)


def test_ceiling_does_not_hide_the_floor() -> None:
    floor = [(x / 10, 1.5, z / 10) for x in range(-30, 30) for z in range(-30, 30)]
    points = np.array(floor + [(x, -2.0, z) for x, _, z in floor], np.float32)
    red = np.array([(255, 0, 0)] * len(floor) + [(0, 0, 255)] * len(floor), np.uint8)

    picture = from_above(Cloud(points, red), (80, 80)).picture

    assert (picture == (255, 0, 0)).all(-1).any()
    assert not (picture == (0, 0, 255)).all(-1).any()


def test_side_view_shows_the_left_half_upright() -> None:
    points = np.array([(-1, -2, 3), (1, 1, -3)] * 20, np.float32)
    colours = np.array([(255, 0, 0), (0, 0, 255)] * 20, np.uint8)

    view = from_the_side(Cloud(points, colours), (100, 200))

    rows, columns = np.nonzero((view.picture == (255, 0, 0)).all(-1))
    assert not (view.picture == (0, 0, 255)).all(-1).any()
    assert rows.max() < 50, "2 m above the camera lies in the upper half"
    assert columns.min() > 100, "3 m ahead lies right of the middle"


def test_empty_cloud_still_gives_a_picture() -> None:
    nothing = Cloud(np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8))

    assert from_above(nothing, (40, 60)).picture.shape == (40, 60, 3)
