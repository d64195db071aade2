"""All systems and models by name. Listing them loads no network and no library of networks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..options import nearest
from .card import ModelCard
from .options import EstimatorOptions
from .system import Model, System

if TYPE_CHECKING:
    from .estimator import Estimator

DEFAULT_MODEL = "panda-tiny-metric"
ENTRY_POINTS = "depth_perception.systems"

# The folders beside this module, in the order of the catalogue.
_FOLDERS = (
    "panda", "panolite", "da360", "dap", "da2", "depth_anything", "da3", "moge", "ppd",
    "scaledepth", "panopticdepth", "eomt", "blindspot", "omnidepth",
)  # fmt: skip

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def systems() -> Mapping[str, System]:
    """All systems by name: those of this package, then those of installed packages.

    A system of another package is skipped with a logged warning if its import fails or its name
    is already in use.
    """
    found = {}
    for folder in _FOLDERS:
        system = import_module(f".{folder}.system", __package__).SYSTEM
        found[system.name] = system
    names = {model.name for system in found.values() for model in system.models}
    for system in _installed():
        repeated = sorted({model.name for model in system.models} & names)
        if system.name in found or repeated:
            what = f"models {', '.join(repeated)}" if repeated else f"system {system.name}"
            _log.warning("a package repeats the %s: its system is left out", what)
            continue
        found[system.name] = system
        names |= {model.name for model in system.models}
    return MappingProxyType(found)


def system_of(name: str) -> System:
    """The system of a model; for an unknown model KeyError, which names the most similar one."""
    return _entry(name)[0]


def model(name: str) -> Model:
    """One model with what its network is built from; KeyError if there is none."""
    return _entry(name)[1]


def card(name: str) -> ModelCard:
    """The card of one model; KeyError if there is none."""
    return _entry(name)[1].card


def estimator_class(name: str) -> type[Estimator]:
    """The class of the estimator of a model; KeyError if there is none."""
    return system_of(name).estimator_class(model(name))


def options_of(name: str) -> type[EstimatorOptions]:
    """The class of the options that a model takes; KeyError if there is none."""
    return system_of(name).options_class(model(name))


def models() -> tuple[ModelCard, ...]:
    """The cards of all models; models for tests come last."""
    cards = [entry.card for system in systems().values() for entry in system.models]
    return tuple(sorted(cards, key=lambda card: card.for_tests))


def _entry(name: str) -> tuple[System, Model]:
    for system in systems().values():
        for entry in system.models:
            if entry.name == name:
                return system, entry
    hint = nearest(name, (card.name for card in models()), "")
    raise KeyError(f"no model {name!r}; {hint or '`depth-perception models --all` lists them'}")


def _installed() -> Iterator[System]:
    for point in entry_points(group=ENTRY_POINTS):
        try:
            system = point.load()
            _check(system)
        except Exception as error:  # of a package that is not ours
            _log.warning(
                "the system %r of %s cannot be used and is left out: %s: %s",
                point.name, point.value, type(error).__name__, error,
            )  # fmt: skip
        else:
            yield system


def _check(system: object) -> None:
    """Raise TypeError or ValueError unless a system can be added to the catalogue."""
    if not isinstance(system, System):
        raise TypeError(f"{system!r:.80} is no System")
    names = [entry.card.name for entry in system.models]
    if not system.name.isidentifier() or not system.title or len(set(names)) != len(names):
        raise ValueError("its name is no identifier, it has no title, or two models share a name")
    for entry in system.models:
        if not issubclass(system.options_class(entry), EstimatorOptions):
            raise TypeError(f"the options of {entry.name} are no EstimatorOptions")
