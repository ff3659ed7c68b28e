"""A1111's preprocessors that Easel does not have, and what to take instead. A table of sentences."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

READ_BY_ADAPTERS = "draws no hint: pictures in the place of words are read by their adapter, see image prompts"
PIDI = "is not there: PiDiNet's code and weights are for research alone; take softedge-hed, scribble-hed or softedge"
LERES = "is not there: LeReS has no published build that Easel reads; take depth-anything-v2 or depth-zoe"
REFERENCE = "draws no hint: a reference is read by the model itself, so choose it as a control without a model"
FIXES = "is not there: it mends colours after drawing; take tile"

ABSENT: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("softedge_pidinet", "softedge_pidisafe", "scribble_pidinet", "t2ia_sketch_pidi"), PIDI),
        "softedge_anyline": "is not there; take softedge-teed",
        "lineart_anime_denoise": "is not there; take lineart-anime",
        **dict.fromkeys(("depth_leres", "depth_leres++"), LERES),
        "depth_hand_refiner": "is not there: it needs a model of hands that Easel does not read",
        **dict.fromkeys(("normal_bae", "normal_dsine"), "is not there; take normal-midas"),
        "animal_openpose": "is not there: Easel finds people's poses alone",
        **dict.fromkeys(("densepose", "densepose_parula"), "is not there: Easel does not read DensePose"),
        "mediapipe_face": "is not there; take openpose-faceonly",
        **dict.fromkeys(("seg_anime_face", "mobile_sam"), "is not there; take seg-ade20k or seg-coco"),
        **dict.fromkeys(("tile_colorfix", "tile_colorfix+sharp"), FIXES),
        "inpaint_only+lama": "is not there: Easel does not read LaMa; take inpaint",
        **dict.fromkeys(("reference_only", "reference_adain", "reference_adain+attn"), REFERENCE),
        **dict.fromkeys(
            (
                *("revision_clipvision", "revision_ignore_prompt", "t2ia_style_clipvision", "clip_vision"),
                *("ip-adapter-auto", "ip-adapter_clip_h", "ip-adapter_clip_g", "ip-adapter_clip_sdxl_plus_vith"),
                *("ip-adapter_clip_sd15", "ip-adapter_clip_sdxl", "ip-adapter_face_id", "ip-adapter_face_id_plus"),
                *("ip-adapter_pulid", "instant_id_face_embedding", "instant_id_face_keypoints"),
            ),
            READ_BY_ADAPTERS,
        ),
    }
)
