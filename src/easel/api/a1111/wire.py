"""What AUTOMATIC1111's clients send, field by field, with its names and its defaults. Values only.

Unknown fields are ignored and null means the default, as that dialect's clients expect. What the fields mean stands in
asked.py, painting.py and scripts.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from easel.core.limits import MAX_PROMPT
from easel.core.values import translated

Picture = str  # base64, bare or as a data URI


class Wire(BaseModel):
    """A body in this dialect."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """Leave out what is null, so that defaults stand and `model_fields_set` tells what was really set."""
        if isinstance(given, Mapping):
            return {name: value for name, value in given.items() if value is not None}  # pyright: ignore[reportUnknownVariableType]
        return given


Given = TypeVar("Given", bound=Wire)


def given_to(extension: str, kind: type[Given], fields: Mapping[str, Any], name: str) -> Given:
    """Return what a client sends to an extension; `name` is what messages call it.

    Raises UnknownName for a field that `kind` does not take, BadValue for a value of another kind.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        known = tuple(kind.model_fields)
        raise translated(error.errors()[0], known, kind=f"{extension} field", before=f"{name} ") from None


class Drawing(Wire):
    """What /txt2img and /img2img share. The fields of the last lines are Forge's."""

    prompt: str = Field(default="", max_length=5 * MAX_PROMPT)
    negative_prompt: str = Field(default="", max_length=5 * MAX_PROMPT)
    styles: list[str] | None = None
    seed: int = -1
    subseed: int = -1
    subseed_strength: float = 0
    seed_resize_from_h: int = -1
    seed_resize_from_w: int = -1
    sampler_name: str | None = None
    sampler_index: str = "Euler"
    scheduler: str | None = None
    batch_size: int = Field(default=1, ge=1)
    n_iter: int = Field(default=1, ge=1)
    steps: int = 50
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    restore_faces: bool | None = None
    tiling: bool | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    eta: float | None = None
    denoising_strength: float = 0.75
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool = True
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    firstpass_image: Picture | None = None
    comments: dict[str, Any] | None = None
    force_task_id: str | None = Field(default=None, max_length=200)
    script_name: str | None = None
    script_args: list[Any] = Field(default_factory=list[Any])
    alwayson_scripts: dict[str, Any] = Field(default_factory=dict[str, Any])
    send_images: bool = True
    save_images: bool = False
    infotext: str | None = None
    distilled_cfg_scale: float | None = None


class TextToImage(Drawing):
    """The body of /txt2img."""

    enable_hr: bool = False
    firstphase_width: int = 0
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str = ""
    hr_negative_prompt: str = ""
    hr_cfg: float | None = None
    hr_additional_modules: list[str] | None = None


class ImageToImage(Drawing):
    """The body of /img2img."""

    init_images: list[Picture] = Field(default_factory=list[Picture])
    resize_mode: int = Field(default=0, ge=0, le=3)
    image_cfg_scale: float | None = None
    mask: Picture | None = None
    mask_blur_x: int = 4
    mask_blur_y: int = 4
    mask_blur: int | None = None
    mask_round: bool = True
    inpainting_fill: int = Field(default=0, ge=0, le=3)
    inpaint_full_res: bool = True
    inpaint_full_res_padding: int = 0
    inpainting_mask_invert: int = Field(default=0, ge=0, le=1)
    initial_noise_multiplier: float | None = None
    latent_mask: Picture | None = None
    include_init_images: bool = False


class Extras(Wire):
    """What /extra-single-image and /extra-batch-images share."""

    resize_mode: int = Field(default=0, ge=0, le=1)
    show_extras_results: bool = True
    gfpgan_visibility: float = Field(default=0, ge=0, le=1)
    codeformer_visibility: float = Field(default=0, ge=0, le=1)
    codeformer_weight: float = Field(default=0, ge=0, le=1)
    upscaling_resize: float = Field(default=2, ge=1, le=8)
    upscaling_resize_w: int = Field(default=512, ge=1)
    upscaling_resize_h: int = Field(default=512, ge=1)
    upscaling_crop: bool = True
    upscaler_1: str = "None"
    upscaler_2: str = "None"
    extras_upscaler_2_visibility: float = Field(default=0, ge=0, le=1)
    upscale_first: bool = False


class ExtraImage(Extras):
    """The body of /extra-single-image."""

    image: Picture = ""


class NamedPicture(Wire):
    """A picture of several. data: its file."""

    data: Picture
    name: str = ""


class ExtraImages(Extras):
    """The body of /extra-batch-images."""

    imageList: list[NamedPicture]


class Rembg(Wire):
    """The body of the background remover's /rembg. model: "flat" needs no file."""

    input_image: Picture = ""
    model: str = "u2net"
    return_mask: bool = False
    alpha_matting: bool = False
    alpha_matting_foreground_threshold: int = 240
    alpha_matting_background_threshold: int = 10
    alpha_matting_erode_size: int = 10


class Detect(Wire):
    """The body of /controlnet/detect."""

    controlnet_module: str = "none"
    controlnet_input_images: list[Picture] = Field(default_factory=list[Picture])
    controlnet_processor_res: float = -1
    controlnet_threshold_a: float = -1
    controlnet_threshold_b: float = -1
    controlnet_masks: list[Picture] | None = None
    low_vram: bool = False


class PictureAlone(Wire):
    """The body of /png-info."""

    image: Picture = ""


class TaskAsked(Wire):
    """The body of /internal/progress. id_live_preview: the last one that was seen."""

    id_task: str | None = None
    id_live_preview: int = -1
    live_preview: bool = True
