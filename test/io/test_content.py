"""Images without content, and cameras that send the same image again and again."""

from __future__ import annotations

import numpy as np
import pytest

from depth_perception.io.content import Repeats, content_fault


def noise(seed: int, height: int = 60, width: int = 80) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("noise", [0.0, 2.0, 10.0])
@pytest.mark.parametrize("size", [(90, 120), (480, 640), (960, 1920)])
@pytest.mark.parametrize(("value", "name"), [(0, "black"), (255, "white"), (120, "of one colour")])
def test_images_of_one_colour_are_told(
    value: int, name: str, size: tuple[int, int], noise: float
) -> None:
    sensor = np.random.default_rng(0).normal(0, noise, (*size, 3))
    image = np.clip(value + sensor, 0, 255).round().astype(np.uint8)
    assert f"it is {name}" in content_fault(image)


@pytest.mark.parametrize("contrast", [30, 80])
@pytest.mark.parametrize("noise", [0.0, 10.0])
def test_a_dim_scene_has_content(contrast: int, noise: float) -> None:
    rows, columns = np.mgrid[:240, :480]
    scene = contrast * (np.sin(columns / 30) > 0) * (rows > 120)
    sensor = np.random.default_rng(0).normal(0, noise, scene.shape)
    image = np.clip(scene + sensor, 0, 255).astype(np.uint8)
    assert content_fault(np.repeat(image[..., None], 3, 2)) == ""


@pytest.mark.parametrize(("axis", "name"), [(0, "rows"), (1, "columns")])
def test_stripes_are_told(axis: int, name: str) -> None:
    line = np.random.default_rng(1).integers(0, 255, (120, 3)).astype(np.uint8)
    image = np.broadcast_to(np.expand_dims(line, axis), (120, 120, 3))
    assert f"all its {name} are equal" in content_fault(np.ascontiguousarray(image))


def test_a_scene_has_content() -> None:
    ramp = np.linspace(0, 255, 120)[:, None] + np.linspace(0, 60, 160)
    assert content_fault(np.repeat(ramp.clip(0, 255)[..., None], 3, 2).astype(np.uint8)) == ""


def test_the_time_of_equal_images_is_measured() -> None:
    repeats = Repeats()
    assert repeats.add(noise(0), 1.0) == 0
    assert repeats.add(noise(0), 2.0) == 0, "their pixels are compared from the second on"
    assert repeats.add(noise(0), 3.0) == 1
    assert repeats.add(noise(0), 7.5) == 5.5
    assert repeats.add(noise(1), 8.0) == 0
    assert repeats.add(noise(0), 9.0) == 0


def test_a_change_of_one_pixel_anywhere_is_a_new_image() -> None:
    image = noise(0)
    repeats = Repeats()
    for second in range(5):
        assert repeats.add(image, float(second)) == max(0, second - 1)
    for row, column in ((0, 0), (3, 7), (59, 79)):
        changed = image.copy()
        changed[row, column, 1] ^= 1
        assert repeats.add(changed, 10.0) == 0
        image = changed
        for second in range(11, 14):
            last = repeats.add(image, float(second))
        assert last > 0


def test_another_size_is_another_image() -> None:
    repeats = Repeats()
    for shape in ((8, 16), (16, 8)):
        assert repeats.add(np.zeros((*shape, 3), np.uint8), 1.0) == 0
        repeats.add(np.zeros((*shape, 3), np.uint8), 2.0)
    assert repeats.add(np.zeros((4, 32, 3), np.uint8), 3.0) == 0


def test_views_that_are_not_contiguous_pass() -> None:
    repeats = Repeats()
    wide = noise(2, 40, 160)
    for second, view in enumerate((wide[:, ::2], wide[:, ::2], wide[:, ::2].copy())):
        last = repeats.add(view, float(second))
    assert last == 1
