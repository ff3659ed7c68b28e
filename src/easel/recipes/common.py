"""What every recipe shares: settling a request with a model's habits, sampling under guidance, finishing pictures.

Each helper is a generator to be joined by `yield from`, or a plain function. Nothing here knows which recipe calls it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import neg
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from easel.core.errors import BadValue
from easel.core.registry import Entry, Registry
from easel.core.request import OptionValue, Request
from easel.core.result import Picture
from easel.core.work import Decode, Encode, Evaluate, Finish, Progress, Rows, Work
from easel.media.tensors import to_images
from easel.models.conditioning import Conditioning
from easel.models.family import Model
from easel.prompt import infotext
from easel.sampling import PictureNoise, noise_for, samplers, schedules, sigmas_for
from easel.sampling.guidance import Layout, guide_for
from easel.sampling.path import Evaluation
from easel.sampling.samplers import Sampler, checked_options, sampling, split_joint_name

Recipe = Callable[[Request, Model], Generator[Work, Any, tuple[Picture, ...]]]

recipes: Registry[Recipe] = Registry("recipe")


@dataclass(frozen=True, slots=True)
class Settled:
    """A request with every silence filled by the model's habits.

    sigmas: the levels that the sampler visits, one more than its steps, the last 0.
    """

    request: Request
    width: int
    height: int
    steps: int
    scale: float
    sampler: Entry[Sampler]
    schedule: str
    sigmas: tuple[float, ...]


def check(request: Request) -> None:
    """Raise UnknownName or BadValue for what can be told without a model: names, and options with their kinds."""
    recipes[request.recipe]
    if request.sampler is not None:
        name, _ = split_joint_name(request.sampler)
        checked_options(samplers[name], request.sampler_options)
    if request.schedule is not None:
        schedules[request.schedule]


def settle(request: Request, model: Model) -> Settled:
    """Return the request with the model's habits where it is silent. Raises RequestError."""
    habits = model.defaults
    name, joined = split_joint_name(request.sampler or habits.sampler)
    sampler = samplers[name]
    checked_options(sampler, request.sampler_options)
    steps = request.steps or habits.steps
    schedule = schedules[request.schedule or joined or habits.schedule].name
    width, height = (
        fitting(name, value, model.latent.downscale)
        for name, value in (("width", request.width or habits.width), ("height", request.height or habits.height))
    )
    scale = habits.scale if request.guidance.scale is None else request.guidance.scale
    sigmas = sigmas_for(sampler, steps, model.levels, schedule, request.schedule_options)
    return Settled(request, width, height, steps, scale, sampler, schedule, sigmas)


def fitting(name: str, side: int, cell: int) -> int:
    """Return `side` when it is whole cells of the model's latent."""
    if side % cell:
        raise BadValue(name, side, f"a multiple of {cell} for this model")
    return side


@dataclass(frozen=True, slots=True, eq=False)
class Lead:
    """What leads every picture of a request: its positives with their weights, and what to lead away from."""

    positives: tuple[Conditioning, ...]
    weights: tuple[float, ...]
    negative: Conditioning


def encode(request: Request, model: Model) -> Generator[Work, Any, Lead]:
    """Ask for the conditionings of a request's prompts."""
    positive, negative = yield Encode(model, (request.prompt, request.negative_prompt), request.alone)
    return Lead((positive,), (1.0,), negative)


