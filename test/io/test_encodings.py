"""Image messages become pixels, or an error that says what is wrong with them."""

from __future__ import annotations

import array

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.io.encodings import (
    EncodingError,
    decode_compressed,
    decode_image,
    layout_of,
    raw_pixels,
)

PICTURE = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GRAY = PICTURE[..., 0]
EQUAL = np.repeat(GRAY[..., None], 3, axis=2)


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big: bool = False) -> tuple:
    """The arguments of decode_image for stored pixels (H, W[, C])."""
    height, width = pixels.shape[:2]
    stored = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    rows = np.frombuffer(stored.tobytes(), np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return height, width, encoding, rows.shape[1], big, rows.tobytes()


def with_alpha(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate((pixels, np.full_like(pixels[..., :1], 9)), axis=2)


BGR = PICTURE[..., ::-1]
WIDE = PICTURE.astype(np.uint16) * 257
CASES = {
    "rgb8": (PICTURE, PICTURE),
    "bgr8": (BGR, PICTURE),
    "rgba8": (with_alpha(PICTURE), PICTURE),
    "bgra8": (with_alpha(BGR), PICTURE),
    "mono8": (GRAY, EQUAL),
    "8UC1": (GRAY, EQUAL),
    "8UC": (GRAY, EQUAL),
    "8UC3": (BGR, PICTURE),
    "8UC4": (with_alpha(BGR), PICTURE),
    "mono16": (WIDE[..., 0], EQUAL),
    "16UC3": (WIDE[..., ::-1], PICTURE),
    "16UC4": (with_alpha(WIDE[..., ::-1]), PICTURE),
    "rgb16": (WIDE, PICTURE),
    "bgr16": (WIDE[..., ::-1], PICTURE),
    "rgba16": (with_alpha(WIDE), PICTURE),
    "bgra16": (with_alpha(WIDE[..., ::-1]), PICTURE),
    "32FC3": (BGR.astype(np.float32), PICTURE),
    "64FC3": (BGR.astype(np.float64), PICTURE),
}


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", CASES)
def test_packed_encodings_with_padding_and_both_byte_orders(
    encoding: str, padding: int, big: bool
) -> None:
    stored, expected = CASES[encoding]
    decoded = decode_image(*message(stored, encoding, padding, big))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, expected)
    raw = raw_pixels(*message(stored, encoding, padding, big))
    assert raw.dtype == stored.dtype
    np.testing.assert_array_equal(raw, stored)


def test_floats_are_clipped_and_nan_is_black() -> None:
    stored = np.array([[-5.0, 0.4, 254.6], [300.0, np.nan, np.inf]], np.float32)[None]
    decoded = decode_image(*message(stored, "32FC3"))
    assert decoded[0].tolist() == [[255, 0, 0], [255, 0, 255]]
    signed = decode_image(*message(np.array([[-3, 7]], np.int8), "8SC1"))
    assert signed[0, :, 0].tolist() == [0, 7]


def test_every_16_bit_value_becomes_the_nearest_8_bit_one() -> None:
    stored = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    decoded = decode_image(*message(stored, "mono16"))
    np.testing.assert_array_equal(decoded[..., 0], np.rint(stored / 257).astype(np.uint8))


@pytest.mark.parametrize("encoding", ["mono16", "rgb16", "bayer_rggb16"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_in_16_use_the_full_range(encoding: str, bits: int) -> None:
    shape = (4, 6, 3) if encoding == "rgb16" else (4, 6)
    stored = np.full(shape, (1 << bits) - 1, np.uint16)
    stored[:2] >>= 1
    decoded = decode_image(*message(stored, encoding))
    assert decoded[-1].min() == 255
    assert abs(int(decoded[0].mean()) - 127) <= 1


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1", "64FC1", "32SC1"])
def test_depth_is_no_camera_image(encoding: str) -> None:
    stored = np.ones((2, 3), {"1": "u2", "3": "f4", "6": "f8"}[encoding[0]])
    with pytest.raises(EncodingError, match=f"'{encoding}' holds depth"):
        decode_image(*message(stored, encoding))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, "array", "numpy"])
def test_every_kind_of_buffer_and_no_copy_of_rgb8(kind: object) -> None:
    data = PICTURE.tobytes()
    buffer = {
        "array": lambda: array.array("B", data),
        "numpy": lambda: np.frombuffer(data, np.uint8),
    }.get(kind, lambda: kind(data))()
    decoded = decode_image(6, 8, "rgb8", 24, 0, buffer)
    np.testing.assert_array_equal(decoded, PICTURE)
    assert np.shares_memory(decoded, np.frombuffer(buffer, np.uint8))


MOSAICS = {"rggb": "RGGB", "bggr": "BGGR", "gbrg": "GBRG", "grbg": "GRBG"}


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (2, 2), (3, 2), (2, 5)])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", MOSAICS)
def test_bayer_names_follow_ros(order: str, bits: int, size: tuple[int, int]) -> None:
    """A plain coloured wall through each mosaic gives its colour back, at the border too."""
    wall = {"R": 200, "G": 120, "B": 40}
    tile = np.array([wall[c] for c in MOSAICS[order]]).reshape(2, 2)
    mosaic = np.tile(tile, (5, 5))[: size[0], : size[1]]
    stored = (mosaic * (257 if bits == 16 else 1)).astype(f"uint{bits}")
    decoded = decode_image(*message(stored, f"bayer_{order}{bits}"))
    assert decoded.shape == (*size, 3)
    assert (decoded == [200, 120, 40]).all()


