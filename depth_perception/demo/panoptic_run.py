"""The board of a panoptic node from its recording."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..io.encodings import decode_image
from ..io.ply import write_ply
from ..systems.catalog import model
from . import recording as recorded
from .bags import Source, image_at
from .board import Fact
from .instances import Findings, distance_error, findings
from .panoptic_board import (
    PanopticContent,
    point_colours,
    write_panoptic_board,
    write_panoptic_pictures,
)
from .replay import CLOUD, IMAGE, INSTANCES, OVERLAY, NodeSetup
from .report import Report

_FARTHEST_M = 40.0
_CLOUD_M = 30.0


def panoptic_findings(source: Source, recording: Path) -> dict[int, Findings]:
    """The instances of all images by header stamp."""
    truth_m = {}
    if source.truth_topic is not None:
        truth_m = dict(recorded.depth_maps(source.bag, source.truth_topic))
    return {one.stamp_ns: one for one in findings(recording, f"/{INSTANCES}", truth_m)}


def shown_stamps(recording: Path) -> tuple[int, ...]:
    """Stamps of the images of which everything on the board was recorded, in order."""
    found = (set(recorded.stamps(recording, f"/{topic}")) for topic in (IMAGE, OVERLAY, INSTANCES))
    return tuple(sorted(set.intersection(*found)))


def draw_panoptic(
    source: Source,
    setup: NodeSetup,
    recording: Path,
    report: Report,
    out: Path,
    subtitle: str,
    stamp: int,
) -> None:
    """Write the board (png, and a smaller jpg), pictures/ and cloud.ply for the image ``stamp``."""
    images = panoptic_findings(source, recording)
    truth_m = None
    if source.truth_topic is not None:
        truth_m = recorded.depth_maps(source.bag, source.truth_topic).get(stamp)
    cloud = recorded.cloud_at(recording, f"/{CLOUD}", stamp)
    ids = np.zeros(len(cloud.points), np.uint32) if cloud.instances is None else cloud.instances
    near = cloud.points[:, 2] <= _CLOUD_M
    content = PanopticContent(
        title="What stands where, from a running ROS 2 node",
        subtitle=subtitle,
        facts=_facts(report, images),
        image=image_at(source, stamp),
        predicted_m=recorded.depth_maps(recording, f"/{IMAGE}")[stamp],
        truth_m=truth_m,
        cloud=recorded.Cloud(cloud.points[near], cloud.colours[near]),
        max_depth_m=_FARTHEST_M,
        overlay=_overlay_at(recording, stamp),
        grid=images[stamp].grid,
        found=images[stamp].found,
        point_ids=ids[near],
        classes=[entry.colour for entry in model(setup.model).arguments["config"].classes],
    )
    write_panoptic_board(out / "board.png", content)
    write_panoptic_board(out / "board.jpg", content)
    write_panoptic_pictures(out / "pictures", content)
    write_ply(out / "cloud.ply", content.cloud.points, point_colours(content))


def _overlay_at(recording: Path, stamp: int) -> np.ndarray:
    for message in recorded.messages(recording, f"/{OVERLAY}"):
        if recorded.stamp_ns(message) == stamp:
            return decode_image(
                message.height,
                message.width,
                message.encoding,
                message.step,
                message.is_bigendian,
                message.data,
            )
    raise ValueError(f"{recording} has no picture of stamp {stamp} ns on /{OVERLAY}")


def _facts(report: Report, images: dict[int, Findings]) -> tuple[Fact, ...]:
    traffic, comparison = report.traffic, report.comparison
    things = [sum(one.is_thing for one in image.found) for image in images.values()]
    facts = [
        Fact(f"{np.mean(things):.1f}", "things in an image"),
        Fact(f"{traffic.played} → {traffic.published}", "frames in → out"),
        Fact(
            f"{traffic.latency_p50_ms:.0f} / {traffic.latency_p99_ms:.0f} ms",
            "latency p50 / p99, image to depth",
        ),
    ]
    if comparison is not None:
        facts.insert(0, Fact(f"{comparison.abs_rel:.3f}", "AbsRel, no alignment"))
        error = distance_error(images)
        off = f"{error:.1%}" if math.isfinite(error) else "-"
        facts.insert(1, Fact(off, "distance of things off by"))
    return tuple(facts)
