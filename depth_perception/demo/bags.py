"""The bag to replay: a synthetic world, an image of the user, or a bag of the user."""

from __future__ import annotations

import math
import posixpath
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..data.worlds import BagNames, Walk, make_world, write_bag
from ..geometry import Camera, Equirectangular, Pinhole
from ..io.bags import (
    IMAGE_TYPE,
    STORE,
    ImageTopic,
    choose_image_topic,
    image_message,
    image_topics,
    new_bag,
    read_frames,
)
from ..io.images import read_image
from .recording import topics
from .session import DemoError

TRUTH_TOPIC = BagNames().depth
IMAGE_TOPIC = "/image"
IMAGE_HEIGHT_PX = 512
FRAME_ID = "panorama_optical_frame"


@dataclass(frozen=True)
class InputBag:
    """The bag to replay.

    Attributes:
        bag: folder of the bag.
        image: topic of the images.
        truth_topic: topic of the ground truth with the same stamps, or None.
        stamps_ns: header stamps of the images to replay.
        description: text for the headline.
        camera_info: topic of the intrinsics of a pinhole camera; None for panoramas.
    """

    bag: Path
    image: ImageTopic
    truth_topic: str | None
    stamps_ns: tuple[int, ...]
    description: str
    camera_info: str | None = None

    @property
    def is_compressed(self) -> bool:
        """Whether the images are CompressedImage messages."""
        return self.image.type_name != IMAGE_TYPE


@dataclass(frozen=True)
class WorldWalk:
    """A walk through a synthetic world.

    Attributes:
        kind, seed: as for :func:`depth_perception.data.worlds.make_world`.
        frames, rate_hz: number and rate of the images.
        height: rows of an image; it has twice as many columns.
        speed_mps: speed of the camera.
        pinhole: images of a pinhole camera of 90 degrees instead of panoramas.
    """

    kind: str = "any"
    seed: int = 910_000_014
    frames: int = 30
    rate_hz: float = 5.0
    height: int = 256
    speed_mps: float = 0.6
    pinhole: bool = False

    @property
    def camera(self) -> Camera:
        """The camera on its grid."""
        size = self.height, 2 * self.height
        return Pinhole.from_fov(*size, math.pi / 2) if self.pinhole else Equirectangular(*size)


def describe_bag(
    bag: Path, topic: str | None, description: str, seconds: float, *, pinhole: bool = False
) -> InputBag:
    """Find the images, and ground truth if there is any, in a bag.

    Args:
        bag: folder or file of the bag.
        topic: topic of the images; None selects the only one, or the only one with panoramas.
        description: text for the headline.
        seconds: replay only the first seconds of the bag.
        pinhole: whether the images require a camera_info topic beside them.

    Raises:
        BagReadError: not a bag, or no such topic.
        DemoError: the topic has no image, or no camera_info.
    """
    image = choose_image_topic(bag, topic or (None if pinhole else _only_panorama(bag)))
    info = _info_of(bag, image.name) if pinhole else None
    truth = next(
        (t.name for t in image_topics(bag) if (t.name, t.encoding) == (TRUTH_TOPIC, "32FC1")), None
    )
    stamps = [frame.stamp_ns for frame in read_frames(bag, image.name)]
    if not stamps:
        raise DemoError(f"{bag} has no message on {image.name}")
    played = tuple(stamp for stamp in stamps if stamp - stamps[0] <= seconds * 1e9)
    return InputBag(bag, image, truth, played, description, info)


def image_at(source: InputBag, stamp_ns: int) -> NDArray[np.uint8]:
    """The image (H, W, 3) uint8 RGB of one stamp."""
    for frame in read_frames(source.bag, source.image.name):
        if frame.stamp_ns == stamp_ns:
            return frame.image()
    raise DemoError(f"{source.bag} has no image of stamp {stamp_ns} ns on {source.image.name}")


def write_image_bag(bag: Path, panorama: Path, frames: int, rate_hz: float) -> None:
    """Write a bag that repeats one panorama ``frames`` times, at most 512 pixels high.

    Raises:
        ImageReadError: the file is not an image.
        DemoError: it is not twice as wide as high.
    """
    image = read_image(panorama)
    height, width = image.shape[:2]
    if abs(width / height - 2) > 0.02:
        raise DemoError(
            f"{panorama} is {width} x {height} pixels; a full panorama (360° x 180°, "
            "equirectangular) is twice as wide as high"
        )
    if height > IMAGE_HEIGHT_PX:
        size = (2 * IMAGE_HEIGHT_PX, IMAGE_HEIGHT_PX)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    begin_ns, step_ns = time.time_ns(), round(1e9 / rate_hz)
    with new_bag(bag) as writer:
        connection = writer.add_connection(IMAGE_TOPIC, IMAGE_TYPE, typestore=STORE)
        for stamp_ns in range(begin_ns, begin_ns + frames * step_ns, step_ns):
            message = image_message(stamp_ns, FRAME_ID, image, "rgb8")
            writer.write(connection, stamp_ns, STORE.serialize_cdr(message, IMAGE_TYPE))


def _info_of(bag: Path, image: str) -> str:
    """The camera_info topic beside a topic of images."""
    wanted = posixpath.join(posixpath.dirname(image.removesuffix("/compressed")), "camera_info")
    if wanted not in {topic.name for topic in topics(bag)}:
        raise DemoError(f"{bag} has no {wanted}, which the images on {image} require")
    return wanted


def _only_panorama(bag: Path) -> str | None:
    """The only topic with panoramas, if there are several with camera images."""
    candidates = [topic for topic in image_topics(bag) if topic.holds_images]
    if len(candidates) < 2:
        return None
    shapes = {t.name: next(read_frames(bag, t.name)).image().shape for t in candidates}
    panoramas = [name for name, (height, width, _) in shapes.items() if width == 2 * height]
    return panoramas[0] if len(panoramas) == 1 else None


def write_world_bag(bag: Path, walk: WorldWalk, on_frame: Callable[[int], None]) -> str:
    """Render a walk through a synthetic world into a bag; returns the kind of the world.

    ``on_frame`` is called with the number of each finished frame. Rendering uses one thread: its
    many small steps are much slower with several threads on a busy machine.
    """
    world = make_world(walk.kind, walk.seed)
    pace = Walk(frames=walk.frames, rate_hz=walk.rate_hz, speed_mps=walk.speed_mps)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        write_bag(bag, world, walk.camera, pace, on_frame=on_frame)
    finally:
        torch.set_num_threads(threads)
    return world.kind
