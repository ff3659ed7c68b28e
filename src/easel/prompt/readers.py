"""How the text of each infotext field reads as places in a request; names and meanings are A1111's.

A place is a dotted name of core.Request. Three stand alone, since what they mean depends on the other fields
(prompt/recall.py decides): "strength", "extra_noise" and "mask_weight".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from easel.core.errors import BadValue
from easel.prompt.fields import option_named, option_value
from easel.prompt.infotext import split_size

Places = dict[str, Any]  # "guidance.scale" and the like to values
Read = Callable[[str], Places]


def read_field(name: str, value: str) -> Places | None:
    """Return the places in a request that a field fills, None for a field that no request holds."""
    reader = READERS.get(name)
    if reader is not None:
        try:
            return reader(value)
        except ValueError as error:
            raise BadValue(f'infotext "{name}"', value, str(error)) from None
    option = option_named(name)
    return None if option is None else {".".join(option): option_value(value)}


def at(place: str) -> Read:
    """Return the reader that puts a value at `place` as it stands."""
    return lambda value: {place: value}


def name_at(place: str) -> Read:
    """Return the reader of a model's name, without the hash that A1111 writes behind it."""
    return lambda value: {place: re.sub(r" \[[0-9a-f]{6,64}\]$", "", value)}


def file_at(place: str) -> Read:
    """Return the reader of a file's name, which A1111 writes with its ending."""
    return lambda value: {place: re.sub(r"\.(safetensors|ckpt|pt|pth|bin|gguf|sft)$", "", value)}


def flag(place: str) -> Read:
    """Return the reader of "True" and "False"."""

    def read(value: str) -> Places:
        if value.casefold() not in ("true", "false"):
            raise ValueError("True or False")
        return {place: value.casefold() == "true"}

    return read


def word_at(place: str, **meanings: Any) -> Read:
    """Return the reader of one word of several, case aside; an underscore in a meaning's name stands for a space."""
    known = {word.replace("_", " "): meaning for word, meaning in meanings.items()}

    def read(value: str) -> Places:
        if value.casefold() not in known:
            raise ValueError(" or ".join(known))
        return {place: known[value.casefold()]}

    return read


def size_at(width: str, height: str) -> Read:
    """Return the reader of "512x768"; a side of 0 is left out."""

    def read(value: str) -> Places:
        sides = split_size(value)
        if sides is None:
            raise ValueError("WIDTHxHEIGHT in pixels")
        if sides == (0, 0):
            raise ValueError("a size of at least 8x8")
        return {place: side for place, side in zip((width, height), sides, strict=True) if side}

    return read


def pair_at(place: str) -> Read:
    """Return the reader of "512x768" as one value."""

    def read(value: str) -> Places:
        sides = split_size(value)
        if sides is None:
            raise ValueError("WIDTHxHEIGHT in pixels")
        return {place: sides}

    return read


INTERVAL = re.compile(r"([^-\s]+(?:[eE]-\d+)?)-([^-\s]+(?:[eE]-\d+)?)")


def interval(value: str) -> Places:
    """Read "0.2-0.8", the share of the steps in which guidance acts."""
    match = INTERVAL.fullmatch(value)
    if match is None:
        raise ValueError("START-END, shares of the steps")
    return {"guidance.start": match.group(1), "guidance.end": match.group(2)}


def nothing(value: str) -> Places:
    """Read a field that says no more than that others are there."""
    return {}


ANIMATED = re.compile(r"'?(\w+)'?: '?([^,'}]*)'?")  # a field of AnimateDiff's; earlier ones wrote Python's quotes


def animated(value: str) -> Places:
    """Read A1111's AnimateDiff: "enable: True, model: mm_sd15_v3.safetensors, video_length: 16, fps: 8, ..."."""
    told = dict(ANIMATED.findall(value))
    if told.get("enable") != "True" or not told.get("model"):
        return {}
    counts = {"motion.fps": told.get("fps"), "batch_size": told.get("video_length")}
    asked = {place: count for place, count in counts.items() if count not in (None, "0")}
    return file_at("motion.model")(told["model"]) | asked


def unless(usual: Iterable[str], reader: Read) -> Read:
    """Return a reader that takes the words `usual` for silence."""
    silent = {word.casefold() for word in usual}
    return lambda value: {} if value.casefold() in silent else reader(value)


