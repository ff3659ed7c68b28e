"""Checkpoints are replaced whole; what is made once is kept, read again, and never in a large file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from easel.training.learning import checkpoint


def test_a_checkpoint_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    for value in (1.0, 2.0):
        checkpoint.save(path, {"weights": {"a/b": torch.full((2,), value)}}, {"step": value})
    groups, facts = checkpoint.load(path)
    assert facts == {"step": 2.0} and groups["weights"]["a/b"].tolist() == [2.0, 2.0]
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]


def test_what_is_kept_is_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, torch.Tensor]:
        made.append(1)
        return {"rows": torch.arange(3.0).expand(2, 3)}

    first, second = (checkpoint.kept(tmp_path / "deep" / "rows.safetensors", make) for _ in range(2))
    assert torch.equal(first["rows"], second["rows"]) and first["rows"].shape == (2, 3)
    assert len(made) == 1 and [path.name for path in (tmp_path / "deep").iterdir()] == ["rows.safetensors"]


def test_no_kept_file_is_large(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most"):
        checkpoint.kept(tmp_path / "wide.safetensors", lambda: {"rows": torch.zeros(5_000_000)})
    assert not list(tmp_path.iterdir())
