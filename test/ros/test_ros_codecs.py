"""Messages in and out, without a running node."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ros_harness import cloud_of, depth_of, image, panorama
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from depth_perception.geometry import DepthKind, Equirectangular, Pinhole, edge_mask
from depth_perception.geometry.rotations import from_quaternion, view_rotation
from depth_perception.io.encodings import EncodingError
from depth_perception.io.images import write_image
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind
from depth_perception.ros.inputs.masks import fit_mask
from depth_perception.ros.messages import clouds
from depth_perception.ros.messages.buffers import PayloadBuffer
from depth_perception.ros.messages.clouds import CloudPacker, CpuRecords, Grid, _pack_on_device
from depth_perception.ros.messages.frames import (
    UPRIGHT,
    derived_frame,
    derived_optical_frame,
    info_message,
    rotation_message,
    static_transform,
)
from depth_perception.ros.messages.images import (
    _halved,
    _halved_on_cpu,
    depth_message,
    image_message,
    read_rgb,
)
from depth_perception.ros.nodes.panoramic import panorama_camera
from depth_perception.ros.outputs.cloud import kept_points
from depth_perception.ros.outputs.depth_image import scale_message
from depth_perception.ros.outputs.output import Frame
from depth_perception.ros.outputs.scan import scan_message, scan_ranges
from depth_perception.ros.parameters.outputs import CloudSettings, ScanSettings

HEADER = Header(frame_id="head_optical_frame")
ENCODINGS = ("rgb8", "bgr8", "mono8", "mono16", "rgba8", "bgra16", "16UC1", "32FC1", "8UC2",
             "bayer_rggb8", "bayer_grbg16", "yuv422", "yuv422_yuy2", "nv12", "nv24", "", "rgb9",
             "64FC4")  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    height=st.integers(0, 9),
    width=st.integers(0, 9),
    encoding=st.sampled_from(ENCODINGS) | st.text(max_size=8),
    step=st.integers(0, 100),
    is_bigendian=st.booleans(),
    data=st.binary(max_size=400),
    fits=st.booleans(),
)
def test_any_image_message_is_either_a_picture_or_an_image_error(
    height: int,
    width: int,
    encoding: str,
    step: int,
    is_bigendian: bool,
    data: bytes,
    fits: bool,
) -> None:
    if fits:
        data = (data * (step * height // max(len(data), 1) + 1))[: step * height]
    message = Image(
        height=height,
        width=width,
        encoding=encoding,
        step=step,
        is_bigendian=int(is_bigendian),
        data=array("B", data),
    )
    try:
        pixels = read_rgb(message)
    except EncodingError:
        return
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == torch.uint8


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=200), image_format=st.text(max_size=20))
def test_any_compressed_message_is_refused_or_decoded(data: bytes, image_format: str) -> None:
    message = CompressedImage(format=image_format, data=array("B", data))
    with pytest.raises(EncodingError):
        read_rgb(message)


def test_compressed_image(tmp_path) -> None:
    pixels = panorama()
    write_image(tmp_path / "p.png", pixels)
    data = array("B", (tmp_path / "p.png").read_bytes())
    decoded = read_rgb(CompressedImage(format="rgb8; png compressed bgr8", data=data))
    np.testing.assert_array_equal(decoded, pixels)


def test_rgb8_is_read_without_a_copy() -> None:
    message = image(panorama())
    pixels = read_rgb(message)
    message.data[0] ^= 255
    assert int(pixels[0, 0, 0]) == message.data[0]


def test_depth_image_has_nan_where_nothing_is_known() -> None:
    depth = torch.rand(4, 6) + 1
    valid = torch.rand(4, 6) > 0.4
    message = depth_message(HEADER, depth, valid)
    values = depth_of(message)
    np.testing.assert_array_equal(np.isfinite(values), valid)
    np.testing.assert_array_equal(values[valid], depth[valid])
    assert (message.step, message.is_bigendian, message.encoding) == (24, 0, "32FC1")


def test_payload_buffer_keeps_its_memory_while_the_size_stays() -> None:
    buffer = PayloadBuffer()
    first = buffer.fill(torch.arange(6.0))
    second = buffer.fill(torch.arange(6.0) * 2)
    assert first is second
    np.testing.assert_array_equal(np.frombuffer(second, np.float32), np.arange(6.0) * 2)
    assert len(buffer.fill(torch.arange(4, dtype=torch.uint8).view(2, 2))) == 4
    assert len(buffer.fill(torch.empty(0, 4))) == 0
    strided = torch.arange(12, dtype=torch.uint8).view(3, 4).T
    np.testing.assert_array_equal(np.frombuffer(buffer.fill(strided), np.uint8), strided.flatten())


def test_messages_hold_the_memory_of_their_publisher() -> None:
    buffer, packer = PayloadBuffer(), CloudPacker()
    depth, rays = torch.full((2, 3), 4.0), torch.ones(2, 3, 3)
    everywhere = torch.ones(2, 3, dtype=torch.bool)
    images = [depth_message(HEADER, depth, everywhere, buffer) for _ in range(2)]
    clouds = [
        packer.message(HEADER, rays, depth, everywhere, None, CloudSettings()) for _ in range(2)
    ]
    assert images[0].data is images[1].data is buffer.data
    assert clouds[0].data is clouds[1].data


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    stride=st.integers(1, 4),
    organised=st.booleans(),
    coloured=st.booleans(),
    labelled=st.booleans(),
    low=st.floats(0, 3),
    high=st.floats(0.01, 9),
    band=st.sampled_from([1, 24, 1 << 16]),
)
def test_cloud_holds_exactly_the_points_asked_for(
    seed: int,
    stride: int,
    organised: bool,
    coloured: bool,
    labelled: bool,
    low: float,
    high: float,
    band: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    rays = torch.nn.functional.normalize(torch.randn(7, 10, 3, generator=generator), dim=-1)
    ranges = torch.randn(7, 10, generator=generator).abs() * 4
    ranges[2, 3:7] = torch.tensor([torch.nan, torch.inf, 0.0, -1.0])
    keep = torch.rand(7, 10, generator=generator) > 0.3
    colours = torch.randint(0, 256, (7, 10, 3), generator=generator, dtype=torch.uint8)
    labels = torch.randint(-(2**31), 2**31 - 1, (7, 10, 2), generator=generator).int()
    options = CloudSettings(stride=stride, organised=organised, min_range_m=low, max_range_m=high)

    packer = CloudPacker()
    for turned in (keep.flip(0), keep):  # memory is used again
        with mock.patch.object(clouds, "_BAND_POINTS", band):
            message = packer.message(
                *(HEADER, rays, ranges, turned, colours if coloured else None, options),
                labels if labelled else None,
            )

    found, found_colours = cloud_of(message)
    distance = ranges[::stride, ::stride].numpy()
    sampled = rays[::stride, ::stride].numpy() * distance[..., None]
    wanted = keep[::stride, ::stride].numpy() & (distance >= low) & (distance <= high)
    wanted &= np.isfinite(distance) & (distance > 0)
    assert message.is_dense is not organised
    assert (
        message.row_step
        == message.width * message.point_step
        == len(message.data) / (message.height)
    )
    if organised:
        assert found.shape == sampled.shape
        np.testing.assert_array_equal(np.isfinite(found).all(-1), wanted)
        np.testing.assert_array_equal(found[wanted], sampled[wanted])
    else:
        np.testing.assert_array_equal(found[0], sampled[wanted])
    if coloured:
        expected = colours[::stride, ::stride].numpy()
        expected = expected if organised else expected[wanted][None]
        np.testing.assert_array_equal(found_colours, expected)
    names = [field.name for field in message.fields]
    assert names == [*"xyz", *["rgb"] * coloured, *["label", "instance"] * labelled]
    assert [field.offset for field in message.fields] == [4 * k for k in range(len(names))]
    if labelled:
        shape = (message.height, message.width, len(names))
        cells = np.frombuffer(message.data, np.int32).reshape(shape)
        expected = labels[::stride, ::stride].numpy()
        np.testing.assert_array_equal(
            cells[..., -2:], expected if organised else expected[wanted][None]
        )


@pytest.mark.parametrize("organised", [True, False])
@pytest.mark.parametrize("has_colours", [True, False])
@pytest.mark.parametrize("has_labels", [True, False])
@pytest.mark.parametrize("stride", [1, 3])
def test_devices_pack_as_the_cpu_does(
    organised: bool, has_colours: bool, has_labels: bool, stride: int
) -> None:
    generator = torch.Generator().manual_seed(5)
    rays, ranges = torch.randn(9, 12, 3, generator=generator), torch.rand(9, 12) + 1
    grid = (len(range(0, 9, stride)), len(range(0, 12, stride)))
    keep = torch.rand(grid, generator=generator) > 0.4
    colours = torch.randint(0, 256, (*grid, 3), dtype=torch.uint8) if has_colours else None
    labels = torch.randint(0, 99, (*grid, 2)).int() if has_labels else None
    buffers = PayloadBuffer(), PayloadBuffer()
    points = Grid(rays, ranges[::stride, ::stride], keep, colours, labels, stride)
    shapes = [
        pack(points, buffer, organised=organised)
        for pack, buffer in zip((CpuRecords().pack, _pack_on_device), buffers, strict=True)
    ]
    assert shapes[0] == shapes[1]
    assert len(buffers[0].data) == 4 * math.prod(shapes[0]) > 0
    assert buffers[0].data == buffers[1].data


def test_bytes_that_somebody_still_looks_at_are_left_to_them() -> None:
    buffer = PayloadBuffer()
    seen = np.frombuffer(buffer.fill(torch.arange(6.0)), np.float32)
    assert len(buffer.fill(torch.arange(4.0))) == 16
    np.testing.assert_array_equal(seen, np.arange(6.0))


def _box_prediction(height: int) -> tuple[Prediction, np.ndarray]:
    """Range in a room 6 m wide and 4 m deep, and its true horizontal distance by column."""
    camera = Equirectangular(height, 2 * height)
    rays = camera.rays()
    horizontal = 1 / torch.maximum(rays[..., 0].abs() / 3, rays[..., 2].abs() / 2)
    valid = torch.ones(height, 2 * height, dtype=torch.bool)
    prediction = Prediction(
        horizontal, valid, camera, DepthKind.RANGE, DepthSpace.DEPTH, ScaleKind.METRIC
    )
    middle = rays[height // 2, :, [0, 2]]
    middle = middle / middle.norm(dim=-1, keepdim=True)
    truth = 1 / torch.maximum(middle[:, 0].abs() / 3, middle[:, 1].abs() / 2)
    return prediction, truth.numpy()


def test_scan_of_a_box_room() -> None:
    prediction, truth = _box_prediction(90)
    options = ScanSettings(band_deg=10.0, max_range_m=3.3)
    camera = prediction.camera

    ranges = scan_ranges(prediction.depth, prediction.valid, camera, options)
    scan = scan_message(HEADER, ranges, camera, options)

    angles = scan.angle_min + np.arange(len(scan.ranges)) * scan.angle_increment
    found = np.array(scan.ranges)
    expected = 1 / np.maximum(np.abs(np.sin(angles)) / 3, np.abs(np.cos(angles)) / 2)
    near = expected <= 3.29
    np.testing.assert_allclose(found[near], expected[near], rtol=1e-3)
    assert np.isposinf(found[expected > 3.31]).all()
    assert truth.max() > 3.31
    assert scan.angle_max == pytest.approx(angles[-1], abs=1e-4)
    assert scan.range_max == pytest.approx(3.3)


def test_scan_knows_the_left_from_the_right_and_what_it_does_not_know() -> None:
    camera = Equirectangular(18, 36)
    depth = torch.full((18, 36), 5.0)
    depth[:, 27] = 1.0  # 90 degrees to the right
    valid = torch.ones_like(depth, dtype=torch.bool)
    valid[:, 18] = False
    depth[:, 5] = 0.01
    options = ScanSettings(band_deg=30.0, max_range_m=9.0)

    ranges = scan_ranges(depth, valid, camera, options)

    scan = scan_message(HEADER, ranges, camera, options)
    angles = np.degrees(scan.angle_min + np.arange(36) * scan.angle_increment)
    beam = int(np.argmin(np.where(np.isfinite(scan.ranges), scan.ranges, np.inf)))
    assert angles[beam] == pytest.approx(-95.0)  # a pixel centre right of straight right
    assert np.flatnonzero(np.isnan(scan.ranges)).tolist() == [35 - 18]
    assert np.flatnonzero(np.isneginf(scan.ranges)).tolist() == [35 - 5]
    upper = Equirectangular(18, 36, latitude_max=-0.5)
    with pytest.raises(ValueError, match="outside the image"):
        scan_ranges(depth, valid, upper, options)


def test_camera_info() -> None:
    full = info_message(HEADER, Equirectangular(8, 16))
    assert (full.height, full.width, full.k[0]) == (8, 16, 0.0)
    pinhole = info_message(HEADER, Pinhole(8, 16, 5.0, 6.0, 8.0, 4.0))
    np.testing.assert_allclose(pinhole.k, [5, 0, 7.5, 0, 6, 3.5, 0, 0, 1])
    np.testing.assert_allclose(pinhole.p, [5, 0, 7.5, 0, 0, 6, 3.5, 0, 0, 0, 1, 0])
    assert pinhole.distortion_model == "plumb_bob"


def _matrix(quaternion) -> torch.Tensor:
    values = [quaternion.x, quaternion.y, quaternion.z, quaternion.w]
    return from_quaternion(torch.tensor(values, dtype=torch.float64))


def test_frames_are_right_handed_turns_of_the_camera() -> None:
    assert derived_frame("head_optical_frame", "scan") == "head_scan_frame"
    assert derived_frame("camera", "scan") == "camera_scan_frame"
    assert derived_frame("", "scan") == "scan_frame"
    assert derived_optical_frame("head_optical_frame", "left") == "head_left_optical_frame"
    upright = _matrix(UPRIGHT)  # columns: axes of the scan frame in the optical frame
    forward, left, up = upright.T.round().int().tolist()
    assert (forward, left, up) == ([0, 0, 1], [-1, 0, 0], [0, -1, 0])
    turn = view_rotation(math.pi / 2, 0.3)
    torch.testing.assert_close(_matrix(rotation_message(turn)), turn)
    transform = static_transform("a", "b", UPRIGHT)
    assert (transform.header.frame_id, transform.child_frame_id) == ("a", "b")


def test_scale_message_tells_what_is_unknown() -> None:
    prediction, _ = _box_prediction(6)
    metric = scale_message(HEADER, prediction)
    assert (metric.scale, metric.shift, metric.source, metric.is_metric) == (1, 0, "model", True)
    unknown = Prediction(
        prediction.values, prediction.valid, prediction.camera, DepthKind.RANGE,
        DepthSpace.INVERSE_DEPTH, ScaleKind.AFFINE_INVARIANT,
    )  # fmt: skip
    message = scale_message(HEADER, unknown)
    assert message.kind == message.KIND_INVERSE_DEPTH
    assert message.source == "none"
    assert not message.is_metric
    assert math.isnan(message.scale)


@pytest.mark.parametrize("space", DepthSpace)
def test_scale_message_names_every_space(space: DepthSpace) -> None:
    prediction, _ = _box_prediction(6)
    message = scale_message(HEADER, replace(prediction, space=space))
    assert message.kind == getattr(message, f"KIND_{space.name}")


def test_edges_are_left_out_on_request() -> None:
    prediction, _ = _box_prediction(30)
    values = torch.full_like(prediction.values, 2.0)
    values[:, 30:] = 4.0
    jump = Prediction(
        values, prediction.valid, prediction.camera, DepthKind.RANGE, DepthSpace.DEPTH,
        ScaleKind.METRIC,
    )  # fmt: skip
    frame = Frame(HEADER, torch.zeros(30, 60, 3, dtype=torch.uint8), jump)
    assert kept_points(frame, 0.0).all()
    kept = kept_points(frame, 0.5)
    assert not kept[:, [0, 29, 30, 59]].any()
    assert kept[:, 5:25].all()


def test_colours_follow_the_grid_of_the_depth() -> None:
    prediction, _ = _box_prediction(6)
    flat = torch.full((24, 48, 3), 77, dtype=torch.uint8)
    flat[..., 1] = 200
    colours = Frame(HEADER, flat, prediction).colours()
    assert colours.shape == (6, 12, 3)
    assert colours.dtype == torch.uint8
    assert (colours == torch.tensor([77, 200, 77], dtype=torch.uint8)).all()
    message = image_message(HEADER, colours, "rgb8")
    assert (message.step, len(message.data)) == (36, 216)


@pytest.mark.parametrize(
    ("size", "halvings", "antialias"),
    [
        ((97, 190), 0, False),  # a step of 1.5
        ((21, 50), 0, False),  # the picture is the smaller one
        ((126, 252), 1, False),
        ((504, 1008), 3, False),
        ((300, 620), 2, False),
        ((151, 301), 0, True),  # odd: cannot be halved
    ],
)
def test_colours_are_halved_and_bilinear(
    size: tuple[int, int], halvings: int, antialias: bool
) -> None:
    prediction, _ = _box_prediction(63)
    pixels = torch.randint(0, 256, (*size, 3), dtype=torch.uint8)
    planes = pixels.permute(2, 0, 1)[None].float()
    for _ in range(halvings):
        planes = torch.floor(torch.nn.functional.avg_pool2d(planes, 2) + 0.5)
    planes = torch.nn.functional.interpolate(
        planes, (63, 126), mode="bilinear", antialias=antialias
    )
    expected = planes[0].permute(1, 2, 0).round()
    apart = (Frame(HEADER, pixels, prediction).colours().float() - expected).abs()
    assert apart.max() <= 1
    assert (apart > 0).float().mean() < 0.3
    if size[0] % 2 == 0:
        assert torch.equal(_halved(pixels), _halved_on_cpu(pixels))


@pytest.mark.parametrize("organised", [True, False])
def test_messages_have_the_bytes_of_a_prediction_taken_apart(organised: bool) -> None:
    prediction, _ = _box_prediction(40)
    values = prediction.values.clone()
    values[5:9, 20:30], values[2, 3] = 9.0, torch.nan
    valid = prediction.valid.clone()
    valid[30:34] = False
    prediction = replace(prediction, values=values, valid=valid)
    colours = torch.randint(0, 256, (40, 80, 3), dtype=torch.uint8)
    frame = Frame(HEADER, colours, prediction)
    message = CloudPacker().message(
        HEADER,
        prediction.camera.rays(),
        frame.range_m,
        kept_points(frame, 0.1),
        frame.colours(),
        CloudSettings(organised=organised, max_range_m=100.0),
    )

    points = prediction.points()
    keep = prediction.valid & ~edge_mask(prediction.depth, 0.1, prediction.valid, wraps=True)
    keep &= (points.norm(dim=-1) >= 0.1) & (points.norm(dim=-1) <= 100)
    assert 0 < int(keep.count_nonzero()) < int(prediction.valid.count_nonzero())
    bits = (colours.int() * torch.tensor([1 << 16, 1 << 8, 1])).sum(-1, dtype=torch.int32)
    points = torch.where(keep[..., None], points, torch.nan)
    records = torch.cat((points, bits.view(torch.float32)[..., None]), -1)
    records = records if organised else records[keep]
    assert bytes(message.data) == records.numpy().tobytes()
    depth = torch.where(prediction.valid, prediction.depth, torch.nan)
    buffer = PayloadBuffer()
    for _ in range(2):
        found = depth_message(HEADER, prediction.depth, prediction.valid, buffer)
        assert bytes(found.data) == depth.numpy().tobytes()


def test_a_size_that_goes_up_and_down_is_followed_in_place() -> None:
    buffer = PayloadBuffer()
    data = buffer.data
    for size in (1000, 990, 1010, 0, 37, 5000, 4990):
        values = torch.randint(0, 256, (size, 3), dtype=torch.uint8)
        assert buffer.fill(values) is data
        assert bytes(data) == values.numpy().tobytes()


def test_panorama_camera_wants_two_to_one_or_a_field_of_view() -> None:
    assert panorama_camera(100, 200, 360.0, 180.0) == Equirectangular(100, 200)
    assert panorama_camera(100, 201, 360.0, 180.0) == Equirectangular(100, 201)
    with pytest.raises(ValueError, match="640 x 480"):
        panorama_camera(480, 640, 360.0, 180.0)
    partial = panorama_camera(480, 640, 120.0, 90.0)
    assert partial.horizontal_fov == pytest.approx(math.radians(120.0))


def test_mask_is_resized_without_new_values_and_must_fit() -> None:
    mask = torch.zeros(20, 40, dtype=torch.bool)
    mask[15:] = True
    small = fit_mask(mask, 8, 16)
    assert small.shape == (8, 16)
    assert small[6:].all()
    assert not small[:6].any()
    assert fit_mask(mask, 20, 40) is mask
    with pytest.raises(ValueError, match="40 x 20"):
        fit_mask(mask, 20, 20)
