"""Benches of messages and of the node: both ways give the same, and memory stays flat."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
import torch
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from depth_perception.bench.frame_clock import FrameClock, MemorySample
from depth_perception.bench.identity import IdentityEstimator, bench_image
from depth_perception.bench.options import SIZES, Cloud, Node, Soak
from depth_perception.bench.ros.cloud import bench_cloud
from depth_perception.bench.ros.node import bench_node
from depth_perception.bench.ros.soak import Balance, bench_soak, judge
from depth_perception.cli.main import main
from depth_perception.ros.compat.large_messages import keep_large_buffers
from depth_perception.ros.messages.images import read_rgb
from depth_perception.ros.outputs.cloud import CloudOutput
from depth_perception.ros.outputs.depth_image import DepthOutput
from depth_perception.ros.outputs.output import Frame
from depth_perception.ros.parameters.outputs import CloudSettings

pytestmark = pytest.mark.alone


@pytest.fixture(autouse=True)
def without_rclpy() -> Iterator[None]:
    """The benches start rclpy themselves, which other tests of this process may have done."""
    was_ok = rclpy.ok()
    if was_ok:
        rclpy.shutdown()
    yield
    if was_ok:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)


def test_plain_and_our_messages_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "small", (96, 50))
    result = bench_cloud(Cloud(sizes=("small",), repeats=1, threads=1))
    assert [stage.work.rpartition(": ")[2] for stage in result.stages] == [
        "image", "depth", "cloud", "all",
    ]  # fmt: skip
    whole = result.stages[-1]
    assert [m.name for m in whole.measurements] == ["plain", "by point", "ours"]
    apart = {d.what: d for d in whole.differences}
    assert apart["points"].largest == 0
    assert 4000 < apart["points"].scale < 5000, "some are at edges"
    assert apart["m"].largest < 1e-5
    assert apart["level"].largest <= 60, "one kernel blurs the border of the block, one does not"
    assert whole.moved_bytes == 6 * 96**2 + 8 * 50**2 + 16 * int(apart["points"].scale)


class _Publisher:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def get_subscription_count(self) -> int:
        return 1

    def publish(self, message) -> None:
        if hasattr(message, "data"):
            self.sizes.append(len(message.data))
            del self.sizes[:-50]


def test_hundreds_of_frames_leave_nothing_behind() -> None:
    made: list[_Publisher] = []

    def make(_kind: type, _topic: str) -> _Publisher:
        made.append(_Publisher())
        return made[-1]

    outputs = (DepthOutput(make), CloudOutput(make, CloudSettings))
    estimator = IdentityEstimator(24)
    pictures = [bench_image(48, 96) for _ in range(3)]
    for index, picture in enumerate(pictures):
        picture[10 : 12 + 6 * index, 20:40] = 250  # clouds of several sizes

    def work(index: int) -> None:
        data = array("B", pictures[index % 3].tobytes())
        message = Image(height=48, width=96, encoding="rgb8", step=288, data=data)
        message.header.stamp.sec = index
        image = read_rgb(message)
        frame = Frame(message.header, image, estimator(image))
        for output in outputs:
            output.publish(frame)

    for index in range(60):
        work(index)
    gc.collect()
    tracemalloc.start()
    try:
        work(0)
        gc.collect()
        blocks, traced = sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0]
        for index in range(300):
            work(index)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - traced
        grown_blocks = sys.getallocatedblocks() - blocks
    finally:
        tracemalloc.stop()
    assert len({size for p in made for size in p.sizes}) >= 3, "one depth, clouds that differ"
    assert grown_blocks < 150, "half a block a frame would be 150"
    assert grown < 30_000, "100 bytes a frame would be 30 000"


def test_the_verdict_on_memory() -> None:
    def samples(byte_step: int, block_step: int) -> list[MemorySample]:
        return [
            MemorySample(250 * k, 100_000_000 + byte_step * k, 5000 + block_step * k, 100)
            for k in range(40)
        ]

    balance = Balance(100, 98, 2, 90, {"newer image came": 8})

    def figures(*steps: int) -> dict[str, object]:
        return judge(Soak(frames=10_000), samples(*steps), 1.0, balance).figures

    assert figures(0, 2)["is_flat"]
    assert not figures(300_000, 0)["is_flat"]
    assert not figures(0, 50)["is_flat"]
    assert figures(300_000, 0)["growth_bytes"] == 6_000_000
    assert judge(Soak(frames=10_000), samples(0, 50), 1.0, balance).failure == "memory grows"
    assert judge(Soak(frames=10_000), samples(0, 2), 1.0, balance).failure == ""
    for sent, out in ((101, 90), (99, 90), (100, 89), (100, 92)):
        wrong = replace(balance, sent=sent, out=out)
        found = judge(Soak(frames=10_000), samples(0, 2), 1.0, wrong)
        assert found.failure == f"{abs(sent - 100) + abs(out - 90)} images are unexplained"
        assert "DOES NOT ADD UP" in " ".join(found.lines)
    for count in (0, 1, 7):
        few = judge(Soak(frames=10_000), samples(0, 2)[:count], 1.0, balance)
        assert few.failure == "90 of 100 images are too few to judge the memory"
    with pytest.raises(ValueError, match="frames must lie between 80"):
        Soak(frames=79).check()


def test_clock_tells_the_parts_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(s=0.0)
    monkeypatch.setattr("time.perf_counter", lambda: now.s)
    monkeypatch.setattr("time.process_time", lambda: 2 * now.s)
    clock = FrameClock()
    for _ in range(2):  # a second frame does not see the first
        with clock.frame(7):
            now.s += 1
            with clock.part("model"):
                now.s += 10
            for _ in range(2):
                with clock.part("publish"):
                    now.s += 100
            now.s += 2
    last = clock.frames[-1]
    assert (last.total_s, last.model_s, last.publish_s) == (213, 10, 200)
    assert (last.work_s, last.work_cpu_s) == (3, 6)
    clock.write(tmp_path / "clock.json", drops={"late": 1})
    content = json.loads((tmp_path / "clock.json").read_text())
    assert content["drops"] == {"late": 1}
    assert content["peak_bytes"] > 1 << 20
    assert [frame["stamp_ns"] for frame in content["frames"]] == [7, 7]


def test_bench_node_accounts_for_every_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "small", (64, 32))
    result = bench_node(Node(rate_hz=4.0, frames=6, rounds=1))
    plain, ours = result.figures["results"]
    assert (plain["name"], ours["name"]) == ("plain", "ours")
    for found in (plain, ours):
        assert found["sent"] == 6
        assert found["unexplained"] == 0
        assert found["clouds"] + sum(found["drops"].values()) == 6
        assert found["clouds"] > 0
        assert found["latency_p50_ms"] > found["work_ms"] > 0
    differences = result.figures["differences"]
    assert differences["depth m"] == 0
    assert differences["points"] == 0
    assert differences["position m"] < 1e-5
    assert 1500 < result.figures["points"] < 2048
    assert result.sheet.table().row_count == 2
    assert any("less time" in line for line in result.lines)


def test_soak_accounts_for_every_image_and_samples_the_memory() -> None:
    found = bench_soak(Soak(rate_hz=40.0, seconds=2.0, image_height=16, height=8)).figures
    assert all(sample["resident_bytes"] > 1 << 20 for sample in found["samples"])
    assert found["balance"]["sent"] == 90
    assert found["unexplained"] == 0


def test_a_depth_that_says_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "soak", "--frames", "10"]) == 1
    assert "frames must lie between 80" in capsys.readouterr().err
    assert main(["bench", "soak", "--seconds", "60"]) == 1
    assert "seconds need a rate_hz" in capsys.readouterr().err
    assert main(["bench", "node", "--frames", "0"]) == 1
    assert "frames must lie between 1 and inf" in capsys.readouterr().err


def test_allocator_is_told_once_and_the_user_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *option: told.append(option) or 1)
    monkeypatch.setattr("ctypes.CDLL", lambda _name: library)
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    assert keep_large_buffers()
    assert dict(told) == {-1: 2**31 - 1, -3: 2**30}
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000000")
    assert not keep_large_buffers()
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_")
    monkeypatch.setattr("ctypes.CDLL", lambda _name: SimpleNamespace())  # another C library
    assert not keep_large_buffers()
    assert len(told) == 2


def test_identity_depth_is_that_of_the_nearest_pixel() -> None:
    picture = np.zeros((8, 16, 3), np.uint8)
    picture[4:, 8:, 1] = 255
    prediction = IdentityEstimator(4)(torch.from_numpy(picture))
    assert prediction.values.shape == (4, 8)
    assert prediction.values[0, 0] == 1
    assert prediction.values[2, 4] == pytest.approx(9)
    assert (prediction.camera.height, prediction.camera.width) == (4, 8)