def noise_of(settled: Settled, model: Model) -> PictureNoise:
    """Return the generators of a request's pictures, one a picture, nothing drawn yet."""
    cell = model.latent.downscale
    shape = (model.latent.channels, settled.height // cell, settled.width // cell)
    return PictureNoise(settled.request.seeds, shape, settled.request.noise)


def sample(settled: Settled, model: Model, lead: Lead) -> Generator[Work, Any, Tensor]:
    """Ask for every evaluation of the settled sampler, from pure noise, and return the clean latents (n, c, h, w)."""
    request, path, sigmas = settled.request, model.path, settled.sigmas
    if settled.sampler.facts["shares_steps"] and request.batch_size > 1:
        return (yield from sample_apart(settled, model, lead))
    pictures = noise_of(settled, model)
    x = path.noised(0.0, pictures.draw(), sigmas[0])
    noise = noise_for(settled.sampler, pictures, sigmas)
    guidance = request.guidance.model_copy(update={"scale": settled.scale})
    guide = guide_for(settled.sampler, guidance, [lead.weights] * request.batch_size, sigmas)
    story = sampling(settled.sampler, path, x, sigmas, noise, request.sampler_options)
    step = 0
    previews = Previews(model, request.preview_every)
    try:
        evaluation = next(story)
        while True:
            step = max(step, step_at(sigmas, evaluation.sigma))  # Restart goes back up now and then
            progress = Progress(step, len(sigmas) - 1, previews.take())
            predictions = yield from predict(evaluation, guide.layout(evaluation), lead, model, progress, request.alone)
            denoised = guide.combine(predictions, evaluation, path)
            yield from previews.make(step, denoised if isinstance(denoised, Tensor) else denoised[0])
            evaluation = story.send(denoised)
    except StopIteration as stop:
        return stop.value
    finally:
        story.close()


def sample_apart(settled: Settled, model: Model, lead: Lead) -> Generator[Work, Any, Tensor]:
    """Sample a batch picture by picture, for samplers whose step sizes all pictures of x would share."""
    request = settled.request
    latents: list[Tensor] = []
    for seed in request.seeds:
        one = request.model_copy(update={"seed": seed, "batch_size": 1})
        latents.append((yield from sample(replace(settled, request=one), model, lead)))
    return torch.cat(latents)


def step_at(sigmas: Sequence[float], sigma: float) -> int:
    """Return the step, from 0, that an evaluation at `sigma` belongs to."""
    return min(max(bisect_right(sigmas, -sigma, key=neg) - 1, 0), len(sigmas) - 2)


def predict(
    evaluation: Evaluation, layout: Layout, lead: Lead, model: Model, progress: Progress, alone: bool
) -> Generator[Work, Any, Tensor]:
    """Ask for the prediction of each row of a layout, (rows, channels, height, width).

    Rows whose texts differ in length cannot share a forward and are asked for one length after the other; padding the
    shorter would change the picture.
    """
    leads = [lead.negative if part is None else lead.positives[part] for part in layout.parts]
    places: dict[int, list[int]] = {}
    for row, conditioning in enumerate(leads):
        places.setdefault(conditioning.context.shape[0], []).append(row)
    predictions: dict[int, Tensor] = {}
    for rows in places.values():
        batch = Rows(
            x=evaluation.x[[layout.pictures[row] for row in rows]],
            sigma=torch.full((len(rows),), evaluation.sigma, dtype=torch.float64),
            context=torch.stack([leads[row].context for row in rows]),
        )
        denoised: Tensor = yield Evaluate(model, batch, progress, alone)
        predictions |= zip(rows, denoised, strict=True)
    return torch.stack([predictions[row] for row in range(len(layout))])


class Previews:
    """Rough looks at the first picture: made by the model's own decoder, shown with the next evaluation."""

    def __init__(self, model: Model, every: int) -> None:
        self._model = model
        self._every = every
        self._last = 0
        self._image: Image | None = None

    def make(self, step: int, denoised: Tensor) -> Generator[Work, Any, None]:
        """Ask for a preview when enough steps have passed since the last."""
        if self._every and step - self._last >= self._every:
            self._last = step
            pixels = yield Decode(self._model, denoised[:1])
            (self._image,) = to_images(pixels)

    def take(self) -> Image | None:
        """Return the preview that nobody has seen yet."""
        image, self._image = self._image, None
        return image


def decode(settled: Settled, model: Model, latents: Tensor) -> Generator[Work, Any, tuple[Picture, ...]]:
    """Ask for the pixels of latents and finish them into pictures with their infotext."""
    request = settled.request
    pixels = yield Decode(model, latents, request.alone)

    def finished() -> tuple[Picture, ...]:
        return tuple(
            Picture(image, seed, infotext.write(request.prompt, request.negative_prompt, fields(settled, model, seed)))
            for image, seed in zip(to_images(pixels), request.seeds, strict=True)
        )

    return (yield Finish(finished))


def fields(settled: Settled, model: Model, seed: int) -> dict[str, str | int | float]:
    """Return the settings of one picture under A1111's infotext names."""
    request = settled.request
    found: dict[str, str | int | float] = {
        "Steps": settled.steps,
        "Sampler": settled.sampler.name,
        "Schedule type": settled.schedule,
        "CFG scale": settled.scale,
        "Seed": seed,
        "Size": f"{settled.width}x{settled.height}",
        "Model": model.name,
        "RNG": request.noise,
    }
    if request.guidance.rescale:
        found["CFG rescale"] = request.guidance.rescale
    if request.guidance.start > 0 or request.guidance.end < 1:
        found["CFG interval"] = f"{request.guidance.start}-{request.guidance.end}"
    return found | named(request.sampler_options, "Sampler") | named(request.schedule_options, "Schedule")


# A1111's infotext names of options; any other is written with its owner's name before it.
OPTION_NAMES = {
    "eta": "Eta",
    "s_churn": "Sigma churn",
    "s_tmin": "Sigma tmin",
    "s_tmax": "Sigma tmax",
    "s_noise": "Sigma noise",
    "sigma_min": "Schedule min sigma",
    "sigma_max": "Schedule max sigma",
    "rho": "Schedule rho",
}


def named(options: Mapping[str, OptionValue], owner: str) -> dict[str, str | int | float]:
    """Return options under their infotext names; yes and no as A1111 writes them."""
    return {
        OPTION_NAMES.get(name, f"{owner} {name.replace('_', ' ')}"): str(value) if isinstance(value, bool) else value
        for name, value in options.items()
    }
