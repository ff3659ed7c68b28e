"""The options of a clip: the pictures of one request as frames that a motion module couples. Nothing here draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from easel.cli.options import option
from easel.core.motion import FRAMES

CLIP = "Clip (docs/motion.md)"


def motion_options(
    motion: Annotated[
        str | None, option(CLIP, "--motion", "NAME", "Make one clip of the pictures, coupled by this motion module.")
    ] = None,
    frames: Annotated[int | None, option(CLIP, "--frames", "N", f"Frames of the clip [{FRAMES}].")] = None,
    fps: Annotated[float | None, option(CLIP, "--fps", "N", "0.1..60, frames a second of its film [8].")] = None,
    format: Annotated[
        str | None, option(CLIP, "--format", "webp|gif|mp4", "The film beside the frames [webp].")
    ] = None,
    motion_strength: Annotated[
        float | None, option(CLIP, "--motion-strength", "X", "0..2, how firmly frames are coupled [1].")
    ] = None,
) -> dict[str, Any]:
    """Return what was asked of a clip: the fields of its Motion and its frames; nothing without a motion module."""
    from easel.cli import wishes
    from easel.core.motion import Film

    given = {"frames": frames, "fps": fps, "format": format, "motion_strength": motion_strength}
    if motion is None:
        for name, value in wishes.without_none(**given).items():
            raise wishes.needs(f"--{name.replace('_', '-')}", value, "--motion")
        return {}
    kind = None if format is None else wishes.one_of("--format", format, get_args(Film))
    said = wishes.without_none(fps=fps, format=kind, strength=motion_strength)
    return {"motion": {"model": motion, **said}, **wishes.without_none(frames=frames)}


def clip_of(clip: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request that make a clip, none where none was asked. Raises BadValue.

    clip: what `motion_options` returned. fields: the request's others.
    """
    from easel.core.errors import BadValue

    if not clip:
        return {}
    said, frames = fields.get("batch_size", 1), clip.get("frames")
    if frames is not None and said not in (1, frames):
        raise BadValue("--frames", frames, "given without --batch-size", remedy="a clip's frames are its batch")
    return {"motion": clip["motion"], "batch_size": frames or (said if said > 1 else FRAMES)}
