"""Definitions of options, and what the help of commands shows of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from depth_perception.options import documented, flag, option, options
from depth_perception.scale.options import ScaleSetup, SensorMount


@pytest.mark.parametrize(
    ("default", "properties"),
    [(None, {}), ((), {}), (dataclasses.MISSING, {}), (None, {"unit": "m"})],
)
def test_an_option_that_no_parameter_can_be_is_rejected(
    default: Any, properties: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="cannot be a ROS parameter with the default"):
        option(default, "Speed.", **properties)


@pytest.mark.parametrize("default", [True, 1, 1.5, "text", (1.0, 2.0), ("",)])
def test_options_of_all_types_of_parameters_are_defined(default: Any) -> None:
    kind = dataclasses.make_dataclass("Kind", [("speed", Any, option(default, "Speed."))])
    assert [(name, said.text, found) for name, said, found in options(kind)] == [
        ("speed", "Speed.", default)
    ]
    option(None, "Speed.", unset=-1.0)
    option(None, "Size.", library_only=True)


def test_help_shows_no_default_that_the_text_says(capsys: pytest.CaptureFixture[str]) -> None:
    tyro = pytest.importorskip("tyro")

    @documented
    @dataclasses.dataclass(frozen=True)
    class Command:
        height: int | None = flag(None, "Rows. Unset: those of the model.")
        topic: str | None = None
        """Topic; default: the only one."""
        raw: tuple[str, ...] = ()
        """Also write numbers."""
        count: int = option(3, "Number of images.")

    with pytest.raises(SystemExit):
        tyro.cli(Command, args=["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Unset: those of the model." in shown
    assert "Topic; default: the only one." in shown
    assert "(default: 3)" in shown
    assert shown.count("(default:") == 1


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ScaleSetup(camera_pitch_deg=400.0), "camera_pitch_deg"),
        (lambda: ScaleSetup(source="sonar"), "source"),
        (lambda: SensorMount(x=1000.0), "x"),
        (lambda: SensorMount(yaw_deg=float("nan")), "yaw_deg"),
    ],
)
def test_the_library_rejects_what_nodes_reject(make: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must"):
        make()
