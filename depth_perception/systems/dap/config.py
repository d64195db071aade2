"""Sizes of the network; importing them loads no network."""

from __future__ import annotations

from dataclasses import replace

from ..depth_anything.config import LARGE, PANDA_TINY

MAX_DEPTH_M = 100.0

DAP_LARGE = replace(LARGE, patch_size=16)
DAP_TINY = replace(PANDA_TINY, patch_size=16)
