"""One pass of a sampler over noise levels: every evaluation asked for, guided, blended and shown.

A recipe makes as many passes as its story has. Knows rows and models' verbs; does not know which recipe calls it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import neg
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from easel.core.request import Request
from easel.core.work import Decode, Evaluate, Progress, Rows, Work, Worn
from easel.media.tensors import to_images
from easel.models.family import Model
from easel.recipes.acting import Acting, acts_at
from easel.recipes.common import Settled, tile_of
from easel.recipes.leads import Lead
from easel.recipes.shortcuts import Marks, Shortening, check_shortcuts, with_negatives
from easel.sampling import PictureNoise, noise_for
from easel.sampling.guidance import Guide, Layout, guide_for
from easel.sampling.path import Evaluation
from easel.sampling.samplers import sampling

Blend = Callable[[Tensor, Evaluation], Tensor]  # (denoised (n, c, h, w), where it was asked) to denoised


@dataclass(frozen=True, slots=True)
class Leader:
    """A model with the words that lead it."""

    model: Model
    lead: Lead


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One pass: from `x` down to clean latents.

    settled: sigmas are those this pass visits. x: (n, channels, height, width), noisy latents at the first of them.
    pictures: the pictures' noise, of which the starting draw is taken.
    blend: applied to every denoised. extra: row data of each picture, (n or 1, ...), for the model's extra inputs.
    refiner: who takes over below the sigma `switch`. worn: adapters worn by every forward.
    acting: what leads rows besides, under the first leader alone, for whose model it is made.
    done: steps that earlier passes of the story have made; steps: of the whole story.
    """

    settled: Settled
    leader: Leader
    x: Tensor
    pictures: PictureNoise
    blend: Blend | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    refiner: Leader | None = None
    switch: float = 0.0
    worn: tuple[Worn, ...] = ()
    acting: tuple[Acting, ...] = ()
    done: int = 0
    steps: int | None = None

    def leader_at(self, sigma: float) -> Leader:
        """Return who leads an evaluation at `sigma`."""
        return self.refiner if self.refiner is not None and sigma < self.switch else self.leader

    @property
    def last_leader(self) -> Leader:
        """Who leads the last evaluation, and so decodes."""
        return self.leader_at(self.settled.sigmas[-2]) if len(self.settled.sigmas) > 1 else self.leader


def sample(one: Pass) -> Generator[Work, Any, Tensor]:
    """Ask for every evaluation of a pass and return the clean latents (n, channels, height, width)."""
    settled, request, sigmas = one.settled, one.settled.request, one.settled.sigmas
    if not one.done:
        check_shortcuts(settled, one.leader.model)
    if len(sigmas) == 1:  # a strength of 0 visits no level
        return one.x
    path = one.leader.model.path
    noise = noise_for(settled.sampler, one.pictures, settled.whole or sigmas, ensd=request.ensd)
    story = sampling(settled.sampler, path, one.x, sigmas, noise, request.sampler_options)
    total = one.steps or len(sigmas) - 1
    previews = Previews(request, one.done, one.worn)
    guides = {id(who): guide_of(one, who.lead) for who in (one.leader, one.refiner) if who is not None}
    shortening = Shortening(request.shortcuts, len(sigmas) - 1)
    step = call = 0
    try:
        evaluation = next(story)
        while True:
            here = step_at(sigmas, evaluation.sigma)
            step = max(step, here)  # Restart goes back up now and then
            leader = one.leader_at(evaluation.sigma)
            guide = guides[id(leader)]
            progress = Progress(one.done + step, total, previews.take())
            wanted = guide.layout(evaluation)
            asked = shortening.layout(wanted, evaluation.sigma, here, call)
            marks = shortening.marks(leader, asked, here, call)
            share = here / (len(sigmas) - 1)
            predictions = yield from predict(one, leader, asked, evaluation, call, share, progress, marks)
            predictions = with_negatives(predictions, asked, wanted)
            denoised = blended(guide.combine(predictions, evaluation, path), evaluation, one.blend)
            seen = denoised if isinstance(denoised, Tensor) else denoised[0]
            yield from previews.make(leader.model, one.done + step, seen)
            evaluation = story.send(denoised)
            call += 1
    except StopIteration as stop:
        return stop.value
    finally:
        story.close()


