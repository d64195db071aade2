"""Parameters of every depth node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...options import option, shared
from ...systems import EstimatorOptions

# Ranges that several options share.
RATE = {"unit": "Hz", "minimum": 1e-3, "maximum": 1e3, "unset": 0.0}
TIMEOUT = {"unit": "s", "minimum": 0.1, "maximum": 3600.0}


def angle(minimum: float, maximum: float, **properties: bool) -> dict[str, Any]:
    return {"unit": "deg", "minimum": minimum, "maximum": maximum, **properties}


@dataclass(frozen=True)
class NodeSettings:
    """Parameters of every depth node."""

    model: str = option(
        "panda-tiny-metric", "Name of the model; `depth-perception models` lists them.", reload=True
    )
    checkpoint: str = option(
        "",
        "Weights file (safetensors or official checkpoint). Empty: downloaded or bundled weights.",
        reload=True,
    )
    device: str = option(
        "auto", "Device of the network: auto, cpu, cuda, cuda:1 or mps.", reload=True
    )
    precision: str = shared(EstimatorOptions, "precision")
    backend: str = shared(EstimatorOptions, "backend")
    height: int | None = shared(EstimatorOptions, "height", maximum=4096)
    output_size: str = shared(EstimatorOptions, "output_size")
    image_transport: str = option(
        "raw",
        "Type of the input images. raw: sensor_msgs/Image on `image`. compressed: "
        "sensor_msgs/CompressedImage on `image/compressed`.",
        choices=("raw", "compressed"),
        reload=True,
    )
    autostart: bool = option(
        True,
        "Configure and activate the node at start, without a lifecycle manager.",
        read_only=True,
    )
    max_rate_hz: float = option(0.0, "Maximum rate of processed images; 0: no limit.", **RATE)
    max_consecutive_failures: int = option(
        30,
        "Number of consecutive failed images after which the node becomes unconfigured, if they "
        "also last failure_period_s; it can be configured again. 0: never.",
        within=(0, 1_000_000),
    )
    failure_period_s: float = option(
        10.0,
        "Least time from the first to the last of max_consecutive_failures failed images.",
        **{**TIMEOUT, "minimum": 0.0},
    )
    retry_period_s: float = option(
        10.0,
        "Time after which a node that became unconfigured through failed images is configured and "
        "activated again, with autostart. 0: never.",
        **{**TIMEOUT, "minimum": 0.0},
    )
    blank_images: str = option(
        "warn",
        "Treatment of images without content (covered or blinded lens, broken sensor), which "
        "give depth all the same. warn: the diagnostics warn. drop: nothing is published for them.",
        choices=("warn", "drop"),
    )
    frozen_period_s: float = option(
        10.0,
        "Time after which the diagnostics warn that the camera sends exactly the same image again "
        "and again. 0: never, for simulations that stand still.",
        **{**TIMEOUT, "minimum": 0.0},
    )
    frame_id: str = option(
        "",
        "Frame of images that name none. Empty: the diagnostics warn of such images, because what "
        "is published has no frame either and cannot be placed.",
    )
    diagnostics_period_s: float = option(
        1.0,
        "Period of the messages on /diagnostics.",
        **{**TIMEOUT, "maximum": 60.0, "reload": True},
    )
    input_timeout_s: float = option(
        3.0, "Time without an image after which the diagnostics warn.", **TIMEOUT
    )
