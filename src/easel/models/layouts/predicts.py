"""What a single file's denoiser predicts, and how that is known; no torch, and of numbers one small bias."""

from __future__ import annotations

from easel.core.errors import Mismatch
from easel.models.files.listing import Listing
from easel.models.files.numbers import spread
from easel.models.layouts.makeup import FLOW, WORDS
from easel.models.layouts.sidecar import Sidecar

SPECIFIED = {"epsilon": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
V_SPREAD = 0.09  # of one bias of Stable Diffusion 2: above it v is predicted, as ComfyUI tells


def prediction_of(
    listing: Listing, sidecar: Sidecar, family: str, variant: str, *, inpaints: bool, telling: str
) -> tuple[str, str]:
    """Return what is predicted, in diffusers' word or "flow", and how that is known.

    telling: the name of the bias whose spread tells in Stable Diffusion 2. Raises Mismatch where people say of a flow
    model that it predicts something else.
    """
    said = listing.metadata.get("modelspec.prediction_type", "")
    if family in FLOW:
        if sidecar.prediction:
            raise Mismatch(
                f"{sidecar.told_by} beside {listing.path}: prediction is {sidecar.prediction!r}, {WORDS[family]} "
                "always predicts flow; take that out."
            )
        return "flow", f"usual for {WORDS[family]}"
    if sidecar.prediction:
        return sidecar.prediction, f"told by {sidecar.told_by}"
    if said in SPECIFIED:
        return SPECIFIED[said], "told by the file's metadata"
    if "v_pred" in listing.tensors:
        return "v_prediction", "marked in the file"
    if family != "sd" or variant == "1.x":
        return "epsilon", f"usual for {variant if family == 'sd' else WORDS[family]}"
    if inpaints:
        return "epsilon", "usual for inpainting"
    wide = spread(listing.path, listing.tensors.get(telling))
    if wide is None:
        return "epsilon", "not told; a .yaml beside the file would"
    return ("v_prediction" if wide > V_SPREAD else "epsilon"), f"by the spread of one bias, {wide:.3f}"


def ends_in_noise(listing: Listing, sidecar: Sidecar) -> bool:
    """Return whether the noise schedule ends in nothing but noise, by what stands beside, a mark or the metadata."""
    if sidecar.zero_snr is not None:
        return sidecar.zero_snr
    return "ztsnr" in listing.tensors or listing.metadata.get("ss_zero_terminal_snr", "").lower() == "true"
