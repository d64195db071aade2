"""Input and result in one picture, against PanDA's script."""

from __future__ import annotations

import numpy as np
import pytest

from depth_perception.io.side_by_side import side_by_side


@pytest.mark.parametrize(
    ("case", "panel"),
    [
        ("tiny_100x200", "panel_resized_bgr"),
        ("tiny_100x200", "panel_bgr"),
        ("tiny_90x150_h64", "panel_resized_bgr"),
    ],
)
def test_published_panel(golden_dir, case, panel):
    golden = np.load(golden_dir / "panda" / f"golden-run_image_{case}.npz")
    whole = golden["panel_resized_bgr"]
    image = whole[:, : (whole.shape[1] - 50) // 2]
    depth = golden["color_bgr_resized" if "resized" in panel else "color_bgr"]
    joined = side_by_side(image, depth)
    assert joined.shape == golden[panel].shape
    assert np.abs(joined.astype(int) - golden[panel]).max() <= 1


def test_picture_that_is_not_2_to_1_takes_the_real_depth_size():
    joined = side_by_side(np.zeros((90, 150, 3), np.uint8), np.ones((70, 126, 3), np.uint8))
    assert joined.shape == (70, 2 * 126 + 50, 3)
    assert (joined[:, 126:176] == 255).all()
    assert (joined[:, 176:] == 1).all()
