"""`easel models convert`: a checkpoint as one file or as a diffusers folder, in other numbers, without leftovers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from easel.cli.rewriting import AsJson, Dtype, Force, follow, model_called, option_words, vae_called
from easel.core.errors import BadValue

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model's name or path.", show_default=False)]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="NAME.safetensors, or a new folder.", show_default=False)]
To = Annotated[str | None, typer.Option("--to", metavar="LAYOUT", help="file or folder; otherwise OUT's name says it.")]
Prune = Annotated[bool, typer.Option("--prune", help="Leave out what training left behind.")]
KeepEma = Annotated[bool, typer.Option("--keep-ema", help="With --prune: but keep the running average.")]
UseEma = Annotated[bool, typer.Option("--use-ema", help="Put the running average in the weights' place.")]
Vae = Annotated[str | None, typer.Option("--vae", metavar="FILE", help="Another autoencoder instead of its own.")]
LAYOUTS = ("file", "folder")


def convert(
    model: Model,
    out: Out,
    to: To = None,
    dtype: Dtype = None,
    prune: Prune = False,
    keep_ema: KeepEma = False,
    use_ema: UseEma = False,
    vae: Vae = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a checkpoint as one file or as a diffusers folder, and in another number format."""
    layout = to or ("file" if out.suffix.lower() == ".safetensors" else "folder")
    if layout not in LAYOUTS:
        raise BadValue("--to", to, " or ".join(LAYOUTS))
    if layout == "folder" and out.suffix.lower() == ".safetensors":
        raise BadValue("OUT", str(out), "a folder's name for --to folder")
    from easel.models.files.writing import check_free, total_size
    from easel.models.rewriting.converting import Change, plan_conversion, write_file
    from easel.models.rewriting.folder import write_folder
    from easel.models.rewriting.published import stock_of

    check_free(out, force=force)
    stock = stock_of(model_called(model))
    donor = vae_called(vae, stock.identity) if vae else None
    with option_words():
        conversion = plan_conversion(stock, Change(dtype, prune, keep_ema, use_ema), donor)
    write = write_file if layout == "file" else write_folder
    work = write(conversion, out, force=force)
    follow(work, total_size(conversion.planned), out, word="converting", as_json=as_json)
