"""Statistics of a node, and its diagnostic status."""

from __future__ import annotations

import math
import resource
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from ...limits import printable
from ...prediction import Prediction
from .supervision import silence

_WINDOW_S = 5.0
_LATENCIES = 500
_PLAUSIBLE_AGE_S = 3600.0
_USUAL_LATENCIES = 3  # times the usual latency without an output are no failure yet
_STUCK_S = 60.0
_KEY_CHARACTERS, _MESSAGE_CHARACTERS = 80, 1500


@dataclass(frozen=True)
class Snapshot:
    """Statistics at one moment. Counts are over the life of the node.

    Attributes:
        frames_in, frames_out: images received; images whose outputs were published.
        drops: number of dropped images by reason.
        input_rate_hz, output_rate_hz: over the last 5 s.
        latency_p50_ms, latency_p99_ms: from arrival to publication, over the last 500 images.
        age_p50_ms, age_p99_ms: from the stamp of the image to publication; NaN where unknown.
        since_input_s: time since the last image; infinite before the first.
        last_error: text of the last failure, or empty.
        failures_in_a_row: consecutive failed images.
        failing_s: time since the first of them.
        starved_s: time since the first image that somebody waited for after the last output; 0 if
            nobody waits.
        starved_by: why most images since then were dropped; empty if none was.
    """

    drops: Mapping[str, int]
    input_rate_hz: float
    output_rate_hz: float
    latency_p50_ms: float
    latency_p99_ms: float
    age_p50_ms: float
    age_p99_ms: float
    since_input_s: float
    last_error: str
    frames_in: int = 0
    frames_out: int = 0
    failures_in_a_row: int = 0
    failing_s: float = 0.0
    starved_s: float = 0.0
    starved_by: str = ""


