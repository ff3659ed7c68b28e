"""What AnimateDiff's clients send, and the clip that it means.

One object of its fields; an unknown one is an error. Frames take the place of the batch, as there. Draws nothing; which
motion modules there are is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import ConfigDict, Field

from easel.api.a1111.asked import Fields, model_name
from easel.api.a1111.wire import Wire, given_to
from easel.core.errors import BadValue, Unsupported
from easel.core.motion import FRAMES, Film, Motion

SCRIPT = "animatediff"  # what calls name it, in small letters
FILMS: Mapping[str, Film] = {"GIF": "gif", "WEBP": "webp", "MP4": "mp4"}
FRAME, SAVED = "Frame", "PNG"  # formats that mean the frames: in the answer, and saved
LONGER = {"closed_loop": "N", "stride": 1, "overlap": -1}  # what a clip must say that is longer than its context


class ClipArgs(Wire):
    """AnimateDiff's arguments. strength: 0..2, Easel's own, as `motion.strength`.

    batch_size: frames that its module sees at once; here the module's own file says that. request_id: told by its
    clients for names of files, and asked of nobody.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = "mm_sd15_v3.safetensors"
    enable: bool = False
    video_length: int = Field(default=0, ge=0, le=128)
    fps: float = Field(default=8, ge=0.1, le=60)
    loop_number: int = 0
    closed_loop: Literal["N", "R-P", "R+P", "A"] = "R-P"
    batch_size: int = Field(default=FRAMES, ge=1, le=32)
    stride: int = 1
    overlap: int = -1
    format: list[str] = Field(default=["GIF", "PNG"], min_length=1)
    interp: str = "Off"
    interp_x: Any = 10
    video_source: Any = None
    video_path: str | None = ""
    mask_path: str | None = ""
    freeinit_enable: bool = False
    freeinit_filter: Any = None
    freeinit_ds: Any = None
    freeinit_dt: Any = None
    freeinit_iters: Any = None
    latent_power: float = 1
    latent_scale: float = 32
    last_frame: Any = None
    latent_power_last: float = 1
    latent_scale_last: float = 32
    request_id: Any = ""
    strength: float = Field(default=1, ge=0, le=2)


# What cannot be honoured unless it says this.
ONLY: Mapping[str, tuple[Any, ...]] = {
    "loop_number": (0,),
    "interp": ("Off",),
    "video_source": (None, ""),
    "video_path": (None, ""),
    "mask_path": (None, ""),
    "freeinit_enable": (False,),
    "latent_power": (1,),
    "latent_scale": (32,),
    "last_frame": (None, ""),
    "latent_power_last": (1,),
    "latent_scale_last": (32,),
}


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that a call asks for. frames: their number. films: formats, in the order of the answer, the first the
    job's own. shown, saved: whether its frames stand in the answer, and are saved, beside them.
    """

    motion: Motion
    frames: int
    films: tuple[Film, ...]
    shown: bool
    saved: bool

    @property
    def fields(self) -> Fields:
        """The fields of a request that make it a clip."""
        return {"motion": self.motion, "batch_size": self.frames}


def clip_in(arguments: Sequence[Any]) -> Clip | None:
    """Return what AnimateDiff's arguments ask for, None where it is off.

    Raises UnknownName or BadValue that names the field, Unsupported for what cannot be honoured.
    """
    if not arguments:
        return None
    (given, *more) = arguments
    if more or not isinstance(given, Mapping):
        raise BadValue("AnimateDiff args", cast("object", arguments), "one object of its fields")
    args = given_to("AnimateDiff", ClipArgs, cast("Mapping[str, Any]", given), "AnimateDiff")
    if not args.enable:
        return None
    frames = args.video_length or args.batch_size
    refuse(args, frames)
    formats = formats_of(args)
    films: list[Film] = [FILMS[one] for one in formats if one in FILMS]
    film: dict[str, Any] = {"format": films[0]} if films else {}
    motion = Motion(model=model_name(args.model), strength=args.strength, fps=args.fps, **film)
    return Clip(motion, frames, tuple(films), shown=FRAME in formats or not films, saved=SAVED in formats)


def refuse(args: ClipArgs, frames: int) -> None:
    """Raise, by name, for what cannot be honoured."""
    for name, usual in ONLY.items():
        if (value := getattr(args, name)) not in usual:
            raise Unsupported(f"AnimateDiff {name} {value!r:.80} cannot be honoured; leave it out.")
    if args.closed_loop == "A":
        raise Unsupported("AnimateDiff closed_loop 'A' cannot be honoured; take 'N'.")
    if frames > args.batch_size:
        for name, usual in LONGER.items():
            if (value := getattr(args, name)) != usual:
                told = f"AnimateDiff {name} {value!r} cannot be honoured for more frames than batch_size"
                raise Unsupported(f"{told}; give {usual!r}, or a batch_size of {frames} where the module has as many.")


def formats_of(args: ClipArgs) -> tuple[str, ...]:
    """Return the formats that are asked for, each once, as they are written here. Raises BadValue for another."""
    allowed = {name.casefold(): name for name in (*FILMS, SAVED, FRAME)}
    for one in args.format:
        if one.casefold() not in allowed:
            raise BadValue("AnimateDiff format", one, " or ".join(allowed.values()))
    return tuple(dict.fromkeys(allowed[one.casefold()] for one in args.format))
