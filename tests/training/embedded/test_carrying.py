"""What training leaves travels in small files, or is known to be broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from easel.training.embedded import carrying


def test_states_travel_in_small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "LARGEST", 1000)
    folder = tmp_path / "states"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "state.safetensors").write_bytes(bytes(range(256)) * 10)
    (folder / "empty.csv").write_bytes(b"")
    carrying.pack(folder, tmp_path / "parcel")
    pieces = sorted((tmp_path / "parcel").glob("piece-*"))
    assert len(pieces) > 2 and max(piece.stat().st_size for piece in pieces) <= 1000
    carrying.unpack(tmp_path / "parcel", tmp_path / "again")
    for name in ("base/state.safetensors", "empty.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    carrying.pack(folder, tmp_path / "less", only=["empty.csv"])
    carrying.unpack(tmp_path / "less", tmp_path / "few")
    assert [path.name for path in (tmp_path / "few").iterdir()] == ["empty.csv"]
    pieces[1].write_bytes(b"other")
    with pytest.raises(Exception, match="not as it was packed"):
        carrying.unpack(tmp_path / "parcel", tmp_path / "broken")
    assert not (tmp_path / "broken").exists()
