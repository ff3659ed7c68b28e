"""Hires fix: sample, enlarge, sample again with less noise.

The arithmetic of sizes and steps is A1111's. Knows passes and upscalers; text_to_image.py tells the story.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from easel.core.errors import BadValue
from easel.core.limits import MAX_SIDE, OptionValue
from easel.core.passes import Hires
from easel.core.request import Request
from easel.core.work import EncodeImages, Work
from easel.media.tensors import to_images, to_pixels
from easel.models.family import LatentFormat, Model
from easel.post.enlarging import enlarged
from easel.post.upscalers import of_latents, shown_name
from easel.prompt.fields import HIRES, Fields, named
from easel.recipes.common import Settled, settle
from easel.recipes.conditioning import blank_conditioning
from easel.recipes.controls import led_by, needs_picture
from easel.recipes.finishing import decode
from easel.recipes.leads import encode
from easel.recipes.motion import moved_by
from easel.recipes.noise import noise_of
from easel.recipes.passes import Leader, Pass
from easel.recipes.refiner import refined
from easel.recipes.strength import weakened
from easel.sampling import samplers, schedules
from easel.sampling.samplers import checked_options, split_joint_name

CELLS = LatentFormat()  # most models'; what is asked of others is looked at again when they are there


@dataclass(frozen=True, slots=True)
class Target:
    """What the first pass' latents are enlarged to, and what of that overhangs and is cut off; all in cells."""

    columns: int
    rows: int
    cut_columns: int = 0
    cut_rows: int = 0

    def cropped(self, latents: Tensor) -> Tensor:
        """Return latents (..., rows, columns) without what overhangs, half of it from either side."""
        left, top = self.cut_columns // 2, self.cut_rows // 2
        columns, rows = self.columns - self.cut_columns, self.rows - self.cut_rows
        return latents[..., top : top + rows, left : left + columns]


