"""Node parameters as frozen dataclasses: declared, described, validated and refused with a reason.

A field made with :func:`parameter` becomes a ROS parameter of its name; a field whose default
factory is such a dataclass becomes a dotted prefix. A dataclass may have ``check(self)`` that
raises ValueError for combinations of values that do not go together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

S = TypeVar("S")
Value = Any  # bool, int, float, str, or a tuple of floats or strings


@dataclass(frozen=True)
class Spec:
    """What a parameter is for and which values it takes.

    Attributes:
        description: for ``ros2 param describe``.
        minimum, maximum: inclusive limits of a number, or of every number of a list.
        choices: the only texts allowed; empty means any.
        reload: read when the node is configured, so refused while it is.
        read_only: can only be given at start.
    """

    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    reload: bool = False
    read_only: bool = False

    def refusal(self, name: str, value: Value) -> str | None:
        """Why ``value`` is not allowed, or None."""
        if self.choices and value not in self.choices:
            return f"{name} must be one of {', '.join(self.choices)}, got {value!r}"
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, (bool, str)):
                continue
            low = -float("inf") if self.minimum is None else self.minimum
            high = float("inf") if self.maximum is None else self.maximum
            if not low <= number <= high:
                return f"{name} must lie between {low:g} and {high:g}, got {number!r}"
        return None


def parameter(default: Value, description: str, **limits: Any) -> Any:
    """A dataclass field that is a parameter; ``limits`` are further fields of :class:`Spec`."""
    return field(default=default, metadata={"spec": Spec(description, **limits)})


def specs(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, Spec, Value]]:
    """(name, spec, default) of every parameter of a settings dataclass."""
    for item in fields(kind):
        if "spec" in item.metadata:
            yield f"{prefix}{item.name}", item.metadata["spec"], item.default
        else:
            yield from specs(item.default_factory, f"{prefix}{item.name}.")


def build(kind: type[S], values: Mapping[str, Value], prefix: str = "") -> S:
    """The settings with these values by full name; raises ValueError if they do not fit."""
    made = {
        item.name: values[f"{prefix}{item.name}"]
        if "spec" in item.metadata
        else build(item.default_factory, values, f"{prefix}{item.name}.")
        for item in fields(kind)
    }
    settings = kind(**made)
    check = getattr(settings, "check", None)
    if check is not None:
        check()
    return settings


class ParameterTable(Generic[S]):
    """The parameters of one node as one immutable object that is replaced when they change.

    A wrong value at start does not end the node: the default is declared in its place, and
    :attr:`problems` keeps what was wrong until the parameter is set to something right.
    """

    def __init__(self, node: Node, kind: type[S], is_configured: Callable[[], bool]) -> None:
        self._node = node
        self._kind = kind
        self._is_configured = is_configured
        self._lock = threading.Lock()
        self._specs = {name: (spec, default) for name, spec, default in specs(kind)}
        self._values: dict[str, Value] = {}
        self._problems: dict[str, str] = {}
        node.add_on_set_parameters_callback(self._on_set)
        for name, (spec, default) in self._specs.items():
            self._declare(name, spec, default)
        try:
            self._settings = build(kind, self._values)
        except ValueError as error:
            self._problems[""] = str(error)
            self._settings = kind()

    @property
    def settings(self) -> S:
        """The values in force."""
        with self._lock:
            return self._settings

    @property
    def problems(self) -> tuple[str, ...]:
        """Parameters that were given wrong values at start, one sentence each."""
        return tuple(self._problems.values())

    def _declare(self, name: str, spec: Spec, default: Value) -> None:
        descriptor = _descriptor(spec, default)
        try:
            declared = self._node.declare_parameter(name, _to_ros(default), descriptor)
        except InvalidParameterValueException as error:
            self._problems[name] = str(error)
            self._node.declare_parameter(name, _to_ros(default), descriptor, ignore_override=True)
            self._values[name] = default
        else:
            self._values[name] = _from_ros(declared.value)

    def _on_set(self, changed: list[Parameter]) -> SetParametersResult:
        ours = {p.name: _from_ros(p.value) for p in changed if p.name in self._specs}
        reason = self._refusal(ours)
        if reason is None and ours and len(self._values) == len(self._specs):
            values = {**self._values, **ours}
            try:
                settings = build(self._kind, values)
            except ValueError as error:
                reason = str(error)
            else:
                with self._lock:
                    self._values, self._settings = values, settings
                for name in ("", *ours):
                    self._problems.pop(name, None)
        return SetParametersResult(successful=reason is None, reason=reason or "")

    def _refusal(self, changed: Mapping[str, Value]) -> str | None:
        for name, value in changed.items():
            spec, default = self._specs[name]
            reason = _type_refusal(name, value, default) or spec.refusal(name, value)
            if reason is not None:
                return reason
            if spec.reload and self._is_configured() and value != self._values.get(name):
                return (
                    f"{name} is read when the node is configured: deactivate and clean it up, set "
                    "the parameter, then configure it again"
                )
        return None


def _descriptor(spec: Spec, default: Value) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=spec.description,
        read_only=spec.read_only,
        type=Parameter.Type.from_parameter_value(_to_ros(default)).value,
        dynamic_typing=True,  # checked here: the refusal of rclpy names neither type nor parameter
    )
    notes = [f"one of: {', '.join(spec.choices)}"] if spec.choices else []
    if spec.reload:
        notes.append("takes effect when the node is configured")
    low, high = spec.minimum, spec.maximum
    if isinstance(default, tuple) and low is not None and high is not None:
        notes.append(f"every value between {low:g} and {high:g}")
    elif isinstance(default, int) and not isinstance(default, bool) and low is not None:
        descriptor.integer_range = [
            IntegerRange(from_value=int(low), to_value=int(2**31 if high is None else high), step=0)
        ]
    elif isinstance(default, float) and low is not None:
        descriptor.floating_point_range = [
            FloatingPointRange(
                from_value=float(low), to_value=float(1e9 if high is None else high), step=0.0
            )
        ]
    descriptor.additional_constraints = "; ".join(notes)
    return descriptor


def _type_refusal(name: str, value: Value, default: Value) -> str | None:
    """Why the type of a value is wrong, or None. As in ROS, a whole number is no real number."""
    if _type_name(value) == _type_name(default):
        return None
    is_whole = _type_name(value) in ("a whole number", "a list of whole numbers")
    is_real = _type_name(default) in ("a real number", "a list of real numbers")
    hint = " (write it with a point: 1.0)" if is_whole and is_real else ""
    shown = value if value is None or not isinstance(value, tuple) else list(value)
    return f"{name} must be {_type_name(default)}, got {_type_name(value)}: {shown!r}{hint}"


def _type_name(value: Value) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a real number", str: "a text"}
    if not isinstance(value, tuple):
        return names.get(type(value), "nothing")
    lists = {bool: "a list of true or false", int: "a list of whole numbers"}
    lists |= {float: "a list of real numbers", str: "a list of texts"}
    kinds = {type(item) for item in value}
    return lists.get(kinds.pop(), "a list of bytes") if len(kinds) == 1 else "an empty list"


def _to_ros(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _from_ros(value: Any) -> Value:
    return value if value is None or isinstance(value, (bool, int, float, str)) else tuple(value)
