"""The options that every drawing command shares, and the request fields they ask for.

A command takes them by `with_shared`; its own stand before them. Nothing here draws.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

PICTURE, SAMPLING, SEEDS, WORDS, SECOND, OUTPUT = (
    "Picture",
    "Sampling",
    "Seeds and noise",
    "Words",
    "Other models and memory",
    "Output",
)


def option(group: str, flag: str, metavar: str | None, help: str, *more: str) -> Any:
    """Return an option of the help group `group`; without a metavar it is a switch."""
    return typer.Option(flag, *more, metavar=metavar, help=help, show_default=False, rich_help_panel=group)


Out = Annotated[Path | None, option(OUTPUT, "--out", "PATH", "A folder, or for one picture a .png file.", "-o")]
AsJson = Annotated[bool, option(OUTPUT, "--json", None, "Print a line of JSON for each picture instead of its path.")]
BatchCount = Annotated[int, option(PICTURE, "--batch-count", "N", "Requests for each prompt, seeds running on [1].")]


def shared(
    negative: Annotated[str, option(PICTURE, "--negative", "TEXT", "What to keep out.", "-n")] = "",
    model: Annotated[
        str | None, option(PICTURE, "--model", "NAME", "Name or folder of a model [starter].", "-m")
    ] = None,
    size: Annotated[str | None, option(PICTURE, "--size", "WxH", "Pixels, multiples of 8 [the model's own].")] = None,
    batch_size: Annotated[
        int, option(PICTURE, "--batch-size", "N", "Pictures of one request, seeds N, N+1, ... [1].")
    ] = 1,
    seamless: Annotated[
        str | None, option(PICTURE, "--seamless", "x|y|xy", "Directions in which the picture's edges meet.")
    ] = None,
    steps: Annotated[
        int | None, option(SAMPLING, "--steps", "N", "Steps from noise to picture [the model's own].")
    ] = None,
    sampler: Annotated[str | None, option(SAMPLING, "--sampler", "NAME", "See `easel models samplers`.")] = None,
    sampler_option: Annotated[
        list[str] | None, option(SAMPLING, "--sampler-option", "NAME=VALUE", "May be given again.")
    ] = None,
    schedule: Annotated[str | None, option(SAMPLING, "--schedule", "NAME", "See `easel models schedules`.")] = None,
    schedule_option: Annotated[
        list[str] | None, option(SAMPLING, "--schedule-option", "NAME=VALUE", "May be given again.")
    ] = None,
    cfg: Annotated[
        float | None, option(SAMPLING, "--cfg", "X", "How strongly the prompt leads, 1 to about 15.")
    ] = None,
    rescale: Annotated[
        float | None, option(SAMPLING, "--rescale", "X", "0..1, holds back glaring contrast at high --cfg.")
    ] = None,
    guidance_start: Annotated[
        float | None, option(SAMPLING, "--guidance-start", "X", "0..1, share of the steps before guidance.")
    ] = None,
    guidance_end: Annotated[
        float | None, option(SAMPLING, "--guidance-end", "X", "0..1, share of the steps where it ends.")
    ] = None,
    distilled_cfg: Annotated[
        float | None, option(SAMPLING, "--distilled-cfg", "X", "What Flux dev is told in place of --cfg [3.5].")
    ] = None,
    seed: Annotated[int | None, option(SEEDS, "--seed", "N", "The same seed draws the same picture [random].")] = None,
    variation_strength: Annotated[
        float | None, option(SEEDS, "--variation", "X", "0..1, a step towards another seed's picture.")
    ] = None,
    variation_seed: Annotated[int | None, option(SEEDS, "--variation-seed", "N", "The other seed [random].")] = None,
    seed_size: Annotated[
        str | None, option(SEEDS, "--seed-size", "WxH", "Keep the composition the seed has at this size.")
    ] = None,
    ensd: Annotated[int | None, option(SEEDS, "--ensd", "N", "Added to the seeds of later noise.")] = None,
    noise: Annotated[
        str, option(SEEDS, "--noise", "cpu|nv", "Whose random numbers; nv draws as NVIDIA cards do [cpu].")
    ] = "cpu",
    style: Annotated[
        list[str] | None, option(WORDS, "--style", "NAME", "A style of styles.csv; may be given again.")
    ] = None,
    emphasis: Annotated[
        str | None, option(WORDS, "--emphasis", "NAME", "Original, No norm, Ignore or None [Original].")
    ] = None,
    clip_skip: Annotated[
        int | None, option(WORDS, "--clip-skip", "N", "1..12, layer of the text encoder, from the last [1].")
    ] = None,
    comma_backtrack: Annotated[
        int | None, option(WORDS, "--comma-backtrack", "N", "Tokens that may move to the next chunk, 0..75 [20].")
    ] = None,
    old_editing: Annotated[bool, option(WORDS, "--old-editing", None, "Time [a:b:n] as A1111 did before 1.6.")] = False,
    vae: Annotated[
        str | None,
        option(SECOND, "--vae", "NAME", "An autoencoder from its own file, or a TAESD; none is the model's."),
    ] = None,
    denoiser: Annotated[
        str | None, option(SECOND, "--denoiser", "NAME", "A U-Net or transformer from a file of its own.")
    ] = None,
    text_encoder: Annotated[
        list[str] | None,
        option(SECOND, "--text-encoder", "NAME", "A text encoder from a file of its own; may be given again."),
    ] = None,
    refiner: Annotated[str | None, option(SECOND, "--refiner", "NAME", "A model that takes over.")] = None,
    refiner_at: Annotated[float | None, option(SECOND, "--refiner-at", "X", "0..1, where it takes over [0.8].")] = None,
    tiled_decode: Annotated[
        int | None, option(SECOND, "--tiled-decode", "N", "Decode in tiles of N pixels, for large pictures.")
    ] = None,
    alone: Annotated[
        bool,
        option(SECOND, "--alone", None, "Share no forward: the same bits whatever else is drawn, but slower."),
    ] = False,
) -> dict[str, Any]:
    """Return the request's fields that were given, and the names of `styles`.

    Raises BadValue or UnknownName in the words of the options.
    """
    from easel.cli import wishes

    fields: dict[str, Any] = {
        "negative_prompt": negative,
        "styles": style,
        "model": model,
        "batch_size": batch_size,
        "seamless": None if seamless is None else wishes.one_of("--seamless", seamless, ("x", "y", "xy")),
        "steps": steps,
        "sampler": sampler,
        "sampler_options": wishes.options_of("--sampler-option", sampler_option or ()),
        "schedule": schedule,
        "schedule_options": wishes.options_of("--schedule-option", schedule_option or ()),
        "guidance": wishes.without_none(
            scale=cfg, rescale=rescale, start=guidance_start, end=guidance_end, distilled=distilled_cfg
        ),
        "seed": wishes.seed_of(seed),
        "variation": wishes.without_none(
            strength=variation_strength,
            seed=wishes.seed_of(variation_seed),
            resize_from=None if seed_size is None else wishes.size_of(seed_size, "--seed-size"),
        ),
        "ensd": ensd,
        "noise": wishes.one_of("--noise", noise, ("CPU", "NV")),
        "words": wishes.without_none(
            emphasis=None if emphasis is None else wishes.one_of("--emphasis", emphasis, wishes.EMPHASIS),
            clip_skip=clip_skip,
            comma_backtrack=comma_backtrack,
            old_editing=old_editing,
        ),
        "components": wishes.without_none(
            vae=vae, denoiser=denoiser, text_encoders=None if text_encoder is None else tuple(text_encoder)
        ),
        "refiner": None if refiner is None else wishes.without_none(model=refiner, switch_at=refiner_at),
        "tiled_decode": tiled_decode,
        "alone": alone,
    }
    if refiner is None and refiner_at is not None:
        raise wishes.needs("--refiner-at", refiner_at, "--refiner")
    if size is not None:
        fields["width"], fields["height"] = wishes.size_of(size)
    return wishes.without_none(**fields)


def house(
    vram: Annotated[
        str | None, option(SECOND, "--vram", "SIZE", "What may be taken of a card's memory: 8GB, 75% [what is free].")
    ] = None,
    ram: Annotated[
        str | None, option(SECOND, "--ram", "SIZE", "What loaded models may take: 16GB, 50% [three quarters].")
    ] = None,
    weights: Annotated[
        str | None,
        option(SECOND, "--weights", "KIND", "packed, stored, cast, float8_e4m3 or float8_e5m2 [packed]; loading.md."),
    ] = None,
    compile: Annotated[
        str | None,
        option(SECOND, "--compile", "HOW", "off, auto, whole or regions [auto: aside, on a card]; speed.md."),
    ] = None,
) -> dict[str, str]:
    """Return the settings of the house that were given. Raises BadValue in the words of the options."""
    from easel.cli import wishes
    from easel.core.amounts import amount
    from easel.core.errors import BadValue
    from easel.core.settings import Compile, Weights

    given = {name: text for name, text in (("vram", vram), ("ram", ram)) if text is not None}
    for name, text in given.items():
        try:
            amount(text)
        except ValueError as error:
            raise BadValue(f"--{name}", text, str(error)) from None
    if weights is not None:
        given["weights"] = wishes.one_of("--weights", weights, get_args(Weights))
    if compile is not None:
        given["compile"] = wishes.one_of("--compile", compile, get_args(Compile))
    return given


@cache
def parameters_of(options: Callable[..., dict[str, Any]]) -> tuple[inspect.Parameter, ...]:
    """Return options as parameters."""
    return tuple(inspect.signature(options, eval_str=True).parameters.values())


def with_shared(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` with the shared options after its own; it is given their request fields as `fields`.

    Settings among them hold for as long as the command runs.
    """
    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != "fields"
    ]
    from easel.cli.parts import part_options
    from easel.cli.shortcuts import shortcut_options

    common, settings = parameters_of(shared), parameters_of(house)
    parts, short = parameters_of(part_options), parameters_of(shortcut_options)
    ending = [parameter for parameter in own if parameter.name in ("cells", "out", "as_json")]
    beginning = [parameter for parameter in own if parameter not in ending]

    @wraps(command)
    def run(**given: Any) -> None:
        from easel.core.settings import choosing

        chosen = house(**{parameter.name: given.pop(parameter.name) for parameter in settings})
        fields = shared(**{parameter.name: given.pop(parameter.name) for parameter in common})
        fields |= part_options(**{parameter.name: given.pop(parameter.name) for parameter in parts})
        fields |= shortcut_options(**{parameter.name: given.pop(parameter.name) for parameter in short})
        with choosing(**chosen):
            command(fields=fields, **given)

    parameters = [*beginning, *common, *parts, *short, *settings, *ending]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__  # type: ignore[attr-defined]
    return run
