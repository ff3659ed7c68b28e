"""The options of a second pass ("hires fix") and the fields they ask for. Nothing here draws."""

from __future__ import annotations

from typing import Annotated, Any

from easel.cli.options import option

HIRES = "Hires fix"


def hires_options(
    hires: Annotated[
        float | None, option(HIRES, "--hires", "SCALE", "1..8, enlarge so much and sample again with less noise.")
    ] = None,
    hires_size: Annotated[
        str | None, option(HIRES, "--hires-size", "WxH", "The same to a size; 0 for one side keeps the shape.")
    ] = None,
    hires_steps: Annotated[
        int | None, option(HIRES, "--hires-steps", "N", "Steps of the second pass [as many as --steps].")
    ] = None,
    hires_strength: Annotated[
        float | None, option(HIRES, "--hires-strength", "X", "0..1, how far from the enlarged picture [0.7].")
    ] = None,
    hires_upscaler: Annotated[
        str | None, option(HIRES, "--hires-upscaler", "NAME", "See `easel models upscalers` [Latent].")
    ] = None,
    hires_sampler: Annotated[str | None, option(HIRES, "--hires-sampler", "NAME", "Another sampler.")] = None,
    hires_schedule: Annotated[str | None, option(HIRES, "--hires-schedule", "NAME", "Another schedule.")] = None,
    hires_cfg: Annotated[float | None, option(HIRES, "--hires-cfg", "X", "Another --cfg.")] = None,
    hires_prompt: Annotated[str | None, option(HIRES, "--hires-prompt", "TEXT", "Other words.")] = None,
    hires_negative: Annotated[str | None, option(HIRES, "--hires-negative", "TEXT", "Another --negative.")] = None,
) -> dict[str, Any] | None:
    """Return the fields of a Hires that were given, None without a second pass. Raises BadValue."""
    from easel.cli import wishes
    from easel.core.errors import BadValue

    found = wishes.without_none(
        steps=hires_steps,
        strength=hires_strength,
        upscaler=hires_upscaler,
        sampler=hires_sampler,
        schedule=hires_schedule,
        cfg_scale=hires_cfg,
        prompt=hires_prompt,
        negative_prompt=hires_negative,
    )
    if hires is None and hires_size is None:
        for name, value in found.items():
            raise wishes.needs(wishes.OPTION_OF_FIELD[f"hires.{name}"], value, "--hires or --hires-size")
        return None
    if hires is not None and hires_size is not None:
        raise BadValue("--hires-size", hires_size, "given without --hires")
    if hires_size is not None:
        width, height = wishes.size_of(hires_size, "--hires-size")
        if not (width or height):
            raise BadValue("--hires-size", hires_size, "at least one side above 0")
        return {**found, **wishes.without_none(width=width or None, height=height or None)}
    return {**found, "scale": hires}
