"""What every recipe shares: the registry, what can be refused without a model, and settling a request.

Nothing here asks for work; leads.py, passes.py and finishing.py hold the generators that recipes join.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from easel.core.errors import BadValue, Unsupported
from easel.core.registry import Entry, Registry
from easel.core.request import STORIES, Request
from easel.core.result import Picture
from easel.core.work import Work
from easel.models.family import Model
from easel.recipes.controlled import check_leads
from easel.recipes.leads import check_words
from easel.recipes.motion import check_apart, check_motion
from easel.recipes.wanted import check_afterwards
from easel.sampling import samplers, schedules, sigmas_for
from easel.sampling.samplers import Sampler, checked_options, split_joint_name

Story = Generator[Work, Any, tuple[Picture, ...]]
Recipe = Callable[[Request, Model], Story]

recipes: Registry[Recipe] = Registry("recipe")


@dataclass(frozen=True, slots=True)
class Settled:
    """A request with every silence filled by the model's habits.

    sigmas: the levels that the sampler visits, the last 0; a pass may begin further down.
    whole: the schedule of which sigmas are the end, where a pass begins further down; Brownian noise spans all of it.
    """

    request: Request
    width: int
    height: int
    steps: int
    scale: float
    sampler: Entry[Sampler]
    schedule: str
    sigmas: tuple[float, ...]
    whole: tuple[float, ...] = ()

    @property
    def calls(self) -> int:
        """A1111's count of model calls in a whole pass, by which prompt editing is timed."""
        return self.steps * (2 if self.sampler.facts["second_order"] else 1)


def check(request: Request) -> None:
    """Raise RequestError for what can be told without a model: names, options, words, parts, and pictures' files.

    A recipe registered with `check` refuses in its own words what its parts hold.
    """
    entry = recipes[request.recipe]
    check_parts(request, entry)
    check_sampling(request)
    check_words(request)
    check_leads(request, entry.name)
    check_motion(request)
    check_afterwards(request)
    if "check" in entry.facts:
        entry.facts["check"](request)


def check_parts(request: Request, entry: Entry[Recipe]) -> None:
    """Raise BadValue for a part that is missing, Unsupported for one that the recipe has no use for."""
    needs, takes = entry.facts.get("needs", ()), entry.facts.get("takes", ())
    for part in STORIES:
        given = getattr(request, part) is not None
        if part in needs and not given:
            raise BadValue(part, None, f"given, for the recipe {entry.name}")
        if given and part not in (*needs, *takes):
            users = [other.name for other in recipes if part in (*other.facts["needs"], *other.facts["takes"])]
            raise Unsupported(f"the recipe {entry.name} has no use for {part}; these have: {', '.join(users)}.")


def check_sampling(request: Request) -> None:
    """Raise UnknownName or BadValue for a sampler, a schedule or their options."""
    if request.sampler is not None:
        name, _ = split_joint_name(request.sampler)
        checked_options(samplers[name], request.sampler_options)
    if request.schedule is not None:
        schedules[request.schedule]


def draws(request: Request) -> bool:
    """Return whether a request's recipe works with a model."""
    return recipes[request.recipe].facts.get("model", True)


def tell(request: Request, model: Model | None) -> Story:
    """Return the story of a settled request by the recipe it names. model: None for a recipe that works without.

    Samplers whose step sizes come from all pictures of a batch together are told picture by picture.
    """
    make = recipes[request.recipe].make
    if model is None:
        return (yield from make(request, cast(Model, None)))
    name, _ = split_joint_name(request.sampler or model.defaults.sampler)
    if not samplers[name].facts["shares_steps"] or request.batch_size == 1:
        return (yield from make(request, model))
    check_apart(request, name)
    pictures: list[Picture] = []
    for picture in range(request.batch_size):
        pictures += yield from make(request.one(picture), model)
    return tuple(pictures)


def settle(request: Request, model: Model) -> Settled:
    """Return the request with the model's habits where it is silent. Raises RequestError."""
    habits = model.defaults
    name, joined = split_joint_name(request.sampler or habits.sampler)
    sampler = samplers[name]
    checked_options(sampler, request.sampler_options)
    steps = request.steps or habits.steps
    schedule = schedules[request.schedule or joined or habits.schedule].name
    width, height = (
        fitting(name, value, model.latent.multiple)
        for name, value in (("width", request.width or habits.width), ("height", request.height or habits.height))
    )
    scale = habits.scale if request.guidance.scale is None else request.guidance.scale
    sigmas = sigmas_for(sampler, steps, model.levels_at(width, height), schedule, request.schedule_options)
    return Settled(request, width, height, steps, scale, sampler, schedule, sigmas)


def tile_of(request: Request, model: Model, latents: Tensor) -> int:
    """Return the side in pixels of the tiles in which latents are decoded; 0, whole, where they are no larger."""
    largest = max(latents.shape[-2:]) * model.latent.downscale
    return request.tiled_decode if largest > request.tiled_decode else 0


def fitting(name: str, side: int, cell: int) -> int:
    """Return `side` when it is whole cells of the model's latent."""
    if side % cell:
        raise BadValue(name, side, f"a multiple of {cell} for this model")
    return side
