"""Building blocks that several models share."""

# ruff: noqa: F401
from __future__ import annotations

from .dinov3 import DinoV3Encoder
from .dpt import DptHead, resize_map
from .lora import LoraQkv, add_lora, merge_lora
from .padding import SphereConv2d
from .perceptron import perceptron
from .pyramid import HybridEncoder
from .vit import TapTokens, VitEncoder
