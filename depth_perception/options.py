"""Options said once: fields of frozen dataclasses with text, unit, range and choices.

ROS parameters, command-line flags, YAML files and tables of the docs are made from them, and values
are checked by :meth:`Option.check`. Importing this module loads nothing heavy.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

Backend = Literal["torch", "openvino", "onnxruntime", "tensorrt", "inductor"]
Precision = Literal["float32", "float16", "bfloat16"]

T = TypeVar("T")

_KEY = "option"
_LONGEST_NAME = 200  # that is compared with the known ones
_TYPES = (
    (bool, bool, "True or False"),
    (int, Integral, "a whole number"),
    (float, Real, "a number"),
)


@dataclass(frozen=True)
class Option:
    """What an option is for and which values it takes.

    Attributes:
        text: what it does, in sentences that stand alone.
        unit: of its numbers, as shown to users: ``m``, ``deg``, ``px``, ``s``, ``Hz``; empty for
            none, or where the text says it.
        minimum, maximum: inclusive limits of a number, or of every number of a tuple.
        choices: the only texts allowed; empty means any.
        reload: read when a node is configured, so that a configured node rejects a change.
        read_only: can only be given when a node starts.
        unset: what stands for None where a value must have a type, as ROS parameters must: 0, -1 or
            the empty text.
        group: parameter group of the nodes that the option is in; empty: that of its dataclass.
        library_only: no ROS parameter and no flag.
    """

    text: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    reload: bool = False
    read_only: bool = False
    unset: Any = None
    group: str = ""
    library_only: bool = False

    @property
    def lowest(self) -> float | None:
        """The least number allowed, :attr:`unset` included."""
        is_number = isinstance(self.unset, Real) and not isinstance(self.unset, bool)
        if self.minimum is None or not is_number:
            return self.minimum
        return min(self.minimum, self.unset)

    @property
    def values(self) -> str:
        """The values allowed, in words; empty where the type says it all."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        unset = "" if self.unset is None else f"{json.dumps(self.unset)}: unset"
        return "; ".join(filter(None, (self.limits, unset)))

    @property
    def limits(self) -> str:
        """The range in words, empty without one."""
        low, high = self.minimum, self.maximum
        if low is None and high is None:
            return ""
        if high is None:
            return f"at least {low:.10g}"
        return f"at most {high:.10g}" if low is None else f"{low:.10g} to {high:.10g}"

    def typed_default(self, default: Any) -> Any:
        """The default where a value must have a type: :attr:`unset` stands for None."""
        return self.unset if default is None else default

    def rejection(self, name: str, value: Any) -> str | None:
        """Why a value of the right type is not allowed, or None; :attr:`unset` is allowed."""
        return None if self.unset is not None and value == self.unset else self._fault(name, value)

    def _fault(self, name: str, value: Any) -> str | None:
        if self.choices and value not in self.choices:
            return f"{name} must be one of {', '.join(self.choices)}, got {value!r}"
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, (bool, str)) or not isinstance(number, Real):
                continue
            low = -math.inf if self.minimum is None else self.minimum
            high = math.inf if self.maximum is None else self.maximum
            if not low <= number <= high:
                return f"{name} must lie between {low:.10g} and {high:.10g}, got {number!r}"
        return None

    def check(self, name: str, value: Any, default: Any) -> None:
        """Check a value by the type of the default, then by range and choices.

        Raises:
            TypeError, ValueError: names the option, the value and what would do.
        """
        pattern = self.typed_default(default)
        if value is None and (default is None or self.unset is not None):
            return
        for kind, allowed, words in _TYPES:
            if isinstance(pattern, kind):
                if not isinstance(value, allowed) or isinstance(value, bool) != (kind is bool):
                    raise TypeError(f"{name} must be {words}, got {value!r}")
                break
        if (reason := self._fault(name, value)) is not None:
            raise ValueError(reason)


def nearest(name: str, known: Iterable[str], otherwise: str, cutoff: float = 0.6) -> str:
    """The question whether the most similar known name was meant.

    Args:
        name: unknown.
        known: names that would do.
        otherwise: the result where none is similar.
        cutoff: least similarity, 0 to 1.
    """
    near = get_close_matches(str(name)[:_LONGEST_NAME], list(known), n=1, cutoff=cutoff)
    return f"did you mean {near[0]!r}?" if near else otherwise


