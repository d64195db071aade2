"""Pinhole models in the node for panoramas."""

from __future__ import annotations

from dataclasses import fields

from ...geometry.panel_merge import surrounding_panels
from ...systems import PanelsEstimator, card, options_of
from ...systems.card import panels_card
from ..parameters.common import PanoramicSettings
from ..parameters.models import estimator_options
from .loading import load_chosen

PANOPTIC_GROUPS = ("panoptic", "segments", "instances", "markers")


def load_around(settings: PanoramicSettings) -> PanelsEstimator:
    """Load the pinhole model of ``settings``, to run on overlapping views of panoramas.

    Raises:
        KeyError, ValueError, OSError: no such model, it does not suit, or it cannot be loaded.
    """
    model = panels_card(card(settings.model))
    if not model.is_panoptic:
        refuse_panoptic(settings)
    options = estimator_options(settings, "seam", "height", "output_size")
    if settings.height and "height" not in options_of(model.name).lacks:
        options["height"] = settings.height
    pinhole = load_chosen(settings, **{**options, "output_size": "network"})
    panels = surrounding_panels(settings.height or model.default_height)
    return PanelsEstimator(pinhole, panels, output_size=settings.output_size)


def refuse_panoptic(settings: PanoramicSettings) -> None:
    """Raise ValueError if a parameter of segments is set, which the model does not find."""
    usual = PanoramicSettings()
    changed = [g for g in PANOPTIC_GROUPS if getattr(settings, g) != getattr(usual, g)]
    names = [
        f"{group}.{item.name}"
        for group in changed
        for item in fields(getattr(usual, group))
        if getattr(getattr(settings, group), item.name) != getattr(getattr(usual, group), item.name)
    ]
    if names:
        raise ValueError(
            f"model {settings.model} does not have {', '.join(names)}: leave it at the default, "
            "or choose another model"
        )
