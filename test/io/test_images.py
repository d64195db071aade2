"""Reading, writing and joining images."""

from __future__ import annotations

import math
import struct

import cv2
import numpy as np
import pytest

from depth_perception.io.images import (
    IMAGE_SUFFIXES,
    ImageReadError,
    decode_image,
    read_image,
    side_by_side,
    write_image,
)

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
SMOOTH = np.full((20, 30, 3), 9, np.uint8)
SMOOTH[..., 0], SMOOTH[..., 1] = np.meshgrid(np.arange(0, 240, 8), np.arange(0, 160, 8))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif"])
def test_lossless_formats_return_the_same_rgb(tmp_path, suffix):
    path = tmp_path / "new folder" / f"picture{suffix}"
    write_image(path, PICTURE)
    assert np.array_equal(read_image(path), PICTURE)
    assert cv2.imread(str(path))[0, 0].tolist() == PICTURE[0, 0, ::-1].tolist()


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_lossy_formats_return_nearly_the_same(tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    write_image(path, SMOOTH)
    assert np.abs(read_image(path).astype(int) - SMOOTH).mean() < 4


def test_gray_becomes_three_equal_channels(tmp_path):
    path = tmp_path / "gray.png"
    write_image(path, PICTURE[..., 0])
    assert np.array_equal(read_image(path), np.repeat(PICTURE[..., :1], 3, -1))


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled(tmp_path, channels):
    path = tmp_path / "deep.png"
    deep = PICTURE[..., :channels].astype(np.uint16) * 257
    cv2.imwrite(str(path), deep)
    expected = np.broadcast_to(PICTURE[..., :channels][..., ::-1], PICTURE.shape)
    assert np.array_equal(read_image(path), expected)


def test_alpha_is_dropped(tmp_path):
    path = tmp_path / "alpha.png"
    cv2.imwrite(str(path), np.dstack([PICTURE, PICTURE[..., 0]]))
    assert np.array_equal(read_image(path), PICTURE[..., ::-1])


def test_orientation_of_the_camera_is_applied(tmp_path):
    path = tmp_path / "portrait.jpg"
    write_image(path, SMOOTH)
    orientation = 6  # turn clockwise by 90 degrees to view
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    data = path.read_bytes()
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    path.write_bytes(data[:2] + segment + data[2:])
    turned = read_image(path)
    assert turned.shape == (30, 20, 3)
    assert np.abs(turned.astype(int) - np.rot90(SMOOTH, -1)).mean() < 4


def test_truncated_jpeg_is_refused(tmp_path):
    path = tmp_path / "cut.jpg"
    write_image(path, PICTURE)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageReadError, match=r"cut\.jpg is truncated"):
        read_image(path)
    assert decode_image(data + b"trailing bytes of a phone").shape == PICTURE.shape


@pytest.mark.parametrize("trailer", [b"\x00", b"MotionPhoto\xff\xda\x00\x08", b"\xff\xda" * 9])
@pytest.mark.parametrize("progressive", [0, 1])
def test_data_behind_the_end_of_a_jpeg_is_no_harm(trailer, progressive):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    data = cv2.imencode(".jpg", PICTURE, options)[1].tobytes()
    np.testing.assert_array_equal(decode_image(data + trailer), decode_image(data))
    for length in (len(data) - 2, len(data) // 2, len(data) // 3):
        with pytest.raises(ImageReadError, match="truncated"):
            decode_image(data[:length])


@pytest.mark.parametrize("content", [b"not a picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xd9"])
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match=r"bad\.png"):
        read_image(path)


def test_missing_empty_and_folder_are_refused(tmp_path):
    with pytest.raises(ImageReadError, match="No such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(ImageReadError, match="is a folder"):
        read_image(tmp_path)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageReadError, match="is empty"):
        read_image(tmp_path / "empty.png")


def test_float_pictures_are_refused(tmp_path):
    path = tmp_path / "float.tiff"
    cv2.imwrite(str(path), PICTURE.astype(np.float32))
    with pytest.raises(ImageReadError, match="float32 samples"):
        read_image(path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (PICTURE.astype(np.float32), "must be uint8"),
        (np.zeros((4, 5, 4), np.uint8), "must be uint8"),
        (np.zeros(4, np.uint8), "must be uint8"),
    ],
)
def test_only_pictures_are_written(tmp_path, array, message):
    with pytest.raises(ValueError, match=message):
        write_image(tmp_path / "x.png", array)
    assert not list(tmp_path.iterdir())


def test_pictures_too_large_for_a_format_are_refused(tmp_path):
    with pytest.raises(ValueError, match="70000 x 2 pixels"):
        write_image(tmp_path / "wide.jpg", np.zeros((2, 70000), np.uint8))
    assert not list(tmp_path.iterdir())


def test_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"suffix '\.xyz'"):
        write_image(tmp_path / "picture.xyz", PICTURE)
    assert ".xyz" not in IMAGE_SUFFIXES


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


@pytest.mark.parametrize(
    ("image", "weight"),
    [
        (np.zeros((8, 10, 3), np.uint8), 1),
        (np.zeros((8, 10), np.uint8), 1),
        (np.zeros((8, 10, 3), np.uint16), 2),
        (np.zeros((8, 10, 4), np.uint8), 4 / 3),
        (np.zeros((8, 10, 4), np.uint16), 8 / 3),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_the_limit_of_pixels_counts_what_they_take(
    monkeypatch: pytest.MonkeyPatch, image: np.ndarray, weight: float, suffix: str
) -> None:
    data = cv2.imencode(suffix, image)[1].tobytes()
    monkeypatch.setenv("DEPTH_PERCEPTION_IMAGE_PIXELS", str(math.ceil(80 * weight)))
    assert decode_image(data).shape == (8, 10, 3)
    monkeypatch.setenv("DEPTH_PERCEPTION_IMAGE_PIXELS", str(math.ceil(80 * weight) - 1))
    with pytest.raises(ImageReadError, match=r"10 x 8.*DEPTH_PERCEPTION_IMAGE_PIXELS raises it"):
        decode_image(data)


def test_real_numbers_with_transparency_are_refused_in_words() -> None:
    data = cv2.imencode(".tiff", np.zeros((8, 10, 4), np.float32))[1].tobytes()
    with pytest.raises(ImageReadError, match=r"float32 samples; convert it|not a readable image"):
        decode_image(data)
