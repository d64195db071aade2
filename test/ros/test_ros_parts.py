"""Mailbox, statistics, rate limit and parameters, in this process."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rclpy.node import Node
from rclpy.parameter import Parameter

from depth_perception.options import options
from depth_perception.ros.nodes.diagnostics import NodeState, Statistics, quantile, status_message
from depth_perception.ros.nodes.mailbox import Mailbox, Worker
from depth_perception.ros.outputs.output import RateLimit
from depth_perception.ros.parameters.node import NodeSettings
from depth_perception.ros.parameters.outputs import CloudSettings, PanelSettings
from depth_perception.ros.parameters.panoramic import PanoramicSettings
from depth_perception.ros.parameters.pinhole import PanopticSettings, PinholeSettings
from depth_perception.ros.parameters.table import ParameterTable


def test_newest_item_wins() -> None:
    mailbox: Mailbox[int] = Mailbox()
    assert mailbox.put(1) is None
    assert mailbox.put(2) == 1
    assert mailbox.take(0.0) == 2
    assert mailbox.take(0.01) is None
    mailbox.put(3)
    assert mailbox.clear() == 3
    mailbox.put(4)
    mailbox.close()
    assert mailbox.take() is None


def test_worker_takes_the_newest_and_stops_within_its_time() -> None:
    done, go = [], threading.Event()

    def work(item: int) -> None:
        go.wait(10)
        done.append(item)

    worker = Worker(work, "test", pytest.fail)
    worker.mailbox.put(0)
    deadline = time.monotonic() + 10
    while worker.mailbox.put(1) is not None and time.monotonic() < deadline:
        time.sleep(0.01)  # until the worker has taken the first
    for item in range(2, 50):
        worker.mailbox.put(item)
    assert not worker.stop(0.05)
    go.set()
    assert worker.stop(10)
    assert len(done) == 1


def test_rate_limit_keeps_near_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("depth_perception.ros.outputs.output.time.monotonic", lambda: now[0])
    limit, allowed = RateLimit(), 0
    for _ in range(300):
        now[0] += 1 / 30
        allowed += limit.allows(10.0)
    assert 98 <= allowed <= 102
    assert all(limit.allows(0.0) for _ in range(5))


def test_statistics() -> None:
    statistics = Statistics()
    for k in range(10):
        statistics.arrived(k * 0.1)
        statistics.published(k * 0.1, k * 0.1 + 0.02 * (k + 1), 0.5)
    statistics.dropped("rate limit")
    assert statistics.failed("refused", "first\nsecond\nthird", 0.5) == (1, 0.0)
    figures = statistics.snapshot(1.0)
    assert (figures.frames_in, figures.frames_out) == (10, 10)
    assert figures.drops == {"rate limit": 1, "refused": 1}
    assert figures.input_rate_hz == pytest.approx(10.0)
    assert figures.latency_p50_ms == pytest.approx(100.0)
    assert figures.latency_p99_ms == pytest.approx(200.0)
    statistics.published(0.0, 0.1, 1e9)  # a stamp of another clock
    assert statistics.snapshot(1.0).age_p99_ms == pytest.approx(500.0)
    assert statistics.snapshot(1.0).failures_in_a_row == 0
    statistics.clear_times()
    assert statistics.snapshot(1.0).input_rate_hz == 0.0
    assert math.isnan(statistics.snapshot(1.0).latency_p50_ms)
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0


def _state(**changes: object) -> NodeState:
    usual = {
        "name": "n", "lifecycle": "active", "enabled": True, "model": "m", "device": "cpu",
        "precision": "float32", "backend": "openvino", "faults": (), "warnings": (),
        "input_timeout_s": 3.0,
    }  # fmt: skip
    return NodeState(**{**usual, **changes})


def test_status_says_what_runs() -> None:
    status = status_message(_state(), Statistics().snapshot(1.0))
    values = {item.key: item.value for item in status.values}
    told = [values[key] for key in ("model", "device", "precision", "backend")]
    assert told == ["m", "cpu", "float32", "openvino"]


def test_status_levels() -> None:
    statistics = Statistics()
    unheard = status_message(_state(image_topic="/image"), statistics.snapshot(1.0)).message
    assert unheard == "no image yet: /image has no publisher; check the name of the topic"
    statistics.arrived(10.0)
    assert status_message(_state(), statistics.snapshot(11.0)).level == DiagnosticStatus.OK
    stale = status_message(_state(), statistics.snapshot(20.0))
    assert stale.level == DiagnosticStatus.WARN
    assert stale.message.startswith("no image for 10.0 s: ")
    fault = status_message(_state(faults=("first\na\nb",)), statistics.snapshot(11.0))
    assert (fault.level, fault.message) == (
        DiagnosticStatus.ERROR,
        "first ... (2 more lines in the log)",
    )
    waiting = status_message(_state(lifecycle="inactive"), statistics.snapshot(11.0))
    assert waiting.level == DiagnosticStatus.WARN
    mismatch = status_message(_state(warnings=("bad qos",)), statistics.snapshot(11.0))
    assert (mismatch.level, mismatch.message) == (DiagnosticStatus.WARN, "bad qos")


@pytest.fixture(scope="module")
def make_node(ros: None) -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def make(**values: object) -> Node:
        overrides = [Parameter(name.replace("__", "."), value=v) for name, v in values.items()]
        made.append(Node(f"parameters_{len(made)}", parameter_overrides=overrides))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


@pytest.fixture(scope="module")
def table(make_node: Callable[..., Node]) -> tuple[Node, ParameterTable[PanoramicSettings]]:
    node = make_node()
    return node, ParameterTable(node, PanoramicSettings, lambda: False)


@pytest.mark.parametrize("kind", [PanoramicSettings, PinholeSettings, PanopticSettings])
def test_declared_parameters_are_described_with_their_limits(
    make_node: Callable[..., Node], kind: type[NodeSettings]
) -> None:
    node = make_node()
    table = ParameterTable(node, kind, lambda: False)
    assert table.problems == ()
    assert table.settings == kind()
    for name, said, default in options(kind):
        default = said.typed_default(default)
        descriptor = node.describe_parameter(name)
        assert descriptor.description == said.text
        assert descriptor.read_only == said.read_only
        if isinstance(default, float) and said.maximum is not None:
            assert descriptor.floating_point_range[0].to_value == said.maximum
        if isinstance(default, int) and not isinstance(default, bool):
            assert descriptor.integer_range[0].from_value == said.lowest
        assert said.unit in descriptor.additional_constraints
        for choice in said.choices:
            assert choice in descriptor.additional_constraints


VALUES = (
    st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=5)
    | st.lists(st.floats(), min_size=1, max_size=5) | st.lists(st.text(max_size=3), min_size=1)
)  # fmt: skip
NAMES = sorted(name for name, said, _ in options(PanoramicSettings) if not said.read_only)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(NAMES), value=VALUES)
def test_any_value_is_refused_with_a_reason_or_leaves_valid_settings(
    table: tuple[Node, ParameterTable[PanoramicSettings]], name: str, value: object
) -> None:
    node, parameters = table
    before = parameters.settings
    result = node.set_parameters([Parameter(name, value=value)])[0]
    after = parameters.settings
    if not result.successful:
        assert name.split(".")[0] in result.reason
        assert after == before
        return
    found = node.get_parameter(name).value
    assert type(found) is type(value)
    for group in (after.cloud, after.panels, after.scan):
        group.check()
    for other, said, default in options(PanoramicSettings):
        held = after
        for part in other.split("."):
            held = getattr(held, part)
        if held is None:
            assert default is None
            continue
        assert type(held) is type(said.typed_default(default))
        assert said.rejection(other, held) is None


def test_not_a_number_is_out_of_every_range(
    table: tuple[Node, ParameterTable[PanoramicSettings]],
) -> None:
    node, _ = table
    result = node.set_parameters([Parameter("cloud.max_range_m", value=math.nan)])[0]
    assert not result.successful


def test_wrong_values_at_start_are_kept_as_problems_until_put_right(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(cloud__stride="two", seam="sideways", cloud__min_range_m=7.0,
                     cloud__max_range_m=2.0)  # fmt: skip
    table = ParameterTable(node, PanoramicSettings, lambda: False)
    text = "\n".join(table.problems)
    for reason in ("cloud.stride", "seam must be one of", "must not exceed"):
        assert reason in text
    assert node.set_parameters([Parameter("cloud.min_range_m", value=1.0)])[0].successful
    assert len(table.problems) == 2
    node.set_parameters([Parameter("seam", value="off"), Parameter("cloud.stride", value=2)])
    assert table.problems == ()
    assert table.settings.cloud == CloudSettings(stride=2, min_range_m=1.0, max_range_m=2.0)


def test_reload_parameters_are_refused_only_while_configured(
    make_node: Callable[..., Node],
) -> None:
    configured = [False]
    node = make_node()
    table = ParameterTable(node, PanoramicSettings, lambda: configured[0])
    assert node.set_parameters([Parameter("height", value=70)])[0].successful
    configured[0] = True
    assert node.set_parameters([Parameter("height", value=70)])[0].successful  # no change
    refused = node.set_parameters([Parameter("height", value=84)])[0]
    assert not refused.successful
    assert "configure it again" in refused.reason
    assert table.settings.height == 70


def test_panels_must_have_as_many_angles_as_names_and_topic_names() -> None:
    PanelSettings().check()
    with pytest.raises(ValueError, match="same length, got 2, 4 and 4"):
        PanelSettings(names=("a", "b")).check()
    with pytest.raises(ValueError, match="'a b'"):
        PanelSettings(names=("a b",), yaw_deg=(0.0,), pitch_deg=(0.0,)).check()
    panel = PanelSettings(names=("up",), yaw_deg=(0.0,), pitch_deg=(90.0,)).panels()[0]
    assert panel.pitch == pytest.approx(math.pi / 2)
