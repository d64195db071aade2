"""Sizes of ScaleDepth, its scene classes, and the entries of its files that are not for depth."""

from __future__ import annotations

from dataclasses import dataclass

MIN_RELATIVE_DEPTH = 0.001
MIN_SCALE_M = 0.1
NYU_FOCAL_PX = 519.163756  # of NYU's camera at 480 rows, the authors' number

SCENE_CLASSES = (
    "printer_room", "bathroom", "living_room", "study", "conference_room", "study_room",
    "kitchen", "home_office", "bedroom", "dinette", "playroom", "indoor_balcony",
    "laundry_room", "basement", "excercise_room", "foyer", "home_storage", "cafe",
    "furniture_store", "office_kitchen", "student_lounge", "dining_room", "reception_room",
    "computer_lab", "classroom", "office", "bookstore", "outdoor_scene",
)  # fmt: skip

# CLIP's text encoder and the visual head after the backbone are not used for depth.
UNUSED_IN_FILES = tuple(
    f"backbone.clip_model.{name}"
    for name in (
        *("positional_embedding", "text_projection", "logit_scale", "transformer."),
        *("token_embedding.", "ln_final.", "visual.head.", "visual.trunk.head."),
    )
)


@dataclass(frozen=True)
class ScaleDepthConfig:
    """Sizes of trunk (``depths``, ``widths``), pixel decoder and query decoder.

    ``channels``, ``heads`` and ``groups`` are common to both decoders; ``*_layers`` and
    ``*_hidden`` are their numbers of layers and the inner widths of these.
    """

    depths: tuple[int, int, int, int] = (3, 3, 27, 3)
    widths: tuple[int, int, int, int] = (192, 384, 768, 1536)
    channels: int = 256
    heads: int = 8
    groups: int = 32
    pixel_layers: int = 6
    pixel_hidden: int = 1024
    query_layers: int = 9
    query_hidden: int = 2048
    bins: int = 64
    scale_queries: int = 3


SCALEDEPTH = ScaleDepthConfig()
SCALEDEPTH_REDUCED = ScaleDepthConfig(
    depths=(1, 1, 2, 1),
    widths=(16, 32, 64, 128),
    channels=32,
    heads=4,
    groups=8,
    pixel_layers=2,
    pixel_hidden=48,
    query_layers=6,
    query_hidden=64,
    bins=12,
)
