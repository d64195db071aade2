"""The base class of the depth nodes.

The thread of the executor handles messages, services and timers; a worker thread runs the model and
publishes. Images go from one to the other through a mailbox with one slot, which keeps the newest.
"""

from __future__ import annotations

import sys
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from torch import Tensor

from ...io.content import content_fault
from ..inputs.camera_info_sync import Arrival, ImageMessage, stamp_ns
from ..messages.images import read_rgb
from ..outputs.output import Frame, Output, RateLimit, has_listener
from ..parameters.given import file_remarks
from ..parameters.node import NodeSettings
from ..parameters.table import ParameterTable
from .diagnostics import NodeState, Statistics, prediction_warnings, status_message
from .mailbox import Worker
from .qos import OVERRIDABLE, SILENT_EVENTS, QosWatch, input_profile, output_profile
from .supervision import NO_FRAME, ContentWatch, Losses, describe, namesakes, switched_off

S = TypeVar("S", bound=NodeSettings)

_CLOSE_TIMEOUT_S = 1.0
_CLEANUP_TIMEOUT_S = 10.0
_LOG_PERIOD_S = 2.0
_UNHEARD = "nobody listens"


class BlankImageError(ValueError):
    """An image without content is dropped; the text says what is wrong with it."""


@dataclass(frozen=True)
class Loaded:
    """The loaded model, for the diagnostics."""

    model: str
    device: str
    precision: str
    backend: str = "torch"