def target_of(hires: Hires, width: int, height: int, latent: LatentFormat = CELLS) -> Target:
    """Return the size of the second pass for a first pass of width x height pixels.

    A1111's calculate_target_resolution: `scale`; or one side given and the other by the picture's shape; or both, the
    picture then filling them and what overhangs cut off. Sides are cut to the multiples that the model can draw.
    Raises BadValue where a side would be too large or nothing.
    """
    wide, high = hires.width, hires.height
    field, got = ("hires.width", wide) if wide else ("hires.height", high)
    multiple, per = latent.multiple, latent.multiple // latent.downscale
    if wide is None and high is None:
        field, got = "hires.scale", hires.scale
        x, y = int(width * hires.scale), int(height * hires.scale)
    elif high is None or (wide is not None and width / height < wide / high):
        x, y = wide or 0, (wide or 0) * height // width
    else:
        x, y = high * width // height, high
    if not (multiple <= min(x, y) and max(x, y) <= MAX_SIDE):
        allowed = f"a size of {multiple} to {MAX_SIDE} pixels a side"
        raise BadValue(field, got, allowed, remedy=f"this asks for {x}x{y}")
    columns, rows = x // multiple * per, y // multiple * per
    if wide is None or high is None:
        return Target(columns, rows)
    shown = (max(side // multiple, 1) * per for side in (wide, high))
    return Target(columns, rows, columns - next(shown), rows - next(shown))


def check_hires(request: Request) -> None:
    """Raise UnknownName or BadValue for what can be told of a second pass without a model."""
    hires = request.hires
    if hires is None:
        return
    sampler = hires.sampler or request.sampler
    if sampler is not None:
        checked_options(samplers[split_joint_name(sampler)[0]], hires.sampler_options)
    if hires.schedule is not None:
        schedules[hires.schedule]
    if request.width and request.height:
        target_of(hires, request.width, request.height)


def second_pass(settled: Settled, model: Model) -> Settled | None:
    """Return what the second pass of a settled request visits, its size and words, None where none is wanted.

    As in A1111, steps are those made, the last of a schedule that is longer by as much as the strength is below 1.
    """
    request, hires = settled.request, settled.request.hires
    if hires is None:
        return None
    cell = model.latent.downscale
    target = target_of(hires, settled.width, settled.height, model.latent)
    sampler, joined = split_joint_name(hires.sampler or settled.sampler.name)
    schedule = schedules[hires.schedule or joined or settled.schedule].name
    scale = settled.scale if hires.cfg_scale is None else hires.cfg_scale
    again = request.model_copy(
        update={
            "prompt": hires.prompt or request.prompt,
            "negative_prompt": hires.negative_prompt or request.negative_prompt,
            "sampler": sampler,
            "sampler_options": kept(settled.sampler.name == sampler, request.sampler_options, hires.sampler_options),
            "schedule": schedule,
            "schedule_options": kept(settled.schedule == schedule, request.schedule_options, hires.schedule_options),
            "steps": hires.steps or settled.steps,
            "guidance": request.guidance.model_copy(update={"scale": scale}),
            "width": (target.columns - target.cut_columns) * cell,
            "height": (target.rows - target.cut_rows) * cell,
        }
    )
    return weakened(settle(again, model), model, hires.strength, all_steps=True, field="hires")


def kept(same: bool, first: Mapping[str, OptionValue], own: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """Return a second pass' options: its own, over those of the first where sampler or schedule is the same."""
    return {**first, **own} if same else dict(own)


def prepare(first: Pass, second: Settled, latents: Tensor, refiner: Model | None) -> Generator[Work, Any, Pass]:
    """Return the second pass over the first's clean latents, enlarged and with noise of the same seeds laid over."""
    settled, model = first.settled, first.leader.model
    lead = yield from encode(second.request, model, second.calls, base_calls=settled.calls)
    clean = yield from enlarge(first, latents)
    extra = yield from blank_conditioning(second, model, first.worn)
    begins = to_images((yield from decode(second, model, clean, first.worn))) if needs_picture(second.request) else []
    led = yield from led_by(second, model, passing="second", pictures=begins)
    acting = (*led, *(yield from moved_by(second.request, model)))
    noise, pictures = noise_of(second, model)
    x = model.path.noised(clean, noise, second.sigmas[0])
    done = len(settled.sigmas) - 1
    leader = Leader(model, lead)
    one = replace(first, settled=second, leader=leader, x=x, pictures=pictures, extra=extra, acting=acting, done=done)
    return (yield from refined(one, refiner, base_calls=settled.calls))


def enlarge(first: Pass, latents: Tensor) -> Generator[Work, Any, Tensor]:
    """Return clean latents at the second pass' size: interpolated, or decoded, enlarged as pictures and encoded."""
    settled, model = first.settled, first.leader.model
    hires = settled.request.hires or Hires()
    cell = model.latent.downscale
    target = target_of(hires, settled.width, settled.height, model.latent)
    upscaler = of_latents(hires.upscaler)
    if upscaler is not None:
        return target.cropped(upscaler.make(latents, target.columns, target.rows))
    small = to_images((yield from decode(settled, model, latents, first.worn)))
    sizes = [(target.columns * cell, target.rows * cell)] * len(small)
    large = yield from enlarged(hires.upscaler, small, sizes)
    found = yield EncodeImages(model, to_pixels(large), settled.request.alone, first.worn)
    return target.cropped(found)


def hires_fields(settled: Settled, second: Settled | None) -> Fields:
    """Return what infotext says of a second pass, under A1111's names."""
    request, hires = settled.request, settled.request.hires
    if hires is None or second is None:
        return {}
    found: Fields = {"Denoising strength": hires.strength}
    if hires.width or hires.height:
        found["Hires resize"] = f"{hires.width or 0}x{hires.height or 0}"
    else:
        found["Hires upscale"] = hires.scale
    if hires.steps:
        found["Hires steps"] = hires.steps
    found["Hires upscaler"] = shown_name(hires.upscaler)
    if second.sampler.name != settled.sampler.name:
        found["Hires sampler"] = second.sampler.name
    if second.schedule != settled.schedule:
        found["Hires schedule type"] = second.schedule
    if second.scale != settled.scale:
        found["Hires CFG Scale"] = second.scale
    if second.request.prompt != request.prompt:
        found["Hires prompt"] = second.request.prompt
    if second.request.negative_prompt != request.negative_prompt:
        found["Hires negative prompt"] = second.request.negative_prompt
    options = named(hires.sampler_options, "Sampler") | named(hires.schedule_options, "Schedule")
    return found | {f"{HIRES}{name}": value for name, value in options.items()}
