"""What a node notices about itself, in this process: errors, starvation, losses, unread names."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rclpy.node import Node

from depth_perception.ros.nodes.diagnostics import NodeState, Statistics, status_message
from depth_perception.ros.nodes.mailbox import Worker
from depth_perception.ros.nodes.supervision import Losses, describe
from depth_perception.ros.outputs.output import RateLimit
from depth_perception.ros.parameters.given import ParameterFileError, check_files, file_remarks
from depth_perception.ros.parameters.panoramic import PanoramicSettings
from depth_perception.ros.parameters.table import ParameterTable

NAME = "/panoramic_depth"
YAML = "ab1:{}[]&*!|>- \n\"'"  # what a file is made of


@pytest.mark.parametrize("error", [ValueError, MemoryError, SystemExit, KeyboardInterrupt])
def test_no_error_ends_the_worker(error: type[BaseException]) -> None:
    seen, done = [], threading.Event()

    def work(item: int) -> None:
        if item == 0:
            raise error("bad")
        done.set()

    worker = Worker(work, "test", seen.append)
    worker.mailbox.put(0)
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        time.sleep(0.01)
    worker.mailbox.put(1)

    assert done.wait(10)
    assert [type(item) for item in seen] == [error]
    assert not worker.has_ended
    assert worker.stop(10)


def test_worker_says_how_long_it_is_busy() -> None:
    go, begun = threading.Event(), threading.Event()

    def work(item: int) -> None:
        begun.set()
        go.wait(10)

    worker = Worker(work, "test", pytest.fail)
    assert worker.busy_s(time.monotonic()) == 0.0
    worker.mailbox.put(1)
    assert begun.wait(10)
    assert worker.busy_s(time.monotonic() + 100) > 99
    go.set()
    assert worker.stop(10)
    assert worker.busy_s(time.monotonic()) == 0.0


def test_the_rate_in_force_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("depth_perception.ros.outputs.output.time.monotonic", lambda: now[0])
    limit = RateLimit()
    assert limit.allows(0.005)
    now[0] += 1.0
    assert not limit.allows(0.005)
    assert limit.allows(10.0)
    assert not limit.allows(10.0)


def _state(**changes: object) -> NodeState:
    usual = {
        "name": "n", "lifecycle": "active", "enabled": True, "model": "m", "device": "cpu",
        "precision": "float32", "backend": "torch", "faults": (), "warnings": (),
        "input_timeout_s": 3.0, "image_topic": "/image", "publishers": 1,
    }  # fmt: skip
    return NodeState(**{**usual, **changes})


def _judged(statistics: Statistics, now_s: float, **state: object) -> tuple[bytes, str]:
    status = status_message(_state(**state), statistics.snapshot(now_s))
    return status.level, status.message


def _starved(reason: str) -> Statistics:
    """An image every second from 0 to 10 s, none of which goes out."""
    statistics = Statistics()
    for k in range(11):
        statistics.arrived(float(k))
        statistics.awaited(float(k))
        if reason:
            statistics.dropped(reason)
    return statistics


def test_images_that_come_while_nothing_goes_out_are_an_error_with_its_reason() -> None:
    level, text = _judged(_starved("no camera_info"), 10.0)
    assert level == DiagnosticStatus.ERROR
    assert text == "images come, but nothing for 10 s: no camera_info"
    assert _judged(_starved(""), 10.0)[1].endswith("the reason is unknown")
    early = Statistics()
    early.arrived(9.0)
    early.awaited(9.0)
    assert _judged(early, 10.0)[0] == DiagnosticStatus.OK
    failing = _starved("")
    failing.failed("refused", "the image is green", 10.0)
    assert _judged(failing, 10.0)[1] == "images come, but nothing for 10 s: the image is green"


def test_a_limit_that_was_asked_for_is_a_warning_until_it_is_exceeded() -> None:
    slow, fast = ({"max_rate_hz": rate} for rate in (0.005, 1.0))
    level, text = _judged(_starved("rate limit"), 10.0, **slow)
    assert level == DiagnosticStatus.WARN
    assert "max_rate_hz is 0.005" in text
    assert _judged(_starved("rate limit"), 10.0, **fast)[0] == DiagnosticStatus.ERROR


def test_a_slow_image_is_a_warning_and_a_stuck_one_an_error() -> None:
    level, text = _judged(_starved("newer image came"), 10.0, busy_s=9.0)
    assert (level, text) == (
        DiagnosticStatus.WARN,
        "images come, but nothing for 10 s: busy with one image for 9 s",
    )
    level, text = _judged(_starved("newer image came"), 10.0, busy_s=90.0)
    assert level == DiagnosticStatus.ERROR
    assert "restart the node" in text


def test_a_model_that_takes_its_usual_time_is_in_order() -> None:
    statistics = _starved("newer image came")
    statistics.published(0.0, 8.0, 0.0)  # 8 s for an image
    for k in range(11, 20):
        statistics.arrived(float(k))
        statistics.awaited(float(k))
    assert _judged(statistics, 19.0, busy_s=7.0)[0] == DiagnosticStatus.OK


def test_nobody_who_waits_starves() -> None:
    statistics = _starved("rate limit")
    statistics.not_awaited()
    assert _judged(statistics, 10.0)[0] == DiagnosticStatus.OK


def test_published_images_that_do_not_arrive_are_noticed_with_the_way_out() -> None:
    level, text = _judged(Statistics(), 10.0, publishers=2)
    assert level == DiagnosticStatus.WARN
    assert "although /image has 2 publishers" in text
    assert "qos_overrides./image.subscription.reliability" in text
    assert "fastdds_large_data.xml" in text


def _info(number: object, publisher: bytes = b"a") -> dict[str, object]:
    return {"publication_sequence_number": number, "publisher_gid": {"data": publisher}}


def test_lost_images_are_counted_by_publisher() -> None:
    losses = Losses()
    for number, publisher in ((7, b"a"), (8, b"a"), (1, b"b"), (11, b"a"), (3, b"b"), (2, b"b")):
        losses.add(_info(number, publisher), 1.0)
    assert losses.total == 2 + 1
    for other in ({}, _info(None), {"publication_sequence_number": 5}):
        losses.add(other, 1.0)  # of other middleware
    assert losses.total == 3
    assert losses.warning("/image", 1.0) is None


def test_a_topic_that_loses_most_images_is_warned_of() -> None:
    losses = Losses()
    for k in range(4):
        losses.add(_info(1 + 8 * k), float(k))
    text = losses.warning("/image", 4.0)
    assert text is not None
    assert text.startswith("21 of 25 images were lost on their way within 10 s")
    assert losses.warning("/image", 60.0) is None


@pytest.mark.parametrize("text", ["x" * 5_000_000, "line\n" * 100_000, "\x1b[2J\x00", "w\udcff"])
def test_text_from_outside_is_short_and_printable(text: str) -> None:
    shown = describe(ValueError(text))
    assert len(shown) < 30_000
    shown.encode()
    assert all(c.isprintable() or c == "\n" for c in shown)
    status = status_message(_state(warnings=(text,), model=text), Statistics().snapshot(1.0))
    assert len(status.message) < 2000
    assert all(len(item.value) < 1000 and item.value.isprintable() for item in status.values)
    status.message.encode()


def test_frames_lost_are_in_the_status() -> None:
    status = status_message(_state(lost=3), Statistics().snapshot(1.0))
    values = {item.key: item.value for item in status.values}
    assert (values["frames lost"], values["image publishers"]) == ("3", "1")
    assert not math.isnan(float(values["frames in"]))


@pytest.fixture
def make_node(ros: None) -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def make(*arguments: str) -> Node:
        made.append(Node(NAME[1:], cli_args=["--ros-args", *arguments]))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


def test_unknown_parameters_are_named_with_the_nearest_known_one(
    make_node: Callable[..., Node], tmp_path: Path
) -> None:
    path = tmp_path / "typos.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n    modell: x\n    cloud: {strid: 4}\n    clouds: {stride: 4}\n"
        "    nothing_like_it_at_all: 1\n    use_sim_time: false\n"
    )
    node = make_node("--params-file", str(path), "-p", "max_rate_hzz:=1.0")
    table = ParameterTable(node, PanoramicSettings, lambda: False)

    told = " ".join(table.unread(ready=False))

    for wrong, right in (
        ("modell", "model"),
        ("cloud.strid", "cloud.stride"),
        ("clouds.stride", "cloud.stride"),
        ("max_rate_hzz", "max_rate_hz"),
    ):
        assert f"parameter {wrong!r} is unknown and has no effect: did you mean {right!r}?" in told
    assert "'nothing_like_it_at_all' is unknown" in told
    assert "use_sim_time" not in told
    assert table.problems == ()


def _remarks(tmp_path: Path, text: str, name: str = NAME) -> list[str]:
    path = tmp_path / "given.yaml"
    path.write_text(text)
    return list(file_remarks(["node", "--ros-args", "--params-file", str(path)], name))


PARAMETERS = "\n  ros__parameters:\n    max_rate_hz: 1.0\n"


@pytest.mark.parametrize("section", ["panoramic_dept", "/robot/panoramic_depth", "camera"])
def test_a_file_without_a_section_for_the_node_is_named(tmp_path: Path, section: str) -> None:
    (remark,) = _remarks(tmp_path, section + ":" + PARAMETERS)
    assert "no section for this node" in remark
    assert repr(section) in remark
    assert repr(NAME) in remark


@pytest.mark.parametrize(
    "section", ["/**", "panoramic_depth", "/panoramic_depth", "/*", "/**/panoramic_depth"]
)
def test_sections_for_the_node_are_in_order(tmp_path: Path, section: str) -> None:
    text = f'"{section}":{PARAMETERS}panoptic_depth:{PARAMETERS}/other/thing:{PARAMETERS}'
    assert _remarks(tmp_path, text) == []


def test_a_misspelt_section_beside_a_right_one_is_named(tmp_path: Path) -> None:
    (remark,) = _remarks(tmp_path, f"/**:{PARAMETERS}panoramic_dept:{PARAMETERS}")
    assert "'panoramic_dept' is of no node" in remark


def test_a_namespace_counts(tmp_path: Path) -> None:
    text = "robot:\n  panoramic_depth:\n    ros__parameters: {max_rate_hz: 1.0}\n"
    assert _remarks(tmp_path, text, "/robot/panoramic_depth") == []
    (remark,) = _remarks(tmp_path, f"panoramic_depth:{PARAMETERS}", "/robot/panoramic_depth")
    assert "'/robot/panoramic_depth'" in remark


def test_repeated_parameters_are_named_with_their_lines(tmp_path: Path) -> None:
    text = f"/**:{PARAMETERS}    max_rate_hz: 2.0\n    cloud: {{stride: 4}}\n    cloud.stride: 2\n"
    first, second = _remarks(tmp_path, text)
    assert "line 4: 'max_rate_hz' is given twice (first in line 3)" in first
    assert "line 6: 'cloud.stride' is given twice (first in line 5)" in second
    twice = ["node", "--ros-args", "-p", "model:=a", "-p", "model:=b", "-p", "seam:=off"]
    assert list(file_remarks(twice, NAME)) == [
        "parameter 'model' is given twice: remove one, the last value counts"
    ]


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "\x00", "{[1]: {ros__parameters: {}}}", "1"])
def test_files_that_are_none_make_no_remark_of_ours(tmp_path: Path, text: str) -> None:
    _remarks(tmp_path, text)


def test_a_file_that_leads_back_to_itself_ends(tmp_path: Path) -> None:
    for text in ("&a {b: *a}", "&a [*a]", "a: &a {c: 1}\nb: *a"):
        assert _remarks(tmp_path, text) == []  # ROS does not read aliases, and says so


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=200) | st.text(YAML, max_size=200).map(str.encode))
def test_no_content_of_a_file_ends_a_node(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "given.yaml"
    path.write_bytes(b"/**:\n  ros__parameters:\n    " + content)
    for remark in file_remarks(["node", "--ros-args", "--params-file", str(path)], NAME):
        assert len(remark) < 2000


@pytest.mark.parametrize("kind", ["folder", "missing", "pipe", "device"])
def test_only_regular_files_are_parameter_files(tmp_path: Path, kind: str) -> None:
    path = {"folder": tmp_path, "device": Path("/dev/zero")}.get(kind, tmp_path / kind)
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(ParameterFileError, match="parameter file"):
        check_files(["node", "--ros-args", "--params-file", str(path)])