def guide_of(one: Pass, lead: Lead) -> Guide:
    """Return the guide of a pass under these words."""
    request = one.settled.request
    guidance = request.guidance.model_copy(update={"scale": one.settled.scale})
    return guide_for(one.settled.sampler, guidance, [lead.weights] * len(one.x), one.settled.sigmas)


def blended(
    denoised: Tensor | tuple[Tensor, Tensor], evaluation: Evaluation, blend: Blend | None
) -> Tensor | tuple[Tensor, Tensor]:
    """Return what the sampler is sent with `blend` applied, to both where the sampler asked for a pair."""
    if blend is None:
        return denoised
    if isinstance(denoised, Tensor):
        return blend(denoised, evaluation)
    return blend(denoised[0], evaluation), blend(denoised[1], evaluation)


def step_at(sigmas: Sequence[float], sigma: float) -> int:
    """Return the step, from 0, that an evaluation at `sigma` belongs to."""
    return min(max(bisect_right(sigmas, -sigma, key=neg) - 1, 0), len(sigmas) - 2)


def predict(
    one: Pass,
    leader: Leader,
    layout: Layout,
    evaluation: Evaluation,
    call: int,
    share: float,
    progress: Progress,
    marks: Marks,
) -> Generator[Work, Any, Tensor]:
    """Ask for the prediction of each row of a layout, (rows, channels, height, width). share: of the steps, done.

    Rows whose texts differ in length cannot share a forward and are asked for one length after the other; padding the
    shorter would change the picture.
    """
    lead = leader.lead
    leads = [(lead.negative if part is None else lead.positives[part]).at(call) for part in layout.parts]
    places: dict[int, list[int]] = {}
    for row, conditioning in enumerate(leads):
        places.setdefault(conditioning.context.shape[0], []).append(row)
    extra = extra_of(one, leader.model)
    acting = one.acting if leader is one.leader else ()
    predictions: dict[int, Tensor] = {}
    for rows in places.values():
        pictures = [layout.pictures[row] for row in rows]
        batch = Rows(
            x=evaluation.x[pictures],
            sigma=torch.full((len(rows),), evaluation.sigma, dtype=torch.float64),
            context=torch.stack([leads[row].context for row in rows]),
            extra={name: data.expand(len(one.x), *data.shape[1:])[pictures] for name, data in extra.items()}
            | {name: torch.stack([leads[row].extra[name] for row in rows]) for name in leads[rows[0]].extra},
            networks=(lead.networks,) * len(rows) if lead.networks else (),
            left=(progress.steps - progress.step,) * len(rows),
            acts=acts_at(acting, [(layout.pictures[row], layout.parts[row] is None) for row in rows], share),
            **marks.of(rows),
        )
        denoised: Tensor = yield Evaluate(leader.model, batch, progress, one.settled.request.alone, one.worn)
        predictions |= zip(rows, denoised, strict=True)
    return torch.stack([predictions[row] for row in range(len(layout))])


def extra_of(one: Pass, model: Model) -> Mapping[str, Tensor]:
    """Return the row data of each picture, (n or 1, ...), that this model reads."""
    extra = dict(one.extra) if model.inpaints else {}
    if model.distilled:
        extra["distilled"] = torch.tensor([one.settled.request.guidance.distilled])
    return extra


class Previews:
    """Rough looks at the first picture: made by the model's own decoder, shown with the next evaluation."""

    def __init__(self, request: Request, done: int, worn: tuple[Worn, ...]) -> None:
        self._request = request
        self._every = request.preview_every
        self._last = done
        self._worn = worn
        self._image: Image | None = None

    def make(self, model: Model, step: int, denoised: Tensor) -> Generator[Work, Any, None]:
        """Ask for a preview when enough steps have passed since the last."""
        if self._every and step - self._last >= self._every:
            self._last = step
            tile = tile_of(self._request, model, denoised)
            pixels = yield Decode(model, denoised[:1], worn=self._worn, tile=tile)
            (self._image,) = to_images(pixels)

    def take(self) -> Image | None:
        """Return the preview that nobody has seen yet."""
        image, self._image = self._image, None
        return image
