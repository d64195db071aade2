"""What a node must notice about its inputs and errors, whatever comes from outside."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher

from ...io.content import Repeats
from ...limits import printable_lines

_LINES, _LINE_CHARACTERS = 40, 600
_KNOWN_PUBLISHERS = 64
_LOSS_WINDOW_S = 10.0
_FEW = 3

LARGE_MESSAGES = (
    "large images need the Fast DDS profile config/fastdds_large_data.xml in the process that "
    "publishes them too (FASTDDS_DEFAULT_PROFILES_FILE), or set "
    "qos_overrides.{topic}.subscription.reliability to reliable"
)

NO_FRAME = (
    "the images have no frame_id, so that depth, cloud and scan cannot be placed: set it in the "
    "driver of the camera, or set the parameter frame_id"
)


def describe(error: BaseException) -> str:
    """The text of an error for logs and diagnostics, with its class where it is unexpected.

    Text from outside may be in it: it is cut, and what cannot be printed is escaped.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if not (isinstance(error, (ValueError, KeyError, OSError)) and text):
        text = f"{type(error).__name__}: {text}"
    return printable_lines(text, _LINES, _LINE_CHARACTERS)


class Losses:
    """Counts images that were published but did not arrive, by gaps in their sequence numbers.

    Messages before the first one of a publisher cannot be counted. Not thread-safe.

    Attributes:
        total: number of lost images.
    """

    def __init__(self) -> None:
        self.total = 0
        self._last: OrderedDict[bytes, int] = OrderedDict()
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, info: Mapping[str, Any], now_s: float) -> None:
        """An image arrived with this message info of rclpy, at ``now_s`` monotonic seconds."""
        number = info.get("publication_sequence_number")
        publisher = info.get("publisher_gid")
        if not isinstance(number, int) or publisher is None:  # not every middleware tells
            return
        key = bytes(publisher["data"]) if isinstance(publisher, Mapping) else bytes(publisher)
        last = self._last.pop(key, number - 1)
        self._last[key] = max(number, last)
        while len(self._last) > _KNOWN_PUBLISHERS:
            self._last.popitem(last=False)
        lost = max(0, number - last - 1)
        self.total += lost
        self._recent.append((now_s, lost))
        self._forget_before(now_s - _LOSS_WINDOW_S)

    def warning(self, topic: str, now_s: float) -> str | None:
        """One sentence if more images are lost than arrive, over the last 10 s."""
        self._forget_before(now_s - _LOSS_WINDOW_S)
        lost, arrived = sum(count for _, count in self._recent), len(self._recent)
        if lost < _FEW or lost <= arrived:
            return None
        return (
            f"{lost} of {lost + arrived} images were lost on their way within "
            f"{_LOSS_WINDOW_S:.0f} s: {LARGE_MESSAGES.format(topic=topic)}"
        )

    def _forget_before(self, time_s: float) -> None:
        while self._recent and self._recent[0][0] < time_s:
            self._recent.popleft()


class ContentWatch:
    """Whether the images show nothing, or exactly the same for long."""

    def __init__(self) -> None:
        self._blank, self._unchanged_s = "", 0.0
        self._repeats = Repeats()

    def add(self, image: np.ndarray, blank: str, now_s: float) -> None:
        """An image (H, W, 3) uint8 came at ``now_s``; ``blank`` says why it shows nothing."""
        self._blank = blank
        self._unchanged_s = self._repeats.add(image, now_s)

    def warnings(self, frozen_period_s: float) -> Iterator[str]:
        """What is wrong with the last image; unchanged ones count after ``frozen_period_s``."""
        if self._blank:
            yield self._blank
        elif 0 < frozen_period_s <= self._unchanged_s:
            yield (
                f"the image has been the same for {self._unchanged_s:.0f} s: does the camera hang? "
                "(frozen_period_s: 0 for a scene that stands still in a simulation)"
            )


def silence(topic: str, publishers: int, since_s: float) -> str:
    """What to do where no image arrives on a topic with so many matched publishers."""
    waited = "yet" if since_s == float("inf") else f"for {since_s:.1f} s"
    if publishers == 0:
        return f"no image {waited}: {topic} has no publisher; check the name of the topic"
    many = f"{publishers} publishers" if publishers > 1 else "a publisher"
    return (
        f"no image {waited}, although {topic} has {many}: if images are published, they are lost "
        f"on their way; {LARGE_MESSAGES.format(topic=topic)}"
    )


def switched_off(publishers: Iterable[Publisher]) -> Iterator[str]:
    """A warning if somebody listens although nothing is wanted: only parameters explain that."""
    heard = [item.topic_name for item in publishers if item.get_subscription_count() > 0]
    if heard:
        yield f"{', '.join(heard)}: a parameter switches off what is listened to"


def namesakes(node: Node) -> Iterator[str]:
    """A warning if another node has the name of this one, so that its status looks the same."""
    mine = (node.get_name(), node.get_namespace())
    if node.get_node_names_and_namespaces().count(mine) > 1:
        yield (
            f"another node is named {node.get_fully_qualified_name()} too: give one of them "
            "another name (--ros-args -r __node:=NAME) or namespace"
        )
