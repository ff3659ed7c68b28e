"""Restorers of faces at tiny size with random weights."""

from __future__ import annotations

import torch
from torch import nn

from easel.post.codeformer import Build, CodeFormer
from tests.post.upscalerfiles import spandrel_made

TINY = Build((32, 32, 64), 16, 32, 32, 64, 2, 256)


def codeformer(seed: int = 0) -> CodeFormer:
    """Return a CodeFormer for faces of 64 pixels."""
    torch.manual_seed(seed)
    network = CodeFormer(TINY, (32, 64)).eval()
    nn.init.normal_(network.position_emb)
    return network


def restoreformer() -> nn.Module:
    """Return spandrel's RestoreFormer, narrow."""
    return spandrel_made(
        "RestoreFormer",
        n_embed=16,
        embed_dim=32,
        ch=32,
        out_ch=3,
        ch_mult=(1, 1, 1, 1, 1, 1),
        num_res_blocks=1,
        attn_resolutions=(16,),
        dropout=0.0,
        in_channels=3,
        resolution=512,
        z_channels=32,
        double_z=False,
        enable_mid=True,
        head_size=8,
    )
