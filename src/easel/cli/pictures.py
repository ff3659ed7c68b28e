"""The options of commands that start from a picture, and the parts of a request they ask for.

A command takes them by `with_options`, under the shared ones of options.py. Nothing here draws.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from easel.cli.options import option

START, MASK, SOFT, GROW = "Start picture", "Mask", "Soft inpainting", "Growing"
RESIZE = {"just": "just resize", "crop": "crop and resize", "fill": "resize and fill", "latent": "latent resize"}
FILL = {"fill": "fill", "original": "original", "noise": "latent noise", "nothing": "latent nothing"}
CHANNELS = ("light", "alpha")
KIND = "img2img-images"  # A1111's folder of whatever starts from a picture

PictureFile = Annotated[Path, typer.Argument(metavar="FILE", help="The picture to start from.", show_default=False)]
Prompt = Annotated[str, typer.Argument(metavar="PROMPT", help="What to draw; quote it.", show_default=False)]


def start_options(
    strength: Annotated[
        float | None, option(START, "--strength", "X", "0..1, how far from the picture [0.75].", "-s")
    ] = None,
    resize: Annotated[
        str | None,
        option(START, "--resize", "just|crop|fill|latent", "How it is brought to --size [just]."),
    ] = None,
    all_steps: Annotated[
        bool, option(START, "--all-steps", None, "Take all --steps, not only the share that --strength leaves.")
    ] = False,
    noise_multiplier: Annotated[
        float | None, option(START, "--noise-multiplier", "X", "0..1.5, of the noise laid over the picture [1].")
    ] = None,
    extra_noise: Annotated[
        float | None, option(START, "--extra-noise", "X", "0..1, more noise, for more detail [0].")
    ] = None,
    match_colours: Annotated[
        bool, option(START, "--match-colours", None, "Give the result the picture's colours.")
    ] = False,
) -> dict[str, Any]:
    """Return the fields of a Start that were given, without its picture."""
    from easel.cli import wishes

    return wishes.without_none(
        strength=strength,
        resize=None if resize is None else mode_of("--resize", resize, RESIZE),
        all_steps=all_steps,
        noise_multiplier=noise_multiplier,
        extra_noise=extra_noise,
        match_colours=match_colours,
    )


def mask_options(
    channel: Annotated[
        str | None, option(MASK, "--mask-channel", "light|alpha", "What of the mask counts [light].")
    ] = None,
    invert: Annotated[bool, option(MASK, "--invert", None, "Paint where the mask is black.")] = False,
    blur: Annotated[float | None, option(MASK, "--blur", "X", "0..64 pixels, softens the mask's edge [4].")] = None,
    fill: Annotated[
        str | None,
        option(MASK, "--fill", "fill|original|noise|nothing", "What stands there to begin with [original]."),
    ] = None,
    only_masked: Annotated[
        bool, option(MASK, "--only-masked", None, "Work on the masked part alone, enlarged to --size.")
    ] = False,
    padding: Annotated[int | None, option(MASK, "--padding", "N", "Pixels around it with --only-masked [32].")] = None,
    mask_weight: Annotated[
        float | None, option(MASK, "--mask-weight", "X", "0..1, what an inpainting checkpoint hears of the mask [1].")
    ] = None,
    soft: Annotated[bool, option(SOFT, "--soft", None, "Grey in the mask is how much may change.")] = False,
    schedule_bias: Annotated[
        float | None, option(SOFT, "--schedule-bias", "X", "0..8, above 1 keeps more at the beginning [1].")
    ] = None,
    preservation: Annotated[
        float | None, option(SOFT, "--preservation", "X", "0..8, how firmly grey places are kept [0.5].")
    ] = None,
    contrast: Annotated[
        float | None, option(SOFT, "--contrast", "X", "1..32, against paleness in between [4].")
    ] = None,
    mask_influence: Annotated[
        float | None, option(SOFT, "--mask-influence", "X", "0..1, of the mask on what is pasted [0].")
    ] = None,
    difference_threshold: Annotated[
        float | None, option(SOFT, "--difference-threshold", "X", "0..8, change that is pasted by half [0.5].")
    ] = None,
    difference_contrast: Annotated[
        float | None, option(SOFT, "--difference-contrast", "X", "0..8, how sharp that line is [2].")
    ] = None,
) -> dict[str, Any]:
    """Return the fields of a Mask that were given, without its picture. Raises BadValue in the options' words."""
    from easel.cli import wishes

    melting = wishes.without_none(
        schedule_bias=schedule_bias,
        preservation=preservation,
        contrast=contrast,
        mask_influence=mask_influence,
        difference_threshold=difference_threshold,
        difference_contrast=difference_contrast,
    )
    if melting and not soft:
        name, value = next(iter(melting.items()))
        raise wishes.needs(f"--{name.replace('_', '-')}", value, "--soft")
    if padding is not None and not only_masked:
        raise wishes.needs("--padding", padding, "--only-masked")
    return wishes.without_none(
        channel=None if channel is None else wishes.one_of("--mask-channel", channel, CHANNELS),
        invert=invert,
        blur=blur,
        fill=None if fill is None else mode_of("--fill", fill, FILL),
        only_masked=only_masked,
        padding=padding,
        weight=mask_weight,
        soft=melting if soft else None,
    )


def mode_of(flag: str, given: str, known: Mapping[str, str]) -> str:
    """Return the mode that `given` names, by its short name or in full. Raises UnknownName."""
    from easel.cli import wishes

    words = " ".join(given.replace("-", " ").replace("_", " ").split()).casefold()
    return words if words in known.values() else known[wishes.one_of(flag, words, known)]


def picture_bytes(flag: str, path: Path) -> bytes:
    """Return a picture's file, which opens. Raises BadValue in the words of `flag`, before torch is loaded."""
    from easel.cli import wishes
    from easel.media.reading import open_image

    data = wishes.file_bytes(flag, path)
    open_image(data, flag)
    return data


def with_options(options: Callable[..., dict[str, Any] | None], name: str) -> Callable[..., Callable[..., None]]:
    """Return a decorator that puts the parameters of `options` in place of a command's parameter `name`.

    The command is given there what `options` returns.
    """
    common = tuple(inspect.signature(options, eval_str=True).parameters.values())

    def joined(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters.values()

        @wraps(command)
        def run(**given: Any) -> None:
            found = options(**{parameter.name: given.pop(parameter.name) for parameter in common})
            command(**{name: found}, **given)

        parameters = [one for parameter in own for one in (common if parameter.name == name else (parameter,))]
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        )
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del run.__wrapped__  # type: ignore[attr-defined]
        return run

    return joined


def draw_from_picture(
    recipe: str,
    prompt: str,
    fields: Mapping[str, Any],
    *,
    batch_count: int,
    out: Path | None,
    as_json: bool,
    wordless: bool = False,
) -> None:
    """Draw what a command that starts from a picture asked for. wordless: words may be left out."""
    from easel.cli import wishes
    from easel.cli.draw import draw

    asked = {**fields, "recipe": recipe}
    requests = wishes.requests_for([prompt], asked, batch_count=batch_count, wordless=wordless)
    for request in requests:
        wishes.check_names(request)
    draw(requests, out=out, as_json=as_json, kind=KIND)