RGB_OF_YUV = {(81, 90, 240): (254, 0, 0), (145, 54, 34): (0, 255, 1), (41, 240, 110): (0, 0, 255)}


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
@pytest.mark.parametrize("yuv", RGB_OF_YUV)
def test_yuv422(encoding: str, yuv: tuple[int, int, int]) -> None:
    y, u, v = yuv
    quad = (u, y, v, y) if encoding in ("yuv422", "uyvy") else (y, u, y, v)
    stored = np.tile(np.array(quad, np.uint8), (4, 3)).reshape(4, 6, 2)
    decoded = decode_image(*message(stored, encoding, padding=4))
    assert decoded.shape == (4, 6, 3)
    assert np.abs(decoded.astype(int) - RGB_OF_YUV[yuv]).max() <= 2


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
@pytest.mark.parametrize("yuv", RGB_OF_YUV)
def test_semi_planar(encoding: str, yuv: tuple[int, int, int], padding: int) -> None:
    y, u, v = yuv
    height, width, step = 4, 6, 6 + padding
    chroma = (v, u) if encoding == "nv21" else (u, v)
    rows = np.zeros((height, step), np.uint8)
    rows[:, :width] = y
    per_row, count = (2 * step, height) if encoding == "nv24" else (step, height // 2)
    pairs = np.zeros((count, per_row), np.uint8)
    used = 2 * width if encoding == "nv24" else width
    pairs[:, :used] = np.tile(np.array(chroma, np.uint8), used // 2)
    decoded = decode_image(height, width, encoding, step, 0, rows.tobytes() + pairs.tobytes())
    assert decoded.shape == (height, width, 3)
    assert np.abs(decoded.astype(int) - RGB_OF_YUV[yuv]).max() <= 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 8, "rgb8", 24, 0, b""), "height 0 and width 8"),
        ((2, 0, "rgb8", 24, 0, bytes(48)), "height 2 and width 0"),
        ((2, 8, "rgb8", 8, 0, bytes(16)), "step is 8 bytes.*takes 24"),
        ((2, 8, "rgb8", 24, 0, bytes(47)), "holds 47 bytes.*take 48"),
        ((2, 8, "rgb8", 24, 0, bytes(49)), "holds 49 bytes.*take 48"),
        ((2, 8, "rgb8", 24, 0, b""), "holds 0 bytes"),
        ((2, 8, "rgb9", 24, 0, bytes(48)), "unknown image encoding 'rgb9'"),
        ((2, 8, "32UC1", 32, 0, bytes(64)), "unknown image encoding '32UC1'"),
        ((2, 8, "", 24, 0, bytes(48)), "unknown image encoding ''"),
        ((2, 8, "8UC2", 16, 0, bytes(32)), "without a colour meaning"),
        ((2, 7, "yuv422", 14, 0, bytes(28)), "even width, got 7"),
        ((3, 6, "nv12", 6, 0, bytes(27)), "even size, got 3 x 6"),
        ((2, 6, "nv12", 6, 0, bytes(12)), "3 rows of step 6 take 18"),
        ((1, 4, "bayer_rggb8", 4, 0, bytes(4)), "at least 2 x 2"),
        ((2**31, 2**31, "rgb8", 2**33, 0, bytes(9)), "holds 9 bytes"),
    ],
)
def test_refusals_name_the_bad_value(arguments: tuple, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        decode_image(*arguments)


def test_compressed() -> None:
    ok, png = cv2.imencode(".png", BGR)
    assert ok
    np.testing.assert_array_equal(decode_compressed(png.tobytes(), "rgb8; png"), PICTURE)
    _, gray = cv2.imencode(".png", GRAY)
    np.testing.assert_array_equal(decode_compressed(array.array("B", gray.tobytes())), EQUAL)
    for data in (b"", b"no picture", png.tobytes()[:30]):
        with pytest.raises(EncodingError, match=f"{len(data)} bytes"):
            decode_compressed(data, "jpeg")
    _, jpeg = cv2.imencode(".jpg", np.tile(BGR, (20, 20, 1)))
    assert np.abs(decode_compressed(jpeg.tobytes()).mean() - PICTURE.mean()) < 5
    with pytest.raises(EncodingError, match="truncated"):
        decode_compressed(jpeg.tobytes()[: jpeg.size // 2], "jpeg")
    with pytest.raises(EncodingError, match="compressedDepth"):
        decode_compressed(png.tobytes(), "16UC1; compressedDepth png")


ENCODINGS = [*CASES, "bayer_rggb8", "bayer_grbg16", "yuv422", "yuyv", "nv12", "nv21", "nv24"]


@settings(max_examples=300, deadline=None)
@given(
    height=st.integers(0, 9),
    width=st.integers(0, 9),
    encoding=st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=12)),
    step=st.integers(0, 300),
    big=st.booleans(),
    data=st.binary(max_size=600),
    fit=st.booleans(),
)
def test_any_message_gives_a_picture_or_an_encoding_error(
    height: int, width: int, encoding: str, step: int, big: bool, data: bytes, fit: bool
) -> None:
    if fit:  # otherwise hardly any message would be consistent
        planes = {"nv12": 3, "nv21": 3, "nv24": 6}.get(encoding, 2)
        data = (data * (1 + 9 * 300 * 3 // (len(data) + 1)))[: height * step * planes // 2]
    try:
        picture = decode_image(height, width, encoding, step, big, data)
    except EncodingError:
        return
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8


@settings(max_examples=150, deadline=None)
@given(encoding=st.sampled_from(list(CASES)), data=st.data())
def test_consistent_messages_are_always_decoded(encoding: str, data: st.DataObject) -> None:
    layout = layout_of(encoding)
    height, width = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    step = width * layout.channels * layout.dtype.itemsize + data.draw(st.integers(0, 9))
    pixels = data.draw(st.binary(min_size=height * step, max_size=height * step))
    picture = decode_image(height, width, encoding, step, data.draw(st.booleans()), pixels)
    assert picture.shape == (height, width, 3)
