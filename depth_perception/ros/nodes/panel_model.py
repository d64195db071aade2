"""Pinhole models in the node for panoramas."""

from __future__ import annotations

from dataclasses import fields

from ...geometry.panel_merge import surrounding_panels
from ...systems import PanelsEstimator
from ...systems.card import panels_card
from ...systems.catalog import card
from ..parameters.common import PanoramicSettings
from ..parameters.pinhole import PinholeSettings, ScaleDepthSettings
from .depth_node import load_chosen
from .pinhole import model_options

PANOPTIC_GROUPS = ("panoptic", "segments", "instances", "markers")


def load_around(settings: PanoramicSettings) -> PanelsEstimator:
    """Load the pinhole model of ``settings`` and let it look around panel by panel.

    Raises:
        KeyError, ValueError, OSError: no such model, it does not suit, or it cannot be loaded.
    """
    model = panels_card(card(settings.model))
    options = (_panoptic_options if model.is_panoptic else _depth_options)(settings)
    pinhole = load_chosen(settings, **options)
    panels = surrounding_panels(settings.height or model.default_height)
    return PanelsEstimator(pinhole, panels, output_size=settings.output_size)  # type: ignore[arg-type]


def refuse_foreign(settings: PanoramicSettings, *groups: str) -> None:
    """Raise ValueError if a parameter of these groups, which the model does not know, is set."""
    usual = PanoramicSettings()
    changed = [
        f"{group}.{item.name}"
        for group in groups
        for item in fields(getattr(usual, group))
        if getattr(getattr(settings, group), item.name) != getattr(getattr(usual, group), item.name)
    ]
    if changed:
        raise ValueError(
            f"model {settings.model} does not know {', '.join(changed)}: leave it at the default, "
            "or choose another model"
        )


def _depth_options(settings: PanoramicSettings) -> dict[str, object]:
    refuse_foreign(settings, *PANOPTIC_GROUPS)
    focal = settings.scaledepth.reference_focal_px
    options = model_options(
        PinholeSettings(
            model=settings.model,
            precision=settings.precision,
            backend=settings.backend,
            flip=settings.flip,
            output_size="network",
            scaledepth=ScaleDepthSettings(reference_focal_px=focal),
        )
    )
    if "height" in options:
        options["height"] = settings.height or None
    return options


def _panoptic_options(settings: PanoramicSettings) -> dict[str, object]:
    refuse_foreign(settings, "scaledepth")
    focal = settings.panoptic.reference_focal_px
    return {
        "height": settings.height or None,
        "flip": settings.flip,
        "output_size": "network",
        "reference_focal_px": None if focal < 0 else focal,
    }
