"""The shapes of image prompts as h94 publishes them, written out from IP-Adapter's own modules."""

from __future__ import annotations

from collections.abc import Mapping

Shapes = dict[str, tuple[int, ...]]

# Channels of the cross-attentions in diffusers' order: on the way down, up, and in the middle.
SD = [*[320] * 2, *[640] * 2, *[1280] * 2, *[1280] * 3, *[640] * 3, *[320] * 3, 1280]
XL = [*[640] * 4, *[1280] * 20, *[1280] * 30, *[640] * 6, *[1280] * 10]


def put(found: Shapes, name: str, *shape: int, bias: bool = True) -> None:
    """Note a layer's weight and bias."""
    found[f"{name}.weight"] = shape
    if bias:
        found[f"{name}.bias"] = shape[:1]


def plain(width: int, read: int) -> Shapes:
    """ImageProjModel."""
    found: Shapes = {}
    put(found, "proj", 4 * width, read)
    put(found, "norm", width)
    return found


def resampler(stem: str, read: int, hidden: int, width: int, heads: int) -> Shapes:
    """Resampler's layers and ends."""
    found: Shapes = {}
    put(found, f"{stem}proj_in", hidden, read)
    put(found, f"{stem}proj_out", width, hidden)
    put(found, f"{stem}norm_out", width)
    for layer in range(4):
        name = f"{stem}layers.{layer}"
        put(found, f"{name}.0.norm1", hidden)
        put(found, f"{name}.0.norm2", hidden)
        put(found, f"{name}.0.to_q", 64 * heads, hidden, bias=False)
        put(found, f"{name}.0.to_kv", 128 * heads, hidden, bias=False)
        put(found, f"{name}.0.to_out", hidden, 64 * heads, bias=False)
        put(found, f"{name}.1.0", hidden)
        put(found, f"{name}.1.1", 4 * hidden, hidden, bias=False)
        put(found, f"{name}.1.3", hidden, 4 * hidden, bias=False)
    return found


def plus(read: int, hidden: int, width: int, heads: int, queries: int = 16) -> Shapes:
    """Resampler."""
    return {"latents": (1, queries, hidden), **resampler("", read, hidden, width, heads)}


def full(read: int, width: int) -> Shapes:
    """MLPProjModel of full-face."""
    found: Shapes = {}
    put(found, "proj.0", read, read)
    put(found, "proj.2", width, read)
    put(found, "proj.3", width)
    return found


def face(width: int, tokens: int = 4) -> Shapes:
    """MLPProjModel of FaceID."""
    found: Shapes = {}
    put(found, "proj.0", 1024, 512)
    put(found, "proj.2", tokens * width, 1024)
    put(found, "norm", width)
    return found


def face_plus(width: int) -> Shapes:
    """ProjPlusModel."""
    return {**face(width), **resampler("perceiver_resampler.", 1280, width, width, width // 64)}


def whole(projection: Mapping[str, tuple[int, ...]], channels: list[int], width: int, rank: int = 0) -> Shapes:
    """A whole file. rank: of the LoRA of FaceID, 0 for none."""
    found = {f"image_proj.{name}": shape for name, shape in projection.items()}
    for place, out in enumerate(channels):
        for half in "kv":
            found[f"ip_adapter.{2 * place + 1}.to_{half}_ip.weight"] = (out, width)
        for number, into in ((2 * place, out), (2 * place + 1, width)) if rank else ():
            for letter, columns in {"q": out, "k": into, "v": into, "out": out}.items():
                found[f"ip_adapter.{number}.to_{letter}_lora.down.weight"] = (rank, columns)
                found[f"ip_adapter.{number}.to_{letter}_lora.up.weight"] = (out, rank)
    return found


# What each file is in words, what it reads of which width, and how many tokens it makes of a picture.
FILES: dict[str, tuple[Shapes, str, str, int, int]] = {
    "ip-adapter_sd15": (whole(plain(768, 1024), SD, 768), "IP-Adapter for Stable Diffusion 1.x", "projection", 1024, 4),
    "ip-adapter_sd15_vit-G": (
        whole(plain(768, 1280), SD, 768),
        "IP-Adapter for Stable Diffusion 1.x",
        "projection",
        1280,
        4,
    ),
    "ip-adapter-plus_sd15": (
        whole(plus(1280, 768, 768, 12), SD, 768),
        "IP-Adapter plus for Stable Diffusion 1.x",
        "states",
        1280,
        16,
    ),
    "ip-adapter-full-face_sd15": (
        whole(full(1280, 768), SD, 768),
        "IP-Adapter full-face for Stable Diffusion 1.x",
        "states",
        1280,
        0,
    ),
    "ip-adapter-faceid_sd15": (
        whole(face(768), SD, 768, rank=128),
        "IP-Adapter FaceID for Stable Diffusion 1.x",
        "",
        0,
        4,
    ),
    "ip-adapter-faceid-portrait_sd15": (
        whole(face(768, 16), SD, 768),
        "IP-Adapter FaceID for Stable Diffusion 1.x",
        "",
        0,
        16,
    ),
    "ip-adapter-faceid-plusv2_sd15": (
        whole(face_plus(768), SD, 768, rank=128),
        "IP-Adapter FaceID plus for Stable Diffusion 1.x",
        "states",
        1280,
        4,
    ),
    "ip-adapter_sdxl": (whole(plain(2048, 1280), XL, 2048), "IP-Adapter for SDXL", "projection", 1280, 4),
    "ip-adapter_sdxl_vit-h": (whole(plain(2048, 1024), XL, 2048), "IP-Adapter for SDXL", "projection", 1024, 4),
    "ip-adapter-plus_sdxl_vit-h": (
        whole(plus(1280, 1280, 2048, 20), XL, 2048),
        "IP-Adapter plus for SDXL",
        "states",
        1280,
        16,
    ),
    "ip-adapter-faceid_sdxl": (whole(face(2048), XL, 2048, rank=128), "IP-Adapter FaceID for SDXL", "", 0, 4),
    "ip-adapter-faceid-plusv2_sdxl": (
        whole(face_plus(2048), XL, 2048, rank=128),
        "IP-Adapter FaceID plus for SDXL",
        "states",
        1280,
        4,
    ),
}
