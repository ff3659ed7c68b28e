"""The program that measures a card, dry: every row of it at toy sizes, without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu


@pytest.mark.filterwarnings("default")  # of the peers that it measures
def test_every_row_has_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--toy", "--seconds", "600", "--json", str(tmp_path / "table.json")]) == 0
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert len(rows) == 12
    assert [row["told"] for row in rows if "told" in row] == []
    assert all(any(isinstance(value, float) for name, value in row.items() if name != "took") for row in rows)
    assert "toy SDXL 1024: full load" in capsys.readouterr().out


def test_what_there_is_no_time_for_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    table = gpu.Table(deadline=0.0)
    table.measure("a row", "1 s", 20, lambda: {"s": 1})
    table.rows.clear()
    assert "skipped: 20 s needed, 0 left" in capsys.readouterr().out
