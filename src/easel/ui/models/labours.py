"""The long work that the page does on model files: fetching, merging, converting, hashing; each a generator of steps.

What is made goes into the models folder, under a plain name; nobody names a path here. The work itself stands in
models/. Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from easel.core.amounts import bytes_in_words
from easel.core.errors import BadValue, ModelError
from easel.core.settings import Settings
from easel.models.library.names import Library
from easel.ui.workshop import Labour, Step

if TYPE_CHECKING:
    from easel.models.download.plans import Plan, Wish
    from easel.models.rewriting.converting import Change
    from easel.models.rewriting.record import Wish as MergeWish
    from easel.models.rewriting.stock import Stock

SINGLE = ".safetensors"


def downloading(what: str, wish: Wish, token: str, settings: Settings, library: Library, *, force: bool) -> Labour:
    """Fetch a model to its kind's folder and say what it is; what was cut goes on where it was.

    token: of the site, for this time alone; "" takes the one that is kept.
    """
    from easel.models.download.bring import bring, settle
    from easel.models.download.names import folder_for
    from easel.models.download.plans import open_web, plan
    from easel.models.download.wanted import Progress
    from easel.models.layouts.identify import identify

    models = settings.models.expanduser()
    with open_web(what, token) as web:
        planned = plan(what, wish, web)
        yield Step(0, planned.size, told_of(planned))
        coming = bring(planned, folder_for(models, planned.kind), web, models=models, force=force)
        try:
            while True:
                event = next(coming)
                yield Step(event.done, event.total) if isinstance(event, Progress) else Step(note=event.text)
        except StopIteration as end:
            brought = end.value
        finally:
            coming.close()
    try:
        identity = identify(brought.path)
        lacks = identity.missing if identity.kind == "checkpoint" else ()
        lacking = f", without its {' and '.join(lacks)}" if lacks else ""
        said = f"{identity.words}{lacking}"
        if not planned.kind and not brought.there:
            brought = settle(brought, identity.kind, models)
    except ModelError as error:
        said = error.message
    library.refresh()
    return f"{shown(brought.path, settings)}: {said}"


def asked_for(what: str) -> str:
    """Return what a person asks to fetch, without the spaces around it. Raises BadValue for what leads nowhere."""
    from easel.models.download.plans import site_of

    site_of(what.strip())
    return what.strip()


def wish_of(kind: str, name: str, file: str, revision: str, sha256: str) -> Wish:
    """Return what a person says beside what to fetch, without the spaces around it."""
    from easel.models.download.plans import Wish

    return Wish(kind, name.strip(), file.strip(), revision.strip(), sha256.strip())


def keep_token(what: str, token: str) -> None:
    """Keep a token of the site that `what` leads to in the system's keyring. Raises BadValue, Unsupported."""
    from easel.models.download import sites
    from easel.models.download.plans import site_of

    key = site_of(what)
    if not key or not token:
        raise BadValue("token", "(hidden)" if token else "", "one of Hugging Face or Civitai, for a model of that site")
    sites.keep_token(key, token)


def planned_for(what: str, wish: Wish, token: str) -> Plan:
    """Return what would be fetched. Raises RequestError, ModelError, ResourceError."""
    from easel.models.download.plans import open_web, plan

    with open_web(what, token) as web:
        return plan(what, wish, web)


def told_of(planned: Plan) -> str:
    """Return what would be fetched, in a line."""
    size = "?" if planned.size is None else bytes_in_words(planned.size)
    count = f"{len(planned.files)} × " if planned.folder else ""
    return f"{planned.title}: {count}{planned.name}, {size}"


