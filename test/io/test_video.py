"""Videos in and out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_perception.io.video import VideoReader, VideoReadError, VideoWriter


def red_ramp(count: int, height: int = 32, width: int = 48) -> list[np.ndarray]:
    return [
        np.full((height, width, 3), (20 + 200 * index // count, 0, 0), np.uint8)
        for index in range(count)
    ]


def write(path, frames, rate_hz=25.0):
    with VideoWriter(path, rate_hz) as video:
        for frame in frames:
            video.write(frame)


@pytest.mark.parametrize("rate_hz", [5.0, 23.976, 29.97, 60.0, 12.5])
def test_rate_and_count_are_kept(tmp_path, rate_hz):
    write(tmp_path / "v.mp4", red_ramp(7), rate_hz)
    with VideoReader(tmp_path / "v.mp4") as video:
        assert video.info.rate_hz == pytest.approx(rate_hz, abs=1e-3)
        assert (video.info.height, video.info.width, video.info.frames) == (32, 48, 7)
        assert len(list(video)) == 7


def test_all_frames_come_in_order_as_rgb(tmp_path):
    frames = red_ramp(230)
    write(tmp_path / "v.mp4", frames)
    with VideoReader(tmp_path / "v.mp4") as video:
        read = list(video)
    assert len(read) == 230
    reds = np.array([frame[..., 0].mean() for frame in read])
    assert np.abs(reds - [frame[0, 0, 0] for frame in frames]).max() < 8
    assert max(frame[..., 2].mean() for frame in read) < 8


def test_reading_goes_on_where_it_stopped(tmp_path):
    write(tmp_path / "v.mp4", red_ramp(6))
    with VideoReader(tmp_path / "v.mp4") as video:
        next(iter(video))
        assert len(list(video)) == 5
        assert list(video) == []


@pytest.mark.parametrize("size", [(31, 48), (32, 47), (31, 47)])
def test_odd_sizes_are_padded(tmp_path, size):
    write(tmp_path / "v.mp4", red_ramp(3, *size))
    with VideoReader(tmp_path / "v.mp4") as video:
        assert (video.info.height, video.info.width) == (32, 48)


def test_frames_too_large_for_the_codec_are_shrunk(tmp_path):
    write(tmp_path / "v.mp4", red_ramp(2, 64, 16380))
    with VideoReader(tmp_path / "v.mp4") as video:
        assert (video.info.height, video.info.width) == (32, 8190)


def test_the_file_appears_only_when_whole(tmp_path):
    path = tmp_path / "v.mp4"

    def frames():
        yield red_ramp(1)[0]
        assert not path.exists()
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write(path, frames())
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no frame was written"), VideoWriter(path, 25):
        pass
    assert not list(tmp_path.iterdir())


def test_what_is_no_video_is_refused(tmp_path):
    with pytest.raises(VideoReadError, match="No such file"):
        VideoReader(tmp_path / "missing.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    with pytest.raises(VideoReadError, match="not a readable video"):
        VideoReader(tmp_path / "bad.mp4")


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), 5000.0])
def test_impossible_rates_are_refused(tmp_path, rate_hz):
    with pytest.raises(ValueError, match="rate_hz"):
        VideoWriter(tmp_path / "v.mp4", rate_hz)


def test_frames_must_be_alike(tmp_path):
    first = red_ramp(1)[0]
    for other in (first[:16], first.astype(np.float32), first[..., 0]):
        with pytest.raises(ValueError, match="frame"):
            write(tmp_path / "v.mp4", [first, other])


def test_other_programs_read_the_colours_right(tmp_path):
    write(tmp_path / "v.mp4", red_ramp(3))
    _, bgr = cv2.VideoCapture(str(tmp_path / "v.mp4")).read()
    assert bgr[..., 0].mean() < 8 < bgr[..., 2].mean()


def test_times_of_every_frame_are_kept(tmp_path):
    """Phones and screen recorders write videos of varying rate."""
    times = [0.0, 0.04, 0.08, 0.36, 0.6, 0.64, 1.9]
    with VideoWriter(tmp_path / "v.mp4", 8.0) as video:
        for frame, time_s in zip(red_ramp(7), times, strict=True):
            video.write(frame, time_s)
    assert video.is_timed
    read = []
    with VideoReader(tmp_path / "v.mp4") as video:
        for frame in video:
            read.append((video.time_s, frame))
    np.testing.assert_allclose([time_s for time_s, _ in read], times, atol=2e-3)
    assert [abs(f[..., 0].mean() - 20 - 200 * k // 7) < 8 for k, (_, f) in enumerate(read)] == [
        True
    ] * 7
    assert not video.is_cut
    assert video.info.duration_s == pytest.approx(1.9 + 1.26, abs=0.01)


def test_a_cut_file_is_told_from_a_trimmed_one(tmp_path):
    write(tmp_path / "v.mp4", red_ramp(40))
    content = (tmp_path / "v.mp4").read_bytes()
    places = {kind: content.index(kind) - 4 for kind in (b"moov", b"elst", b"mvhd", b"tkhd")}
    trimmed = bytearray(content)  # an edit list that hides all but the last 20 frames
    for kind, offset in ((b"elst", 16), (b"mvhd", 24), (b"tkhd", 28)):
        place = places[kind] + offset
        trimmed[place : place + 4] = (800).to_bytes(4, "big")
    (tmp_path / "trimmed.mp4").write_bytes(trimmed)
    with VideoReader(tmp_path / "trimmed.mp4") as video:
        shown = len(list(video))
        assert shown < 40
        assert not video.is_cut
    long = bytearray(content)  # the description of a longer file
    for kind, offset in ((b"mvhd", 24),):
        place = places[kind] + offset
        long[place : place + 4] = (9000).to_bytes(4, "big")
    (tmp_path / "long.mp4").write_bytes(long)
    with VideoReader(tmp_path / "long.mp4") as video:
        list(video)
        assert video.is_cut


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    write(tmp_path / "v.mp4", red_ramp(3))
    monkeypatch.setenv("DEPTH_PERCEPTION_IMAGE_PIXELS", "1000")
    with pytest.raises(VideoReadError, match=r"48 x 32: 1536 pixels, and the limit is 1000"):
        VideoReader(tmp_path / "v.mp4")
