"""Segments of a panoptic prediction on disk: a map, and a list with distances.

The map is ``.npy`` (int32) or ``.png`` (uint16) and contains the segment id of every pixel, 0 for
none. The list is JSON:

```
{"frame": {"width": 1024, "height": 512, "camera": "equirectangular", "depth": "range"},
 "unit": "m",
 "instances": [{"id": 3, "class_id": 13, "label": "car", "score": 0.81, "is_thing": true,
                "box": {"x": 1001, "y": 200, "width": 60, "height": 31},
                "depth_median": 4.12, "depth_min": 3.4, "depth_max": 5.0, "depth_sigma": 0.3,
                "centroid": [0.1, 0.6, -4.1], "box_centre": [...], "box_axes": [[...], ...],
                "size": [1.9, 1.4, 4.0], "point_count": 1102}]}
```

The names are those of the ROS message InstanceDepth: a box of a full panorama may cross its right
border, points are in the optical frame, the columns of ``box_axes`` are the axes of the box.
Unknown values are null, and so is ``unit`` if depth is only known up to a factor.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..geometry import Equirectangular
from ..geometry.segments import SegmentStatistics
from ..prediction import Instance, Prediction, ScaleKind
from .atomic import write_bytes
from .depth_files import write_array


def write_segments(path: str | Path, prediction: Prediction) -> None:
    """Write the segment map; the suffix selects the format, see the text of this module.

    Raises:
        ValueError: no segments, another suffix, or an id beyond 65535 in a PNG.
    """
    path = Path(path)
    segments = prediction.segment_map.cpu().numpy()
    if path.suffix not in (".npy", ".png"):
        raise ValueError(f"cannot write {path}: a segment map ends in .npy or .png")
    if path.suffix == ".png":
        if segments.max(initial=0) > np.iinfo(np.uint16).max:
            raise ValueError(f"cannot write {path}: id {segments.max()} does not fit in 16 bits")
        segments = segments.astype(np.uint16)
    write_array(path, segments)


def write_instances(path: str | Path, prediction: Prediction) -> None:
    """Write the list of instances as JSON, nearest first, see the text of this module.

    Raises:
        ValueError: no segments.
    """
    text = json.dumps(instance_list(prediction), indent=1, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def instance_list(prediction: Prediction) -> dict[str, Any]:
    """The content of the file of :func:`write_instances`."""
    if prediction.segments is None:
        raise ValueError("the prediction has no segments: use a panoptic model")
    camera = prediction.camera
    has_depth = prediction.scale is not ScaleKind.AFFINE_INVARIANT
    found = prediction.segment_statistics() if has_depth and prediction.instances else None
    rows = [_row(one, found, place) for place, one in enumerate(prediction.instances)]
    rows.sort(key=lambda row: math.inf if row["depth_min"] is None else row["depth_min"])
    return {
        "frame": {
            "width": camera.width,
            "height": camera.height,
            "camera": "equirectangular" if isinstance(camera, Equirectangular) else "pinhole",
            "depth": prediction.kind.value,
        },
        "unit": "m" if prediction.is_metric else None,
        "instances": rows,
    }


def _row(one: Instance, found: SegmentStatistics | None, place: int) -> dict[str, Any]:
    left, top, right, bottom = one.box

    def figure(name: str) -> Any:
        return None if found is None else _number(getattr(found, name)[place])

    return {
        "id": one.id,
        "class_id": one.class_id,
        "label": one.label,
        "score": round(one.score, 4),
        "is_thing": one.is_thing,
        "box": {"x": left, "y": top, "width": right - left, "height": bottom - top},
        "depth_median": figure("median"),
        "depth_min": figure("near"),
        "depth_max": figure("far"),
        "depth_sigma": figure("sigma"),
        **{name: figure(name) for name in ("centroid", "box_centre", "box_axes", "size")},
        "point_count": 0 if found is None else int(found.count[place]),
    }


def _number(value: Tensor) -> Any:
    """A number or nested lists of numbers; None if one is unknown."""
    known = bool(value.isfinite().all())
    return np.round(value.cpu().double().numpy(), 5).tolist() if known else None