SOFT = "Soft inpainting "
MODULES = 9  # files of text encoders, and in Forge of the autoencoder, that infotext tells of at most
READERS: Mapping[str, Read] = {
    "Recipe": at("recipe"),
    "Steps": at("steps"),
    "Sampler": at("sampler"),
    "Schedule type": at("schedule"),
    "CFG scale": at("guidance.scale"),
    "CFG rescale": at("guidance.rescale"),
    "CFG interval": interval,
    "DeepCache": at("shortcuts.features_every"),
    "T-GATE": at("shortcuts.gate"),
    "NGMS": at("shortcuts.ngms"),
    "NGMS all steps": flag("shortcuts.ngms_all"),
    "Seed": at("seed"),
    "Size": size_at("width", "height"),
    "Distilled CFG Scale": at("guidance.distilled"),
    "Model": name_at("model"),
    "VAE": unless(["", "Automatic"], file_at("components.vae")),  # None is the model's own
    "Denoiser": at("components.denoiser"),
    **{f"Module {n}": at(f"components.text_encoders.{n}") for n in range(1, MODULES + 1)},
    "Clip skip": at("words.clip_skip"),
    "ENSD": at("ensd"),
    "RNG": word_at("noise", cpu="CPU", nv="NV", gpu="NV"),
    "Variation seed": at("variation.seed"),
    "Variation seed strength": at("variation.strength"),
    "Seed resize from": pair_at("variation.resize_from"),
    "Tiling": word_at("seamless", true="xy", false="", x="x", y="y", xy="xy"),
    "Tiled decode": at("tiled_decode"),
    "Emphasis": at("words.emphasis"),
    "Comma backtrack": at("words.comma_backtrack"),
    "Old prompt editing timelines": flag("words.old_editing"),
    "Denoising strength": at("strength"),
    "Hires upscale": at("hires.scale"),
    "Hires resize": size_at("hires.width", "hires.height"),
    "Hires steps": unless(["0"], at("hires.steps")),
    "Hires upscaler": at("hires.upscaler"),
    "Hires sampler": unless(["Use same sampler"], at("hires.sampler")),
    "Hires schedule type": unless(["Use same scheduler"], at("hires.schedule")),
    "Hires CFG Scale": at("hires.cfg_scale"),
    "Hires CFG scale": at("hires.cfg_scale"),
    "Hires prompt": at("hires.prompt"),
    "Hires negative prompt": at("hires.negative_prompt"),
    "Refiner": name_at("refiner.model"),
    "Refiner switch at": at("refiner.switch_at"),
    "AnimateDiff": animated,
    "Motion": at("motion.model"),
    "Motion strength": at("motion.strength"),
    "Motion fps": at("motion.fps"),
    "Motion format": at("motion.format"),
    "Resize mode": word_at(
        "start.resize",
        just_resize="just resize",
        crop_and_resize="crop and resize",
        resize_and_fill="resize and fill",
        latent_resize="latent resize",
        **{"just resize (latent upscale)": "latent resize"},
    ),
    "All steps": flag("start.all_steps"),
    "Noise multiplier": at("start.noise_multiplier"),
    "Extra noise": at("extra_noise"),
    "Color correction": flag("start.match_colours"),
    "Conditional mask weight": at("mask_weight"),
    "Mask mode": word_at("mask.invert", inpaint_masked=False, inpaint_not_masked=True),
    "Mask channel": at("mask.channel"),
    "Mask blur": at("mask.blur"),
    "Masked content": word_at(
        "mask.fill",
        fill="fill",
        original="original",
        latent_noise="latent noise",
        latent_nothing="latent nothing",
    ),
    "Inpaint area": word_at("mask.only_masked", whole_picture=False, only_masked=True),
    "Masked area padding": at("mask.padding"),
    f"{SOFT}enabled": nothing,
    f"{SOFT}schedule bias": at("mask.soft.schedule_bias"),
    f"{SOFT}preservation strength": at("mask.soft.preservation"),
    f"{SOFT}transition contrast boost": at("mask.soft.contrast"),
    f"{SOFT}mask influence": at("mask.soft.mask_influence"),
    f"{SOFT}difference threshold": at("mask.soft.difference_threshold"),
    f"{SOFT}difference contrast": at("mask.soft.difference_contrast"),
    "Outpaint left": at("outpaint.left"),
    "Outpaint right": at("outpaint.right"),
    "Outpaint top": at("outpaint.top"),
    "Outpaint bottom": at("outpaint.bottom"),
    "Outpaint feather": at("outpaint.feather"),
    "Outpaint reach": at("outpaint.reach"),
    "SD upscale scale": at("tiles.scale"),
    "SD upscale upscaler": at("tiles.upscaler"),
    "SD upscale overlap": at("tiles.overlap"),
}
