"""What the companions' programs open: a device that is there, the model in the package, rows a part at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from easel.core.errors import BadValue
from easel.training.companions.opening import MODEL, Device, chosen_device
from easel.training.companions.practice import kept_rows


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA card")
def test_a_card_that_is_not_there_is_refused() -> None:
    assert chosen_device(Device.AUTO).type == "cpu"
    with pytest.raises(BadValue, match="auto or cpu"):
        chosen_device(Device.CUDA)


def test_the_model_lies_in_the_package() -> None:
    assert (MODEL / "model_index.json").is_file()


def test_rows_are_made_a_part_at_a_time_and_read_again(tmp_path: Path) -> None:
    asked: list[range] = []

    def make(numbers: range) -> dict[str, torch.Tensor]:
        asked.append(numbers)
        return {"rows": torch.tensor([float(number) for number in numbers])}

    first, second = (kept_rows(tmp_path, "few", 5, 2, make)["rows"].tolist() for _ in range(2))
    assert first == second == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert asked == [range(0, 2), range(2, 4), range(4, 5)]