class DepthNode(LifecycleNode, Generic[S]):
    """Lifecycle, mailbox, failure policy, diagnostics and services around a model.

    Derived nodes define how the model is loaded, the outputs, and how one image is processed.
    """

    def __init__(self, name: str, settings_type: type[S], **options: Any) -> None:
        super().__init__(name, **options)
        self.statistics = Statistics()
        self.table = ParameterTable(self, settings_type, self._is_configured)
        self.outputs: Sequence[Output] = ()
        self._enabled = True
        self._accepting = False
        self._loaded: Loaded | None = None
        self._fault: str | None = None
        self._setup_error: str | None = None
        self._worker: Worker[Arrival] | None = None
        self._is_loaded = threading.Event()
        self._is_loaded.set()
        self._output_publishers: list[Publisher] = []
        self._inputs: dict[str, Subscription] = {}
        self._warnings: tuple[str, ...] = ()
        self._limit = RateLimit()
        self._losses = Losses()
        self._retry_at_s: float | None = None
        self._remarks: tuple[str, ...] = ()
        self._has_frame = True
        self._content = ContentWatch()
        self._qos_watch = QosWatch(self.get_logger().warning)
        self._failure_guard = self.create_guard_condition(self._enter_error_path)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._diagnostics_timer = self.create_timer(  # also while simulated time stands still
            self.settings.diagnostics_period_s,
            self._on_timer,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self.create_service(SetBool, "~/enable", self._on_enable)
        self.create_service(Trigger, "~/reset_scale", self._on_reset_scale)
        back = Duration(nanoseconds=-1)
        self._jump_handle = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=back, on_clock_change=True),
            post_callback=self._on_clock_jump,
        )

    @property
    def settings(self) -> S:
        """The parameters in force."""
        return self.table.settings

    @abstractmethod
    def load(self, settings: S) -> Loaded:
        """Load the model and warm it up, in a separate thread. Errors are logged."""

    def unload(self) -> None:
        """Drop the model."""

    @abstractmethod
    def make_outputs(self, settings: S) -> Sequence[Output]:
        """Create the outputs with :meth:`make_publisher`."""

    @abstractmethod
    def work(self, arrival: Arrival, settings: S) -> Frame:
        """Decode one image and run the model. Raises ValueError for rejected images."""

    def read(self, message: ImageMessage, settings: S) -> Tensor:
        """The image of a message as (H, W, 3) uint8 RGB on the CPU.

        Raises:
            ImageError: it cannot be decoded.
            BlankImageError: it has no content, and such images are to be dropped.
        """
        pixels = read_rgb(message)
        blank = self.content_fault(pixels.numpy())
        self._content.add(pixels.numpy(), blank, time.monotonic())
        if blank and settings.blank_images == "drop":
            raise BlankImageError(blank)
        return pixels

    def content_fault(self, pixels: np.ndarray) -> str:
        """Why an image (H, W, 3) uint8 RGB holds nothing to make depth of; else empty."""
        return content_fault(pixels)

    def subscribe(self, settings: S) -> None:
        """Create the subscriptions; nodes with further inputs extend this."""
        topic, kind = self.resolve_topic_name("image"), Image
        if settings.image_transport == "compressed":
            topic, kind = f"{topic}/compressed", CompressedImage
        self.make_subscription(kind, topic, self._on_image, input_profile())

    def receive(self, arrival: Arrival) -> None:
        """Process a received image; nodes that need more than the image wait for it here."""
        self.offer(arrival)

    def warnings(self) -> Sequence[str]:
        """Further warnings for the diagnostics, one sentence each."""
        return ()

    def details(self) -> Mapping[str, str]:
        """Further figures for the diagnostics, by name."""
        return {}

    def reset_scale(self) -> str:
        """Forget the recovered scale; the answer of the service."""
        return "nothing to reset: the scale comes from the model"

    def forget(self) -> None:
        """Clear what depends on time; called when the clock jumps."""

    def start(self) -> None:
        """Configure and activate if ``autostart``; called once before spinning."""
        for problem in self.table.problems:
            self.get_logger().error(problem)
        self._remarks = tuple(file_remarks(sys.argv, self.get_fully_qualified_name()))
        for remark in (*self._remarks, *self.table.unread(ready=False)):
            self.get_logger().warning(remark)
        if self.settings.autostart and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def close(self) -> bool:
        """Stop the worker within a second; false if it, or loading, is still busy."""
        self._accepting = False
        is_idle = self._worker is None or self._worker.stop(_CLOSE_TIMEOUT_S)
        return is_idle and self._is_loaded.is_set()

    def destroy_node(self) -> None:
        """Destroy the node in the middleware too, which the state machine would keep alive."""
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    def make_publisher(self, message_type: type[Any], topic: str) -> Publisher:
        """A reliable lifecycle publisher that lives until the node is cleaned up."""
        publisher = self.create_lifecycle_publisher(
            message_type,
            topic,
            output_profile(),
            event_callbacks=self._qos_watch.publisher_events(self.resolve_topic_name(topic)),
            qos_overriding_options=OVERRIDABLE,
        )
        self._output_publishers.append(publisher)
        return publisher

    def make_subscription(
        self,
        kind: type[Any],
        topic: str,
        callback: Callable[[Any], None],
        profile: QoSProfile,
        *,
        is_optional: bool = False,
    ) -> None:
        """A subscription that lives until the node is cleaned up.

        An optional one does not warn of publishers that do not match, and has a fixed quality of
        service.
        """
        events = self._qos_watch.subscription_events(self.resolve_topic_name(topic))
        is_image = kind in (Image, CompressedImage)

        def take(message: Any, info: Any) -> None:
            try:
                if is_image:
                    self._losses.add(info, time.monotonic())
                callback(message)
            except Exception as error:  # nothing that arrives may end the node
                self._on_failure(error)

        subscription = self.create_subscription(
            kind,
            topic,
            take,
            profile,
            event_callbacks=SILENT_EVENTS if is_optional else events,
            qos_overriding_options=None if is_optional else OVERRIDABLE,
        )
        name = "image" if is_image else topic
        self._inputs[f"latched {name}" if is_optional else name] = subscription

    def offer(self, arrival: Arrival) -> None:
        """Give an image to the worker, within the rate limit."""
        if self._worker is None or not self._accepting:
            self.statistics.dropped("not active")
        elif not self._limit.allows(self.settings.max_rate_hz):
            self.statistics.dropped("rate limit")
        elif self._worker.mailbox.put(arrival) is not None:
            self.statistics.dropped("newer image came")

    # Lifecycle. If a transition raised, the reason would be lost: errors are caught and logged.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self.table.problems:
            return self._reject("wrong parameters: " + "; ".join(self.table.problems))
        settings = self.settings
        self._fault = self._setup_error = self._retry_at_s = None
        self.statistics.clear_failures()
        self._diagnostics_timer.timer_period_ns = int(settings.diagnostics_period_s * 1e9)
        try:
            self._loaded = self._load_in_background(settings)
            self.outputs = self.make_outputs(settings)
            self.subscribe(settings)
        except Exception as error:
            self._tear_down()
            return self._reject(describe(error))
        self._worker = Worker(self._process, f"{self.get_name()} worker", self._on_failure)
        self.get_logger().info(f"{self._loaded.model} is ready on {self._loaded.device}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._worker is None or self._worker.mailbox.is_closed:
            self.get_logger().error("previous cleanup failed; call cleanup again before configure")
            return TransitionCallbackReturn.FAILURE
        self._accepting = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._accepting = False
        if self._worker is not None and self._worker.mailbox.clear() is not None:
            self.statistics.dropped("not active")
        result = super().on_deactivate(state)
        return TransitionCallbackReturn.ERROR if self._fault is not None else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        if not self._tear_down():
            self.get_logger().error("an image is still being processed: call cleanup again later")
            return TransitionCallbackReturn.FAILURE
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._accepting = False
        self._tear_down()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._accepting = False
        self._tear_down()
        return TransitionCallbackReturn.SUCCESS

    def _reject(self, reason: str) -> TransitionCallbackReturn:
        self._setup_error = f"cannot be configured: {reason}"
        self.get_logger().error(self._setup_error)
        self._publish_diagnostics()
        return TransitionCallbackReturn.FAILURE

    def _load_in_background(self, settings: S) -> Loaded:
        """Run :meth:`load` in a thread; interrupts and diagnostics are handled meanwhile."""
        results: list[Loaded | Exception] = []

        def load() -> None:
            try:
                results.append(self.load(settings))
            except Exception as error:
                results.append(error)
            finally:
                self._is_loaded.set()

        self._is_loaded.clear()
        threading.Thread(target=load, name=f"{self.get_name()} loader", daemon=True).start()
        while not self._is_loaded.wait(settings.diagnostics_period_s):
            self._publish_diagnostics()
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def _tear_down(self) -> bool:
        """Release everything configured; false if the worker could not be stopped."""
        if self._worker is not None and not self._worker.stop(_CLEANUP_TIMEOUT_S):
            return False
        self._worker = None
        for subscription in self._inputs.values():
            self.destroy_subscription(subscription)
        self._inputs.clear()
        for publisher in self._output_publishers:
            self.destroy_lifecycle_publisher(publisher)
        self._output_publishers.clear()
        self.outputs = self._warnings = ()
        self._content, self._has_frame = ContentWatch(), True
        self._qos_watch.clear()
        self.unload()
        if self._loaded is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._loaded = None
        return True

    def _enter_error_path(self) -> None:
        """Runs on the executor after too many failures: deactivating with a fault is an error."""
        if self._fault is not None and self._lifecycle_label() == "active":
            self.get_logger().error(self._fault)
            self._setup_error = self._fault
            self.trigger_deactivate()
            settings = self.settings
            if settings.autostart and settings.retry_period_s > 0:
                self._retry_at_s = time.monotonic() + settings.retry_period_s
            self._publish_diagnostics()

    def _on_timer(self) -> None:
        """Configure again after failures, then report."""
        if self._retry_at_s is not None and time.monotonic() >= self._retry_at_s:
            self._retry_at_s = None
            if self._lifecycle_label() == "unconfigured":
                self.get_logger().info("configuring again after failures")
                self.start()
        self._publish_diagnostics()

    def _is_configured(self) -> bool:
        return self._lifecycle_label() in ("inactive", "active")

    def _lifecycle_label(self) -> str:
        return str(self._state_machine.current_state[1])

    # Images

    def _on_image(self, message: ImageMessage) -> None:
        now = time.monotonic()
        self.statistics.arrived(now)
        if (why_not := self._why_not()) is not None:
            self.statistics.not_awaited()
            self.statistics.dropped(why_not)
            return
        self.statistics.awaited(now)
        header = message.header  # tf2 knows no frames that begin with a slash
        header.frame_id = header.frame_id.lstrip("/") or self.settings.frame_id
        self._has_frame = bool(header.frame_id)
        self.receive(Arrival(message, now))

    def _why_not(self) -> str | None:
        """Why an image that arrives now is not processed; None: it is."""
        if not self._accepting or self._worker is None:
            return "not active"
        if not self._enabled:
            return "disabled"
        if not any(output.is_wanted() for output in self.outputs):
            return _UNHEARD
        return None

    def _process(self, arrival: Arrival) -> None:
        """Process one image, on the worker thread, which passes all errors to `_on_failure`."""
        try:
            frame = self.work(arrival, self.settings)
        except BlankImageError:
            self.statistics.dropped("no content")
            return
        for output in self.outputs:
            output.publish(frame)
        self._warnings = tuple(prediction_warnings(frame.prediction))
        age_s = (self.get_clock().now().nanoseconds - stamp_ns(arrival.message.header)) * 1e-9
        self.statistics.published(arrival.arrived_s, time.monotonic(), age_s)

    def _on_failure(self, error: BaseException) -> None:
        if not self.context.ok():  # an error of shutting down
            return
        reason = "refused" if isinstance(error, (ValueError, TypeError)) else "failed"
        text, settings = describe(error), self.settings
        count, failing_s = self.statistics.failed(reason, text, time.monotonic())
        self.get_logger().error(f"image dropped: {text}", throttle_duration_sec=_LOG_PERIOD_S)
        is_long = failing_s >= settings.failure_period_s
        if 0 < settings.max_consecutive_failures <= count and is_long and self._fault is None:
            self._fault = (
                f"{count} images failed in a row, the last with: {text}. The node is unconfigured; "
                "remove the cause and configure it again"
            )
            self._failure_guard.trigger()

    def _on_clock_jump(self, jump: TimeJump) -> None:
        self.get_logger().warning("the clock jumped: queues and filters are cleared")
        if self._worker is not None and self._worker.mailbox.clear() is not None:
            self.statistics.dropped("clock jump")
        self.statistics.clear_times()
        self._warnings = ()
        self.forget()

    # Services and diagnostics

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        response.success = True
        response.message = "images are processed" if request.data else "images are dropped"
        return response

    def _on_reset_scale(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success, response.message = True, self.reset_scale()
        return response

    def _publish_diagnostics(self) -> None:
        name = f"{self.get_fully_qualified_name().lstrip('/')}: depth"
        try:
            status = status_message(self._state(name), self.statistics.snapshot(time.monotonic()))
        except Exception as error:  # the report must not end the node
            text = f"the diagnostics failed: {describe(error)}"
            status = DiagnosticStatus(level=DiagnosticStatus.ERROR, name=name, message=text)
            self.get_logger().error(text, throttle_duration_sec=_LOG_PERIOD_S)
        header = Header(stamp=self.get_clock().now().to_msg())
        self._diagnostics.publish(DiagnosticArray(header=header, status=[status]))

    def _state(self, name: str) -> NodeState:
        faults = [text for text in (self._setup_error, *self.table.problems) if text]
        worker, now_s, settings = self._worker, time.monotonic(), self.settings
        if worker is not None and worker.has_ended and not worker.mailbox.is_closed:
            faults.append("the worker thread has ended: clean up and configure again")
        matched = {name: item.get_publisher_count() for name, item in self._inputs.items()}
        image_topic = self._inputs["image"].topic_name if "image" in self._inputs else "image"
        lost = self._losses.warning(image_topic, now_s)
        return NodeState(
            name=name,
            lifecycle=self._lifecycle_label(),
            enabled=self._enabled,
            **vars(self._loaded or Loaded(settings.model, "", "", "")),
            faults=tuple(faults),
            warnings=(
                *self._qos_watch.mismatches,
                *([lost] if lost else []),
                *self._remarks,
                *self.table.unread(ready=self._is_configured()),
                *namesakes(self),
                *(switched_off(self._output_publishers) if self._why_not() == _UNHEARD else ()),
                *(() if self._has_frame else (NO_FRAME,)),
                *self._content.warnings(settings.frozen_period_s),
                *self.warnings(),
                *self._warnings,
            ),
            input_timeout_s=settings.input_timeout_s,
            image_topic=image_topic,
            publishers=matched.pop("image", 0),
            lost=self._losses.total,
            max_rate_hz=settings.max_rate_hz,
            busy_s=0.0 if worker is None else worker.busy_s(now_s),
            details={
                "outputs heard": str(sum(map(has_listener, self._output_publishers))),
                **{f"{topic} publishers": str(count) for topic, count in matched.items()},
                **self.details(),
            },
        )