class Statistics:
    """Counts and times of one node; thread-safe. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()
        self._last_error = ""
        self._last_input_s = -math.inf
        self._failing_since_s: float | None = None
        self._starved_since_s: float | None = None
        self._starved_by: Counter[str] = Counter()
        self._inputs: deque[float] = deque(maxlen=2000)
        self._outputs: deque[float] = deque(maxlen=2000)
        self._latencies_s: deque[float] = deque(maxlen=_LATENCIES)
        self._ages_s: deque[float] = deque(maxlen=_LATENCIES)

    def arrived(self, now_s: float) -> None:
        """An image arrived."""
        with self._lock:
            self._counts["frames_in"] += 1
            self._inputs.append(now_s)
            self._last_input_s = now_s

    def awaited(self, now_s: float) -> None:
        """Somebody waits for the outputs of an image that arrived."""
        with self._lock:
            if self._starved_since_s is None:
                self._starved_since_s = now_s

    def not_awaited(self) -> None:
        """Nobody waits for outputs, or none are to be made."""
        with self._lock:
            self._sated()

    def dropped(self, reason: str) -> None:
        """An image was dropped."""
        with self._lock:
            self._drops[reason] += 1
            self._starved_by[reason] += 1

    def failed(self, reason: str, error: str, now_s: float) -> tuple[int, float]:
        """Processing an image failed; the number of consecutive failures, and since when, s."""
        with self._lock:
            self._drops[reason] += 1
            self._starved_by[reason] += 1
            self._last_error = error
            self._counts["failures_in_a_row"] += 1
            if self._failing_since_s is None:
                self._failing_since_s = now_s
            return self._counts["failures_in_a_row"], now_s - self._failing_since_s

    def published(self, arrived_s: float, now_s: float, age_s: float) -> None:
        """The outputs of an image were published.

        ``age_s`` is the time since its stamp; implausible ones (a recording played without its
        clock) are ignored.
        """
        with self._lock:
            self._counts["frames_out"] += 1
            self._counts["failures_in_a_row"], self._failing_since_s = 0, None
            self._sated()
            self._outputs.append(now_s)
            self._latencies_s.append(now_s - arrived_s)
            if abs(age_s) < _PLAUSIBLE_AGE_S:
                self._ages_s.append(age_s)

    def clear_failures(self) -> None:
        """Clear failures and the last error, for a new configuration."""
        with self._lock:
            self._counts["failures_in_a_row"], self._failing_since_s = 0, None
            self._last_error = ""
            self._sated()

    def clear_times(self) -> None:
        """Clear rates and latencies, which a clock jump invalidates."""
        with self._lock:
            for times in (self._inputs, self._outputs, self._latencies_s, self._ages_s):
                times.clear()

    def _sated(self) -> None:
        self._starved_since_s = None
        self._starved_by.clear()

    def snapshot(self, now_s: float) -> Snapshot:
        """The statistics at ``now_s``."""
        with self._lock:
            return Snapshot(
                **self._counts,
                drops=dict(self._drops),
                input_rate_hz=_rate(self._inputs, now_s),
                output_rate_hz=_rate(self._outputs, now_s),
                latency_p50_ms=1e3 * quantile(self._latencies_s, 0.50),
                latency_p99_ms=1e3 * quantile(self._latencies_s, 0.99),
                age_p50_ms=1e3 * quantile(self._ages_s, 0.50),
                age_p99_ms=1e3 * quantile(self._ages_s, 0.99),
                since_input_s=now_s - self._last_input_s,
                last_error=self._last_error,
                failing_s=0.0 if self._failing_since_s is None else now_s - self._failing_since_s,
                starved_s=0.0 if self._starved_since_s is None else now_s - self._starved_since_s,
                starved_by=max(self._starved_by, key=self._starved_by.__getitem__, default=""),
            )


@dataclass(frozen=True)
class NodeState:
    """Content of a status message besides the statistics.

    Attributes:
        name: name of the status.
        lifecycle: label of the lifecycle state.
        enabled: false after ``~/enable`` with false.
        model, device, precision, backend: of the loaded model; empty if none is loaded.
        faults: sentences that make the status an error.
        warnings: sentences that make it a warning.
        input_timeout_s: time without an image after which the status is a warning.
        image_topic: full name of the topic of the images.
        publishers: number of matched publishers of images.
        lost: number of images that were published but did not arrive.
        max_rate_hz: limit of the rate; 0: none.
        busy_s: time since the work on the present image began; 0 if there is none.
        details: further values by name.
    """

    name: str
    lifecycle: str
    enabled: bool
    model: str
    device: str
    precision: str
    backend: str
    faults: Sequence[str]
    warnings: Sequence[str]
    input_timeout_s: float
    image_topic: str = "image"
    publishers: int = 0
    lost: int = 0
    max_rate_hz: float = 0.0
    busy_s: float = 0.0
    details: Mapping[str, str] = field(default_factory=dict)


def status_message(state: NodeState, figures: Snapshot) -> DiagnosticStatus:
    """Level, message, and all statistics."""
    level, text = _judge(state, figures)
    values = {
        "state": state.lifecycle,
        "enabled": str(state.enabled).lower(),
        **{name: getattr(state, name) for name in ("model", "device", "precision", "backend")},
        "image publishers": str(state.publishers),
        "frames lost": str(state.lost),
        "frames in": str(figures.frames_in),
        "frames out": str(figures.frames_out),
        "frames dropped": str(sum(figures.drops.values())),
        **{f"dropped: {reason}": str(count) for reason, count in sorted(figures.drops.items())},
        "input rate (Hz)": f"{figures.input_rate_hz:.2f}",
        "output rate (Hz)": f"{figures.output_rate_hz:.2f}",
        "latency p50 (ms)": f"{figures.latency_p50_ms:.1f}",
        "latency p99 (ms)": f"{figures.latency_p99_ms:.1f}",
        "age p50 (ms)": f"{figures.age_p50_ms:.1f}",
        "age p99 (ms)": f"{figures.age_p99_ms:.1f}",
        "failures in a row": str(figures.failures_in_a_row),
        "last error": _brief(figures.last_error),
        "memory (MiB)": f"{resident_mib():.0f}",
        **state.details,
    }
    if state.device.startswith("cuda"):
        allocated = torch.cuda.memory_allocated(torch.device(state.device))
        values["device memory (MiB)"] = f"{allocated / 2**20:.0f}"
    return DiagnosticStatus(
        level=level,
        name=state.name,
        message=printable(text, _MESSAGE_CHARACTERS),
        hardware_id=state.device or "none",
        values=[
            KeyValue(key=printable(key, _KEY_CHARACTERS), value=printable(value))
            for key, value in values.items()
        ],
    )


def prediction_warnings(prediction: Prediction) -> Iterator[str]:
    """Reasons not to trust a prediction, one sentence each."""
    if prediction.note and not prediction.is_metric:
        yield f"not metric: {prediction.note}"
    if prediction.scene is not None and prediction.scene.is_at_floor:
        yield "the model could not estimate the size of the scene: its scale is unreliable"


def quantile(values: Sequence[float] | deque[float], share: float) -> float:
    """The nearest-rank quantile; NaN without values."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def resident_mib() -> float:
    """Resident memory of this process; its peak where only that is known."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _judge(state: NodeState, figures: Snapshot) -> tuple[bytes, str]:
    if state.faults:
        return DiagnosticStatus.ERROR, "; ".join(map(_brief, state.faults))
    if state.lifecycle != "active":
        return DiagnosticStatus.WARN, f"not active ({state.lifecycle})"
    level, warnings = DiagnosticStatus.WARN, list(state.warnings)
    if not state.enabled:
        warnings.append("disabled by ~/enable")
    if figures.since_input_s > state.input_timeout_s:
        warnings.append(silence(state.image_topic, state.publishers, figures.since_input_s))
    elif starved := _starvation(state, figures):
        level, text = starved
        warnings.insert(0, text)
    if figures.failures_in_a_row and level == DiagnosticStatus.WARN:
        warnings.append(f"images fail: {_brief(figures.last_error)}")
    if warnings:
        return level, "; ".join(warnings)
    return DiagnosticStatus.OK, f"{figures.output_rate_hz:.1f} Hz"


def _starvation(state: NodeState, figures: Snapshot) -> tuple[bytes, str] | None:
    """Level and text where images come and somebody waits, but nothing has gone out for long."""
    usual_s = 0.0 if math.isnan(figures.latency_p50_ms) else figures.latency_p50_ms / 1e3
    if figures.starved_s <= max(state.input_timeout_s, _USUAL_LATENCIES * usual_s):
        return None
    level, since = DiagnosticStatus.ERROR, f"images come, but nothing for {figures.starved_s:.0f} s"
    if state.busy_s > state.input_timeout_s:
        is_stuck = state.busy_s > max(_STUCK_S, 2 * _USUAL_LATENCIES * usual_s)
        reason = f"busy with one image for {state.busy_s:.0f} s"
        if is_stuck:
            reason += ": the model hangs, or is far too slow for this machine; restart the node"
        else:
            level = DiagnosticStatus.WARN
    elif figures.starved_by == "rate limit":
        reason = f"rate limit: max_rate_hz is {state.max_rate_hz:g}"
        if state.max_rate_hz and figures.starved_s <= 1.5 / state.max_rate_hz:
            level = DiagnosticStatus.WARN
    elif figures.failures_in_a_row:
        reason = _brief(figures.last_error)
    else:
        reason = figures.starved_by or "the reason is unknown"
    return level, f"{since}: {reason}"


def _brief(text: str) -> str:
    """The first line; the others are in the log only."""
    first, _, rest = text.partition("\n")
    return f"{first} ... ({rest.count(chr(10)) + 1} more lines in the log)" if rest else first


def _rate(times: deque[float], now_s: float) -> float:
    recent = [t for t in times if now_s - t <= _WINDOW_S]
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) / max(recent[-1] - recent[0], 1e-6)
