"""How well words find things: on composed pictures of two things each, whose places are known, by the starter.

    python benchmarks/finding.py [PICTURES]

Prints for each way of asking: how often the middle of the region lies in the right half, how often most of the region
lies within the box of the thing, the mean intersection over union of both boxes, and seconds for one thing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from time import perf_counter
from typing import Any

import numpy
import torch

from easel.core.detail import Detail
from easel.core.request import Request
from easel.core.settings import read_settings
from easel.engine.runner import perform
from easel.media.tensors import to_images
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.models.library.names import STARTER
from easel.post.found import shared
from easel.recipes.attending import regions_by_words
from easel.recipes.common import settle
from easel.training.companions.opening import PRACTISED
from easel.training.world.deck import packed
from easel.training.world.painting import placed
from easel.training.world.scenes import PAIR_SIZE, Scene, drawn_thing
from easel.training.world.source import open_source
from easel.training.world.subjects import Subject

Ask = Callable[[str, str], str]  # what stands left and what stands right, to the prompt
ASKED: dict[str, tuple[str, Ask]] = {
    "LEFT and RIGHT": ("english", lambda left, right: f"a {left} and a {right}"),
    "RIGHT right of LEFT": ("english", lambda left, right: f"a {right} right of a {left}"),
    "LEFT하고 RIGHT": ("korean", lambda left, right: f"{left}하고 {right}"),
    "no prompt": ("english", lambda left, right: ""),
}


def main(count: int) -> None:
    """Print the table for so many pictures."""
    model = load(identify(STARTER, "starter"), read_settings(precision="float32"))
    side = model.defaults.width
    source = open_source(None, PRACTISED, side, "cpu")
    drawn = [number for number, one in enumerate(source.subjects) if " " not in one.english[0]]
    chance = numpy.random.default_rng(5)
    pairs = [tuple(int(one) for one in chance.choice(drawn, 2, replace=False)) for _ in range(count)]
    scenes = [side_by_side(chance, *pair) for pair in pairs]
    pictures = to_images((source.paint(scenes) + 1) / 2)
    shapes = torch.stack([placed(source.atlas, packed(scenes), slot, (side, side))[:, 3] for slot in (0, 1)], 1) > 0.3
    print(f"{'prompt':24} {'side':>6} {'within':>7} {'IoU':>6} {'seconds':>8}")
    for words, (language, ask) in ASKED.items():
        sides, inside, overlap, began = 0, 0, 0.0, perf_counter()
        for number, pair in enumerate(pairs):
            left_name, right_name = (name_of(source.subjects[who], language) for who in pair)
            for place, sought in enumerate((left_name, right_name)):
                request = Request(prompt=ask(left_name, right_name), seed=7, width=side, height=side)
                story = regions_by_words(
                    sought, [pictures[number]], settle(request, model), model, least=Detail(find=sought).confidence
                )
                (found,) = performed(story)
                if not found:
                    continue
                left, _, right, _ = found[0].box
                sides += (left + right < side) == (place == 0)
                rows, columns = numpy.nonzero(shapes[number, place].numpy())
                box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
                mask = numpy.asarray(found[0].mask) > 0
                inside += mask[box[1] : box[3], box[0] : box[2]].sum() > mask.sum() / 2
                overlap += shared(found[0].box, box)
        all_of = 2 * len(pairs)
        shares = f"{sides / all_of:6.0%} {inside / all_of:7.0%} {overlap / all_of:6.2f}"
        print(f"{words:24} {shares} {(perf_counter() - began) / all_of:8.2f}", flush=True)


def side_by_side(chance: numpy.random.Generator, left: int, right: int) -> Scene:
    """Return a scene of two subjects on white."""
    halves = ((left, 0.25), (right, 0.75))
    return Scene(tuple(drawn_thing(chance, who, PAIR_SIZE, (across, 0.5), "") for who, across in halves), "across")


def name_of(subject: Subject, language: str) -> str:
    """Return a subject's usual name."""
    return getattr(subject, language)[0].lstrip("~")


def performed(story: Generator[Any, Any, Any]) -> Any:
    """Return what a story ends with."""
    outcome: Any = None
    while True:
        try:
            work = story.send(outcome)
        except StopIteration as stop:
            return stop.value
        (outcome,) = perform([work])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 48)
