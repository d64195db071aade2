"""Parameters of metric scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...options import option, shared
from ...scale.options import ScaleOptions, ScaleSetup


@dataclass(frozen=True)
class ScaleSettings(ScaleSetup):
    """Source of metric scale."""

    source: str = shared(
        ScaleSetup,
        "source",
        note="points listens to scale/points (PointCloud2), scan to scale/scan (LaserScan).",
        choices=("model", "points", "scan", "camera_height", "reference", "fixed", "none"),
    )
    transform: str = option(
        "tf",
        "Source of the pose of the range sensor. tf: the transform from its frame to the frame of "
        "the image. given: scale.extrinsics.",
        choices=("tf", "given"),
        reload=True,
    )

    @property
    def measures(self) -> bool:
        """Whether the node listens to a range sensor."""
        return self.source in ("points", "scan")

    def options(self) -> ScaleOptions:
        """The options of the library, where a scan is points."""
        chosen = replace(self, source="points") if self.source == "scan" else self
        return ScaleSetup.options(chosen)