def merging(
    names: tuple[str, ...], wish: MergeWish, out: str, settings: Settings, library: Library, *, force: bool
) -> Labour:
    """Merge two or three models of the library into NAME.safetensors of the models folder."""
    from easel.models.files.writing import check_free, total_size
    from easel.models.rewriting.merging import plan_merge, write_merge

    target = place_for(out, SINGLE, settings)
    check_free(target, force=force)
    stocks = [stock_called(name, library) for name in names]
    donor = vae_called(wish.vae, stocks[0], library) if wish.vae and wish.vae not in ("A", "B") else None
    planned = plan_merge(stocks, wish, donor)
    yield from counted(write_merge(planned, target, force=force), total_size(planned.planned))
    return made(target, settings, library)


def converting(
    name: str, change: Change, out: str, settings: Settings, library: Library, *, folder: bool, vae: str, force: bool
) -> Labour:
    """Write a model of the library anew: NAME.safetensors or the diffusers folder NAME in the models folder.

    vae: another autoencoder of the library, "" for its own.
    """
    from easel.models.files.writing import check_free, total_size
    from easel.models.rewriting.converting import plan_conversion, write_file
    from easel.models.rewriting.folder import write_folder

    target = place_for(out, "" if folder else SINGLE, settings)
    check_free(target, force=force)
    stock = stock_called(name, library)
    conversion = plan_conversion(stock, change, vae_called(vae, stock, library) if vae else None)
    write = write_folder if folder else write_file
    yield from counted(write(conversion, target, force=force), total_size(conversion.planned))
    return made(target, settings, library)


def hashing(kind: str, name: str, library: Library) -> Labour:
    """Read a file for its SHA-256, which is kept; infotexts that name the model by its hash find it then."""
    from easel.models.layouts.identify import identify
    from easel.models.layouts.sources import source_of
    from easel.models.library.hashing import SHOWN, hash_of

    place = library.where(name, kind)[0]
    files = [place] if place.is_file() else list(source_of(identify(place)).files)
    total = sum(file.stat().st_size for file in files)
    yield Step(0, total)
    digits = hash_of(files)
    yield Step(total, total)
    return f"SHA-256 {digits} · AutoV2 {digits[:SHOWN].upper()}"


def check_name(name: str, ending: str, settings: Settings, *, force: bool) -> None:
    """Raise BadValue for a name that a new model cannot have, or that another has and is not to lose."""
    from easel.models.files.writing import check_free

    check_free(place_for(name, ending, settings), force=force)


def stock_called(name: str, library: Library) -> Stock:
    """Return the tensors of a model of the library. Raises UnknownName, ModelError."""
    from easel.models.rewriting.published import stock_of

    return stock_of(library.find(name))


def vae_called(name: str, of: Stock, library: Library) -> Stock:
    """Return an autoencoder of the library, or a model's, for a model. Raises UnknownName, ModelError."""
    from easel.models.rewriting.published import vae_of

    found = library.find(name, ("vae", "checkpoint"))
    return vae_of(found, of.identity.family, of.identity.variant)


def counted(work: Generator[int, None, None], total: int) -> Generator[Step, None, None]:
    """Yield how far a rewriting is, which itself yields the bytes of each tensor."""
    done = 0
    try:
        yield Step(0, total)
        for size in work:
            done += size
            yield Step(done, total)
    finally:
        work.close()


def made(path: Path, settings: Settings, library: Library) -> str:
    """Return what was made, in a line, after the library has seen it."""
    from easel.models.layouts.identify import identify

    identity = identify(path)
    library.refresh()
    numbers = f", {identity.dtype}" if identity.dtype else ""
    return f"{shown(path, settings)}: {identity.words}{numbers}, {bytes_in_words(identity.size)}"


def place_for(name: str, ending: str, settings: Settings) -> Path:
    """Return where a new model of this name stands. Raises BadValue for what is no plain name."""
    from easel.models.download.names import given_name

    if not name.strip():
        raise BadValue("--name", name, "a name for the new model")
    return settings.models.expanduser() / given_name(name.strip(), ending)


def shown(path: Path, settings: Settings) -> str:
    """Return a path as people know it: below the models folder without that."""
    models = settings.models.expanduser()
    return str(path.relative_to(models) if path.is_relative_to(models) else path)
