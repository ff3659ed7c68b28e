"""Clips of more frames than a motion module knows places for: windows over them that overlap by half and melt.

Each window is seen as a clip of its own, and a frame takes of each window that holds it the more, the nearer it is to
the window's middle: the fusion of Qiu et al. 2023 (FreeNoise), arXiv:2310.15169, section 3.3. Knows numbers of frames.
"""

from __future__ import annotations


def windows_of(count: int, longest: int) -> tuple[range, ...]:
    """Return the windows over a clip of `count` frames, of at most `longest` each; one that holds all where it can."""
    if count <= longest:
        return (range(count),)
    starts = [*range(0, count - longest, max(1, longest // 2)), count - longest]
    return tuple(range(start, start + longest) for start in starts)


def shares_of(windows: tuple[range, ...]) -> tuple[tuple[float, ...], ...]:
    """Return for each window what its frames take of it; what a frame takes of all windows is 1."""
    weights = [[min(place + 1, len(one) - place) for place in range(len(one))] for one in windows]
    sums: dict[int, int] = {}
    for one, own in zip(windows, weights, strict=True):
        for frame, weight in zip(one, own, strict=True):
            sums[frame] = sums.get(frame, 0) + weight
    return tuple(
        tuple(weight / sums[frame] for frame, weight in zip(one, own, strict=True))
        for one, own in zip(windows, weights, strict=True)
    )
