"""The public API: declared, sorted, importable, light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import easel


def test_names_are_sorted_few_and_there() -> None:
    assert easel.__all__ == sorted(easel.__all__)
    assert len(easel.__all__) <= 20
    assert dir(easel) == easel.__all__
    for name in easel.__all__:
        assert getattr(easel, name).__name__ == name


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = easel.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "module", ["easel", "easel.core.client", "easel.prompt.infotext", "easel.sampling", "easel.app"]
)
def test_light_modules_load_no_torch(module: str) -> None:
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
