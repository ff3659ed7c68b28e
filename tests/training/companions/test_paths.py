"""Paths in clips: a disc's centre and size are found, chance is told from a course, and a course from another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from easel.training.companions.paths import MOVES, SMOOTH, follows, going, jump, moves, path_of, swerve

SIDE = 64
STEPS = torch.linspace(-0.5, 0.5, 8).tolist()


def clip_of(places: Sequence[tuple[float, float, float]]) -> torch.Tensor:
    """A dark disc on pink at each (x, y, radius), in fractions of the side."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    frames = []
    for x, y, radius in places:
        disc = ((line[None] - x) ** 2 + (line[:, None] - y) ** 2 < radius**2).float()
        frames.append(torch.tensor([1.0, 0.4, 0.6])[:, None, None] * (1 - disc) - 0.9 * disc)
    return torch.stack(frames)


def gone(right: float, down: float, larger: float) -> torch.Tensor:
    return path_of(
        clip_of([(0.5 + right * t, 0.5 + down * t, 0.2 * torch.tensor(larger * t).exp().item()) for t in STEPS])
    )


@pytest.mark.parametrize("heading", [(0.4, 0.0, 0.0), (0.0, -0.3, 0.0), (0.0, 0.0, 0.6), (0.0, 0.0, -0.5)])
def test_a_course_is_found_as_it_was_drawn(heading: tuple[float, float, float]) -> None:
    path = gone(*heading)
    assert going(path) == pytest.approx(heading, abs=0.03)
    assert swerve(path) < SMOOTH and moves(path)
    assert follows(path, heading) and not follows(path, tuple(-way for way in heading))
    assert not follows(path, (heading[1], heading[2], heading[0]))


def test_a_still_thing_follows_nothing() -> None:
    path = gone(0.0, 0.0, 0.0)
    assert not moves(path) and swerve(path) == 0
    assert not any(follows(path, way) for way in ((1, 0, 0), (0, 1, 0), (0, 0, -1)))
    assert moves(gone(0.0, 2 * MOVES, 0.0))


def test_chance_is_not_smooth_and_jumps_more() -> None:
    rng = torch.Generator().manual_seed(0)
    wild = clip_of([(x, y, 0.2) for x, y in (0.3 + 0.4 * torch.rand(8, 2, generator=rng)).tolist()])
    calm = clip_of([(0.4 + 0.2 * t, 0.5, 0.2) for t in STEPS])
    assert swerve(path_of(wild)) > SMOOTH > swerve(path_of(calm))
    assert jump(wild) > 3 * jump(calm) > 0 and jump(wild[:1].expand(4, -1, -1, -1)) == 0


def test_a_frame_that_shows_nothing_has_the_middle() -> None:
    path = path_of(clip_of([(0.2, 0.2, 0.1), (0.5, 0.5, 0.0)]))
    assert path[1, :2].tolist() == [0.5, 0.5] and path[1, 2] < path[0, 2] and swerve(path) == 0
