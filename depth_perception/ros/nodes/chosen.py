"""Loading the model that the parameters choose."""

from __future__ import annotations

from ...systems import Estimator, load
from ..parameters.node import NodeSettings


def load_chosen(settings: NodeSettings, **options: object) -> Estimator:
    """Load the model of the parameters with these options besides its precision and backend.

    Raises:
        KeyError, TypeError, ValueError, OSError: no such model, an option that it does not have,
            or it cannot be loaded.
    """
    return load(
        settings.model,
        settings.checkpoint or None,
        None if settings.device == "auto" else settings.device,
        **{"precision": settings.precision, "backend": settings.backend, **options},
    )
