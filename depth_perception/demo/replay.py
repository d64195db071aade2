"""Replay a bag through the node and record its output."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..systems import ModelCard
from ..systems.catalog import card, models
from .session import DemoError, Session

if TYPE_CHECKING:
    from .bags import InputBag

IMAGE, CLOUD, CAMERA_INFO, SCALE = "depth/image", "depth/points", "depth/camera_info", "depth/scale"
DIAGNOSTICS = "/diagnostics"
OVERLAY, INSTANCES = "panoptic/overlay", "instances"
RECORDED = (IMAGE, CLOUD, CAMERA_INFO, SCALE, DIAGNOSTICS)

PANORAMIC, PANOPTIC = "panoramic_depth", "panoptic_depth"
NODES = (PANORAMIC, PANOPTIC)

_CLOUD_SHARE = 0.9
_START_S = 180.0  # start-up time of a large model on a slow disk
_DRAIN_S = 2.5  # time for the last frame and one more diagnostics message
_SLACK_S = 60.0


@dataclass(frozen=True)
class NodeSetup:
    """The node to run, and its model.

    Attributes:
        node: name of the executable, one of :data:`NODES`.
        model, checkpoint, device: as for :func:`depth_perception.load`.
        height: rows of the network input; None for the default of the model.

    Raises:
        DemoError: no such node or model, or the model is not metric.
    """

    node: str
    model: str
    checkpoint: Path | None = None
    device: str | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        if self.node not in NODES:
            raise DemoError(f"no node {self.node!r}; there are: {', '.join(NODES)}")
        try:
            model = card(self.model)
        except KeyError as error:
            raise DemoError(str(error.args[0])) from error
        if not model.is_metric:
            metric = ", ".join(m.name for m in models() if m.is_metric and m.camera == model.camera)
            raise DemoError(
                f"{self.model} is not metric, so there is no cloud and no comparison; "
                f"metric models: {metric}"
            )
        if self.is_panoptic and not _has_segments_and_depth(model):
            suited = ", ".join(m.name for m in models() if _has_segments_and_depth(m))
            raise DemoError(f"{self.model} has no segments with depth; models that have: {suited}")

    @property
    def is_panoptic(self) -> bool:
        """Whether the node predicts segments in images of a pinhole camera."""
        return self.node == PANOPTIC

    @property
    def recorded(self) -> tuple[str, ...]:
        """Topics that the recording must contain."""
        return (*RECORDED, OVERLAY, INSTANCES) if self.is_panoptic else RECORDED

    @property
    def node_name(self) -> str:
        """Name of the running node, which differs from that of other nodes on this machine."""
        return f"{self.node}_{os.getpid()}"

    def arguments(self, source: InputBag) -> list[str]:
        """The command line of the node for this source."""
        model, height = card(self.model), self.height
        if height is None and self.is_panoptic:  # otherwise the size of the input is used
            height = model.default_height
        farthest = model.max_depth_m  # points near the limit of the model are sky, or unreliable
        parameters = {
            "model": self.model,
            "output_size": "input",
            "cloud.max_range_m": None if farthest is None else f"{_CLOUD_SHARE * farthest:.1f}",
            "checkpoint": self.checkpoint and self.checkpoint.resolve(),
            "device": self.device,
            "height": height,
            "image_transport": "compressed" if source.is_compressed else None,
        }
        given = [("-p", f"{k}:={value}") for k, value in parameters.items() if value is not None]
        given += [("-r", _remapping(source)), ("-r", f"__node:={self.node_name}")]
        if source.camera_info is not None:
            given.append(("-r", f"camera_info:={source.camera_info}"))
        return ["--ros-args", *(word for pair in given for word in pair)]


def _has_segments_and_depth(model: ModelCard) -> bool:
    """Whether a model finds segments of pinhole images and has their depth."""
    return model.is_panoptic and model.has_depth and model.camera == "pinhole"


def replay(
    source: InputBag,
    setup: NodeSetup,
    folder: Path,
    *,
    rate: float = 1.0,
    say: Callable[[str], None] = lambda words: None,
) -> Path:
    """Run node, recorder and player; returns the folder of the recording, ``folder/recording``.

    The logs are ``folder/node.log``, ``recorder.log`` and ``player.log``. ``say`` is called with
    the current step.

    Raises:
        DemoError: one of the processes failed; the text contains the end of its log.
    """
    recording = folder / "recording"
    if recording.exists():
        shutil.rmtree(recording)
    seconds = (source.stamps_ns[-1] - source.stamps_ns[0]) / 1e9
    with Session(folder) as session:
        say(f"starting {setup.node} with {setup.model}")
        recorder = session.start(
            "recorder",
            "depth_perception.ros.bags.recorder",
            [str(recording), "--topics", *setup.recorded],
        )
        node = session.start(
            "node", "depth_perception.ros.executables", [setup.node, *setup.arguments(source)]
        )
        session.wait_for_line(
            recorder, "recording every topic", _START_S, needs=[node], alarm=(node, "[ERROR]")
        )
        say(f"playing {len(source.stamps_ns)} frames, {seconds / rate:.0f} s")
        player = session.start(
            "player",
            "depth_perception.ros.bags.player",
            [
                str(source.bag), "--topics", source.image.name,
                *([source.camera_info] if source.camera_info else []), "--rate", str(rate),
                "--duration", str(seconds + 1e-3), "--wait", str(_START_S), "--delay", "1",
            ],
        )  # fmt: skip
        session.wait(player, _START_S + seconds / rate + _SLACK_S, needs=[node, recorder])
        say("waiting for the last frame")
        session.pause(_DRAIN_S, needs=[node, recorder])
        session.stop(node)
        session.stop(recorder)
    return recording


def _remapping(source: InputBag) -> str:
    """The remapping rule of the image topic; the node itself appends /compressed to a name."""
    name = source.image.name
    if source.is_compressed and not name.endswith("/compressed"):
        return f"/image/compressed:={name}"
    return f"image:={name.removesuffix('/compressed') if source.is_compressed else name}"
