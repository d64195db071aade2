"""The parameters of models: a group for each system that a node can run, made from its options."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, make_dataclass
from dataclasses import field as dataclass_field
from typing import Any, TypeVar

from ...options import option_of, shared
from ...systems import EstimatorOptions, ModelCard, card, options_of, system_of, systems

S = TypeVar("S")

_log = logging.getLogger(__name__)

_COMMON = frozenset(item.name for item in fields(EstimatorOptions))
# Options that a node may have at the top level instead of in the group of a system.
_TOP_LEVEL = _COMMON | {"reference_focal_px"}


def with_models(
    kind: type[S], fits: Callable[[ModelCard], bool], bases: Mapping[str, type] | None = None
) -> type[S]:
    """The settings of a node with a group for each system that has models which fit.

    Args:
        kind: the other parameters.
        fits: whether the node can run a model.
        bases: dataclasses with further parameters of a group, by its name.
    """
    groups: dict[str, dict[str, list[type[EstimatorOptions]]]] = {name: {} for name in bases or {}}
    titles: dict[str, list[str]] = {name: [] for name in bases or {}}
    present = {item.name for item in fields(kind)}
    for system in systems().values():
        for options in dict.fromkeys(
            system.options_class(m) for m in system.models if fits(m.card)
        ):
            for item, group in _own(options, system.name):
                if _is_shared(kind, group, item.name):
                    continue
                if group in present:
                    _log.warning("%s is no name for options of %s: left out", group, system.title)
                elif item.name not in present:
                    groups.setdefault(group, {}).setdefault(item.name, []).append(options)
                    titles.setdefault(group, []).append(system.title)
    made = []
    for name, options in groups.items():
        base = (bases or {}).get(name)
        group = make_dataclass(
            f"{name.title().replace('_', '')}Settings",
            [(option, Any, _shared(of, option)) for option, of in options.items()],
            bases=(base,) if base else (),
            frozen=True,
            namespace={
                "__doc__": f"Options of {', '.join(dict.fromkeys(titles[name]))}.",
                "check": _checker(name, {option: of[0] for option, of in options.items()}),
            },
        )
        made.append((name, group, dataclass_field(default_factory=group)))
    namespace = {"model_groups": tuple(groups), "__doc__": kind.__doc__}
    name = kind.__name__.lstrip("_")
    return make_dataclass(name, made, bases=(kind,), frozen=True, namespace=namespace)


def estimator_options(settings: Any, *ignored: str) -> dict[str, object]:
    """The options of the estimator of ``settings.model``.

    Args:
        settings: of a node, made by :func:`with_models`.
        ignored: parameters that have no effect on this model instead of being rejected.

    Raises:
        KeyError: no such model.
        ValueError: a parameter is set that the model does not have.
    """
    kind = options_of(settings.model)
    groups = {item.name: group for item, group in _own(kind, system_of(settings.model).name)}
    known = {item.name for item in fields(kind)} - set(kind.lacks)
    chosen: dict[str, object] = {}
    foreign = []
    usual = {item.name: item.default for item in fields(kind)}
    for group, item, value in _model_parameters(settings):
        if item.name in ignored:
            continue
        if item.name in known and (not group or groups.get(item.name) == group):
            if value is not None or usual[item.name] is None:
                chosen[item.name] = value
        elif value != item.default:
            foreign.append(f"{group}.{item.name}" if group else item.name)
    for name, group in groups.items():
        if _is_shared(type(settings), group, name):
            chosen[name] = getattr(getattr(settings, group), name)
    if foreign:
        raise ValueError(
            f"model {settings.model} does not have {', '.join(foreign)}: leave it at the default, "
            "or choose another model"
        )
    return chosen


def _is_shared(settings: type[Any], group: str, option: str) -> bool:
    """Whether the node has this parameter of a group that does not belong to a model."""
    if group in getattr(settings, "model_groups", ()):
        return False
    return any(
        item.name == group and option in {part.name for part in fields(item.default_factory())}
        for item in fields(settings)
        if item.default_factory is not MISSING
    )


def check_camera(model: str, camera: str, instead: str) -> ModelCard:
    """The card of a model for this kind of camera.

    Raises:
        KeyError: no such model.
        ValueError: it is for another kind; the text says what to do.
    """
    found = card(model)
    if found.camera != camera:
        raise ValueError(
            f"model {found.name} is for {found.camera} images: choose a {camera} model "
            f"(`depth-perception models` lists them), or use {instead}"
        )
    return found


def _shared(kinds: list[type[EstimatorOptions]], name: str) -> Any:
    """The option as a field; unset where the defaults of the models differ."""
    found = [item for kind in kinds for item in fields(kind) if item.name == name]
    if len({item.default for item in found}) == 1:
        return shared(kinds[0], name)
    unset = "" if isinstance(found[0].default, str) else type(found[0].default)(0)
    note = "Unset: the default of the model."
    return shared(kinds[0], name, default=None, unset=unset, note=note)


def _own(kind: type[EstimatorOptions], system: str) -> Iterator[tuple[Field[Any], str]]:
    """The options that a system adds and nodes have, each with its parameter group."""
    for item in fields(kind):
        said = option_of(item)
        if said is not None and not said.library_only and item.name not in _COMMON:
            yield item, said.group or system


def _model_parameters(settings: Any) -> Iterator[tuple[str, Field[Any], Any]]:
    """(group, field, value) of all parameters of models."""
    for item in fields(settings):
        value = getattr(settings, item.name)
        if item.name in _TOP_LEVEL:
            yield "", item, value
        elif item.name in settings.model_groups and is_dataclass(value):
            for part in fields(value):
                yield item.name, part, getattr(value, part.name)


def _checker(group: str, options: Mapping[str, type[EstimatorOptions]]) -> Callable[[Any], None]:
    def check(self: Any) -> None:
        """Raise ValueError for values that do not go together."""
        for kind in set(options.values()):
            given = {name: getattr(self, name) for name, of in options.items() if of is kind}
            own = {item.name: item.default for item in fields(kind)}
            given = {n: v for n, v in given.items() if v is not None or own[n] is None}
            try:
                kind(**given)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{group}.{error}") from error

    return check
