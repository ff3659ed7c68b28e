"""`easel models merge`: two or three checkpoints to one. Loads torch only when the wish is understood."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from easel.cli.rewriting import AsJson, Dtype, Force, follow, model_called, option_words, vae_called

A = Annotated[str, typer.Argument(metavar="A", help="The model to start from: a name or a path.", show_default=False)]
B = Annotated[str, typer.Argument(metavar="B", help="The model to take from.", show_default=False)]
C = Annotated[str, typer.Argument(metavar="C", help="For a difference: what B was made of.", show_default=False)]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The new file, .safetensors.", show_default=False)]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="NAME",
        help="weighted: A (1 - r) + B r. difference: A + r (B - C). train-difference: less where A has it already.",
    ),
]
Ratio = Annotated[float | None, typer.Option("--ratio", metavar="R", help="How much of B; 0.3, or 0 beside --blocks.")]
Blocks = Annotated[
    str | None,
    typer.Option(
        "--blocks",
        metavar="NUMBERS",
        help="A ratio for each block of the U-Net: 25 numbers (XL 19), or 26 (20) with the base first, or GRAD_V, "
        "GRAD_A, COSINE, SMOOTHSTEP, WRAP08, OUT12 ...",
    ),
]
TextRatio = Annotated[
    float | None, typer.Option("--text-ratio", metavar="R", help="How much of B's text encoder; as --ratio.")
]
VaeRatio = Annotated[
    float | None, typer.Option("--vae-ratio", metavar="R", help="How much of B's autoencoder; as --ratio.")
]
Vae = Annotated[str | None, typer.Option("--vae", metavar="A|B|FILE", help="Whose autoencoder is taken whole instead.")]


def merge(
    a: A,
    b: B,
    out: Out,
    c: C = "",
    method: Method = "weighted",
    ratio: Ratio = None,
    blocks: Blocks = None,
    text_ratio: TextRatio = None,
    vae_ratio: VaeRatio = None,
    vae: Vae = None,
    dtype: Dtype = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Merge two or three checkpoints of one family into one file."""
    from easel.models.files.writing import check_free, total_size
    from easel.models.rewriting.merging import plan_merge, write_merge
    from easel.models.rewriting.published import stock_of
    from easel.models.rewriting.record import Wish

    check_free(out, force=force)
    wish = Wish(method, ratio, blocks, text_ratio, vae_ratio, vae, dtype)
    stocks = [stock_of(model_called(name)) for name in (a, b, c) if name]
    donor = vae_called(vae, stocks[0].identity) if vae and vae not in ("A", "B") else None
    with option_words():
        planned = plan_merge(stocks, wish, donor)
    work = write_merge(planned, out, force=force)
    follow(work, total_size(planned.planned), out, word="merging", as_json=as_json)
