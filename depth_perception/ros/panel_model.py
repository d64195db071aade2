"""Pinhole models in the node for panoramas."""

from __future__ import annotations

from ..estimators import PanelsEstimator, load
from ..estimators.panels import panels_card
from ..geometry.panel_merge import surrounding_panels
from ..systems.catalog import card
from .pinhole import model_options
from .pinhole_settings import PinholeSettings, ScaleDepthSettings
from .settings import PanoramicSettings


def load_around(settings: PanoramicSettings) -> PanelsEstimator:
    """Load the pinhole model of ``settings`` and let it look around panel by panel.

    Raises:
        KeyError, ValueError, OSError: no such model, it does not suit, or it cannot be loaded.
    """
    model = panels_card(card(settings.model))
    focal = settings.scaledepth.reference_focal_px
    options = model_options(
        PinholeSettings(
            model=settings.model,
            precision=settings.precision,
            flip=settings.flip,
            output_size="network",
            scaledepth=ScaleDepthSettings(reference_focal_px=focal),
        )
    )
    if "height" in options:
        options["height"] = settings.height or None
    pinhole = load(
        settings.model,
        settings.checkpoint or None,
        None if settings.device == "auto" else settings.device,
        **options,
    )
    panels = surrounding_panels(settings.height or model.default_height)
    return PanelsEstimator(pinhole, panels, output_size=settings.output_size)  # type: ignore[arg-type]
