"""Which precisions a processor computes fast, and the warning where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_perception.layers import cpu_info
from depth_perception.layers.cpu_info import has_instructions_for, warn_if_slow

VARIABLES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
FULL = "flags\t\t: fpu avx2 avx512f avx512_bf16 avx512_fp16 amx_bf16"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def write(text: str) -> None:
        (tmp_path / "cpuinfo").write_text(text + "\n" + text + "\n")
        monkeypatch.setattr(cpu_info, "FILE", tmp_path / "cpuinfo")

    return write


@pytest.mark.parametrize(
    ("line", "bfloat16", "float16"),
    [
        (FULL, True, True),
        ("flags : avx2 avx512f avx512_bf16", True, False),
        ("flags : avx2 f16c", False, False),
        ("Features : fp asimd fphp asimdhp bf16", True, True),
        ("nothing : of the kind", False, False),
    ],
)
def test_flags_say_which_precisions_are_fast(
    line: str, bfloat16: bool, float16: bool, processor
) -> None:
    processor(line)
    found = [has_instructions_for(p) for p in ("bfloat16", "float16", "float32")]
    assert found == [bfloat16, float16, True]


@pytest.mark.parametrize(
    ("variable", "value", "bfloat16", "float16"),
    [
        ("ATEN_CPU_CAPABILITY", "avx2", False, False),
        ("ATEN_CPU_CAPABILITY", "avx512", True, True),
        ("ONEDNN_MAX_CPU_ISA", "AVX2", False, False),
        ("ONEDNN_MAX_CPU_ISA", "avx512_core_bf16", True, False),
        ("DNNL_MAX_CPU_ISA", "AVX512_CORE_AMX", True, True),
        ("ONEDNN_MAX_CPU_ISA", "DEFAULT", True, True),
    ],
)
def test_older_instructions_may_be_asked_for(
    variable: str,
    value: str,
    bfloat16: bool,
    float16: bool,
    processor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor(FULL)
    monkeypatch.setenv(variable, value)
    found = [has_instructions_for(p) for p in ("bfloat16", "float16")]
    assert found == [bfloat16, float16]


def test_a_system_without_the_file_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cpu_info, "FILE", tmp_path / "none")
    assert not has_instructions_for("bfloat16")
    assert has_instructions_for("float32")


def test_the_warning_names_the_price(processor, caplog: pytest.LogCaptureFixture) -> None:
    processor("flags : avx2")
    for precision, device in (("float32", "cpu"), ("float16", "cuda"), ("float16", "cpu")):
        warn_if_slow(precision, device)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("precision float16: this CPU has no instructions for it")
    assert "50 times as long as in float32" in record.getMessage()
    caplog.clear()
    processor(FULL)
    warn_if_slow("float16", "cpu")
    assert not caplog.records