def option(default: Any, text: str, **properties: Any) -> Any:
    """A dataclass field that is an option; ``properties`` are further fields of :class:`Option`.

    ``within=(low, high)`` stands for its minimum and maximum.

    Raises:
        TypeError: the default has no type that a ROS parameter can have.
    """
    made = flag(default, text, **properties)
    said: Option = made.metadata[_KEY]
    pattern = said.typed_default(default)
    first = pattern[0] if isinstance(pattern, tuple) and pattern else pattern
    if not said.library_only and not isinstance(first, (bool, int, float, str)):
        raise TypeError(
            f"the option {text!r} cannot be a ROS parameter with the default {pattern!r}: a None "
            "needs `unset`, a tuple at least one element, or set library_only"
        )
    return made


def flag(
    default: Any, text: str, *, within: tuple[float, float] | None = None, **properties: Any
) -> Any:
    """An option of a command alone, whose default may be None, empty or MISSING."""
    if within is not None:
        properties["minimum"], properties["maximum"] = within
    return field(default=default, metadata={_KEY: Option(text, **properties)})


def model_option(default: Any, text: str, **properties: Any) -> Any:
    """An option of a model, which a node reads when it is configured (``reload``)."""
    return option(default, text, reload=True, **properties)


def option_text(kind: type[Any], name: str) -> str:
    """The text of an option of a dataclass."""
    return next(said.text for found, said, _ in options(kind) if found == name)


def shared(
    kind: type[Any],
    name: str,
    *,
    default: Any = dataclasses.MISSING,
    note: str = "",
    **changes: Any,
) -> Any:
    """A field that is the option ``name`` of another dataclass, with its text, range and choices.

    Args:
        kind: the dataclass that says the option.
        name: of the option there.
        default: another default; by default that of ``kind``.
        note: a sentence to add to the text.
        changes: fields of :class:`Option` that differ.
    """
    item = next((item for item in fields(kind) if item.name == name), None)
    if item is None or (said := option_of(item)) is None:
        raise KeyError(f"{kind.__name__} has no option {name!r}")
    said = dataclasses.replace(said, **changes)
    said = dataclasses.replace(said, text=f"{said.text} {note}".strip())
    value = item.default if default is dataclasses.MISSING else default
    return field(default=value, metadata={_KEY: said})


def documented(kind: type[T]) -> type[T]:
    """Decorate a dataclass so that tyro shows the texts of its options as help.

    Texts say themselves what happens without the option: no default None or () is shown.
    """
    import tyro

    hints = get_type_hints(kind, include_extras=True)
    for item in fields(kind):
        shown: dict[str, Any] = {}
        if (said := option_of(item)) is not None:
            shown["help"] = f"{said.text} [{said.unit}]" if said.unit else said.text
        if item.default is None or item.default == ():
            shown["help_behavior_hint"] = ""
        if shown:
            hints[item.name] = item.type = Annotated[hints[item.name], tyro.conf.arg(**shown)]
    kind.__annotations__ = {name: hints[name] for name in kind.__annotations__}
    return kind


def option_of(item: dataclasses.Field[Any]) -> Option | None:
    """What a field of a dataclass says as an option; None where it is none."""
    return item.metadata.get(_KEY)


def options(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, Option, Any]]:
    """(name, option, default) of all options of a dataclass.

    A field whose default factory is such a dataclass is a group: its options have dotted names.
    """
    for item in fields(kind):
        if (said := option_of(item)) is not None:
            yield f"{prefix}{item.name}", said, item.default
        elif dataclasses.is_dataclass(item.default_factory):
            yield from options(item.default_factory, f"{prefix}{item.name}.")


def check_signs(
    values: object, positive: str = "", not_negative: str = "", shares: str = ""
) -> None:
    """Raise ValueError unless numbers of an object, by their names, are so; shares: in [0, 1]."""
    for name in positive.split():
        if not getattr(values, name) > 0:
            raise ValueError(f"{name} must be positive, got {getattr(values, name)}")
    for name in not_negative.split():
        if not getattr(values, name) >= 0:
            raise ValueError(f"{name} must not be negative, got {getattr(values, name)}")
    for name in shares.split():
        if not 0 <= getattr(values, name) <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {getattr(values, name)}")


def check_options(values: Any) -> None:
    """Check all options of a dataclass object, for its ``__post_init__``; :meth:`Option.check`."""
    for item in fields(values):
        if (said := option_of(item)) is not None:
            said.check(item.name, getattr(values, item.name), item.default)
