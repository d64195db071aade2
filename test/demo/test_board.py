"""The picture board has its panels, and they hold something."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from box_world import HEIGHT, HIGH, LOW, WIDTH, box_seen_from_inside

from depth_perception.demo.board import BoardContent, both_views, panels
from depth_perception.demo.layout import Fact, write_board, write_images
from depth_perception.demo.recording import Cloud
from depth_perception.geometry import Equirectangular
from depth_perception.io.images import read_image


@pytest.fixture(scope="module")
def content() -> BoardContent:
    """A box of 7 x 3.5 x 10 m seen from inside, predicted 10 % too far."""
    image, truth = box_seen_from_inside()
    rays = Equirectangular(HEIGHT, WIDTH).rays().numpy()
    points = rays * truth[..., None] * np.float32(1.1)
    return BoardContent(
        image=image,
        predicted_m=truth * np.float32(1.1),
        ground_truth_m=truth,
        cloud=Cloud(points.reshape(-1, 3), image.reshape(-1, 3)),
    )


def test_board_with_truth_has_three_rows_without_it_two(
    tmp_path: Path, content: BoardContent
) -> None:
    headline = ("Depth of a box", "by hand", (Fact("0.100", "AbsRel"), Fact("100 %", "δ1")))
    write_board(tmp_path / "full.png", *headline, panels(content))
    write_board(tmp_path / "short.png", *headline, panels(replace(content, ground_truth_m=None)))

    full, short = read_image(tmp_path / "full.png"), read_image(tmp_path / "short.png")
    assert full.shape[1] == short.shape[1] == 1600
    assert full.shape[0] > short.shape[0] + 300
    for picture in (full, short):
        assert all(part.std() > 20 for part in np.array_split(picture, 3))


def test_parts_are_saved_one_by_one(tmp_path: Path, content: BoardContent) -> None:
    paths = write_images(tmp_path, panels(content))

    assert [path.stem for path in paths] == [
        "input", "depth", "ground_truth", "error", "cloud_above", "cloud_side",
    ]  # fmt: skip
    assert read_image(paths[0]).shape == (HEIGHT, WIDTH, 3)
    error = read_image(paths[3])
    assert (error[..., 0] > error[..., 2]).all(), "10 % too far must be red everywhere"


def test_unknown_truth_is_grey(tmp_path: Path, content: BoardContent) -> None:
    truth = content.ground_truth_m.copy()
    truth[:10] = 0

    paths = write_images(tmp_path, panels(replace(content, ground_truth_m=truth)))

    assert np.unique(read_image(paths[2])[:10].reshape(-1, 3), axis=0).tolist() == [[185, 190, 197]]


def test_views_carry_the_true_outline_to_scale(content: BoardContent) -> None:
    above, side = both_views(content.cloud, (300, 400), content.predicted_m, content.ground_truth_m)

    for view, low, high in (
        (above, LOW[[0, 2]], HIGH[[0, 2]]),
        (side, (LOW[2], -HIGH[1]), (HIGH[2], -LOW[1])),
    ):
        left, right, bottom, top = view.extent_m
        assert view.image.shape == (300, 400, 3)
        assert (right - left) / (top - bottom) == pytest.approx(4 / 3)
        outline = view.outline_m[np.isfinite(view.outline_m).all(-1)]
        np.testing.assert_allclose(outline.min(0), low, atol=0.3)
        np.testing.assert_allclose(outline.max(0), high, atol=0.3)
        assert left < outline[:, 0].min()
        assert outline[:, 0].max() < right


def test_outline_is_broken_at_depth_edges(content: BoardContent) -> None:
    truth = content.ground_truth_m.copy()
    truth[:, 40:60] = 1.0

    intact, _ = both_views(content.cloud, (30, 40), content.predicted_m, content.ground_truth_m)
    broken, _ = both_views(content.cloud, (30, 40), content.predicted_m, truth)

    assert np.isnan(intact.outline_m).sum() == 0
    assert np.isnan(broken.outline_m).any(-1).sum() == 2


def test_without_truth_the_view_is_wide_enough_for_what_is_near(content: BoardContent) -> None:
    few = Cloud(content.cloud.points[:50], content.cloud.colours[:50])

    above, side = both_views(few, (30, 40), content.predicted_m, None)

    assert above.outline_m is None
    assert side.outline_m is None
    left, right, bottom, top = above.extent_m
    assert left < 1.1 * LOW[0] < 1.1 * HIGH[0] < right
    assert bottom < 1.1 * LOW[2] < 1.1 * HIGH[2] < top


def test_a_glimpse_through_a_window_does_not_shrink_the_room(content: BoardContent) -> None:
    truth = content.ground_truth_m.copy()
    truth[:, 40:46] = 19.0

    above, _ = both_views(content.cloud, (30, 30), content.predicted_m, truth)

    left, right, _, _ = above.extent_m
    assert right - left < 16
    assert np.nanmax(np.linalg.norm(above.outline_m, axis=-1)) > 18, "it is still drawn"


def test_empty_cloud_still_gives_a_picture() -> None:
    nothing = Cloud(np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8))

    above, side = both_views(nothing, (40, 60), np.full((8, 16), np.nan, np.float32), None)

    assert above.image.shape == side.image.shape == (40, 60, 3)
