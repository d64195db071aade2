"""Which distance a depth value is."""

from __future__ import annotations

from enum import Enum


class DepthKind(str, Enum):
    """The distance that a depth map holds.

    ``RANGE`` is the Euclidean distance along the viewing ray, ``Z`` the distance along the
    optical axis (REP-118). They agree only at the principal point.
    """

    RANGE = "range"
    Z = "z"
