"""What there is to choose from, in this dialect's shapes: samplers, models, networks, styles, scripts.

Reads names, headers and what is known of them; computes no hashes and loads no torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from easel.api.a1111.options import USUAL, Options
from easel.api.a1111.scripts import ALWAYS, SCRIPTS, Script, Where, told
from easel.core.errors import ModelError, UnknownName
from easel.core.registry import Entry as Registered
from easel.core.settings import Settings
from easel.models.files.opening import listing_of
from easel.models.library.hashing import SHOWN
from easel.models.library.index import hashes_of
from easel.models.library.kinds import CHECKPOINT
from easel.models.library.names import Entry, Library
from easel.post.upscalers import LATENTS, PIXELS, upscalers
from easel.prompt.styles import Style, read_styles
from easel.sampling import samplers, schedules

PLACES: tuple[Where, ...] = get_args(Where)
MODULES = ("vae", "text_encoder")  # kinds of files that Forge calls modules
RESTORERS = ("CodeFormer", "GFPGAN")
EVERY: tuple[tuple[tuple[Script, ...], bool], ...] = ((SCRIPTS, False), (ALWAYS, True))


def sampler_list() -> list[dict[str, Any]]:
    """Return the samplers; their options are texts, as A1111's are."""
    return [{"name": one.name, "aliases": list(one.aliases), "options": sampler_facts(one)} for one in samplers]


def sampler_facts(one: Registered[Any]) -> dict[str, str]:
    """Return what A1111 keeps of a sampler."""
    facts = {
        "scheduler": one.facts["schedule"],
        "second_order": one.facts["second_order"],
        "discard_next_to_last_sigma": one.facts["discard_penultimate"],
        "uses_ensd": one.facts["ensd"],
        "brownian_noise": one.facts["noise"] == "brownian",
    }
    return {name: str(value).lower() if value is True else value for name, value in facts.items() if value}


def schedule_list() -> list[dict[str, Any]]:
    """Return the schedules."""
    return [
        {
            "name": one.aliases[0] if one.aliases else one.name,
            "label": one.name,
            "aliases": list(one.aliases[1:]) or None,
            "default_rho": one.options["rho"].default if "rho" in one.options else -1,
            "need_inner_model": False,
        }
        for one in schedules
    ]


def upscaler_list(library: Library) -> list[dict[str, Any]]:
    """Return the upscalers of pictures: those by arithmetic, then the files of learned ones."""
    found = [one.name for one in upscalers if one.facts["works_on"] == PIXELS]
    return [
        {"name": name, "model_name": None, "model_path": path, "model_url": None, "scale": 4.0}
        for name, path in (*((one, None) for one in found), *paths_of(library, "upscaler"))
    ]


def paths_of(library: Library, kind: str) -> list[tuple[str, str]]:
    """Return the name and the place of each file of a kind."""
    return [(name, str(path)) for name, path in library.places(kind).items()]


def realesrgan_list(library: Library) -> list[dict[str, Any]]:
    """Return the upscalers that are called Real-ESRGAN."""
    found = paths_of(library, "upscaler")
    return [{"name": name, "path": path, "scale": 4} for name, path in found if "realesr" in name.casefold()]


def restorer_list(library: Library) -> list[dict[str, str]]:
    """Return what restores faces, and the folder of each: A1111's two by its names for them, others by their files'."""
    found: dict[str, str] = {}
    for name, path in paths_of(library, "face_restorer"):
        short = name.rpartition("/")[2]
        theirs = next((one for one in RESTORERS if short.casefold().startswith(one.casefold())), short)
        found.setdefault(theirs, str(Path(path).parent))
    return [{"name": name, "cmd_dir": folder} for name, folder in found.items()]


def latent_modes() -> list[dict[str, str]]:
    """Return the upscalers of latents."""
    return [{"name": one.name} for one in upscalers if one.facts["works_on"] == LATENTS]


def model_list(library: Library) -> list[dict[str, Any]]:
    """Return the models; hashes where they are known already."""
    entries = library.entries(CHECKPOINT)
    hashes = hashes_of(str(entry.path) for entry in entries)
    return [
        model_facts(entry, hashes[path].sha256 if (path := str(entry.path)) in hashes else None) for entry in entries
    ]


def model_facts(entry: Entry, sha256: str | None) -> dict[str, Any]:
    """Return one model; its title is its name with its ending, and its hash behind it."""
    short = sha256[:SHOWN] if sha256 else None
    file = with_ending(entry)
    return {
        "title": f"{file} [{short}]" if short else file,
        "model_name": flat_name(entry.name),
        "hash": short,
        "sha256": sha256,
        "filename": str(entry.path),
        "config": None,
    }


def with_ending(entry: Entry) -> str:
    """Return a file's name with its ending, a folder's name as it is."""
    ending = entry.path.suffix
    known = ending.casefold() in (".safetensors", ".sft", ".ckpt", ".gguf", ".pt", ".pth", ".bin")
    return f"{entry.name}{ending}" if known and not entry.name.endswith(ending) else entry.name


def flat_name(name: str) -> str:
    """Return a name in folders as A1111 flattens it."""
    return name.replace("/", "_")


def model_meant(library: Library, text: str, kind: str = CHECKPOINT) -> str:
    """Return the name of the model that a title, a name, a flattened name or a hash means. Raises UnknownName."""
    try:
        return library.where(text, kind)[1]
    except UnknownName:
        for entry in library.entries(kind):
            if text in (flat_name(entry.name), with_ending(entry), flat_name(with_ending(entry))):
                return entry.name
        raise


def module_meant(library: Library, text: str) -> tuple[str, str]:
    """Return the kind and the name of what Forge calls a module, by its name or as /sd-modules tells its place.

    Raises UnknownName.
    """
    for entry in (entry for kind in MODULES for entry in library.entries(kind)):
        if text in (str(entry.path), with_ending(entry).rpartition("/")[2]):
            return entry.kind, entry.name
    for kind in MODULES:
        with suppress(UnknownName):
            return kind, library.where(text, kind)[1]
    known = [entry.name for kind in MODULES for entry in library.entries(kind)]
    raise UnknownName("VAE or text encoder", text, known, listing="GET /sdapi/v1/sd-modules")


def file_list(library: Library, kind: str) -> list[dict[str, Any]]:
    """Return the files of a kind by the fields that /sd-vae has."""
    return [
        {"model_name": with_ending(entry).rpartition("/")[2], "filename": str(entry.path)}
        for entry in library.entries(kind)
    ]


def network_list(library: Library) -> list[dict[str, Any]]:
    """Return the networks with the metadata in their files."""
    return [
        {
            "name": entry.name.rpartition("/")[2],
            "alias": alias(entry),
            "path": str(entry.path),
            "metadata": metadata_of(entry.path),
        }
        for entry in library.entries("lora")
    ]


def alias(entry: Entry) -> str:
    """Return the other name that a network's file has for itself, its own where there is none."""
    said = metadata_of(entry.path).get("ss_output_name")
    return said if isinstance(said, str) and said else entry.name.rpartition("/")[2]


def metadata_of(path: Path) -> dict[str, Any]:
    """Return the metadata of a file, what is JSON in it read as such; nothing where there is none."""
    if not path.is_file():
        return {}
    try:
        found = listing_of(path).metadata
    except ModelError:
        return {}
    return {name: read_json(text) for name, text in found.items()}


def read_json(text: str) -> Any:
    """Return what a text says as JSON where it is an object; the text itself otherwise."""
    if not text.startswith("{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def embedding_list(library: Library) -> dict[str, Any]:
    """Return the textual inversions; what is in them is read when they are used."""
    nothing = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": None, "vectors": None}
    return {"loaded": {name: dict(nothing) for name in library.embeddings()}, "skipped": {}}


def style_table(settings: Settings) -> dict[str, Style]:
    """Return the styles by name; none where there is no file. Raises BadValue for one that cannot be read."""
    return read_styles(settings.styles) if settings.styles.is_file() else {}


def style_list(settings: Settings) -> list[dict[str, str]]:
    """Return the styles."""
    return [
        {"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative}
        for style in style_table(settings).values()
    ]


def script_names() -> dict[str, list[str]]:
    """Return the titles of the scripts that each route has."""
    return {where: [script.name for script, _ in scripts_in(where)] for where in PLACES}


def script_facts() -> list[dict[str, Any]]:
    """Return every script with its arguments, once for each route that has it."""
    return [told(script, where, always=always) for where in PLACES for script, always in scripts_in(where)]


def scripts_in(where: Where) -> Iterator[tuple[Script, bool]]:
    """Yield the scripts of a route, and whether they run always."""
    for scripts, always in EVERY:
        yield from ((script, always) for script in scripts if where in script.where)


def option_list(library: Library, kept: Options) -> dict[str, Any]:
    """Return a caller's settings; the checkpoint by the title that /sd-models tells."""
    found = {**USUAL, **kept}
    name = found["sd_model_checkpoint"]
    titles = {fact["title"]: fact for fact in model_list(library)}
    title = next((title for title, fact in titles.items() if flat_name(name) == fact["model_name"]), name)
    found["sd_model_checkpoint"] = title
    found["sd_checkpoint_hash"] = titles.get(title, {}).get("sha256") or ""
    return found


def memory_facts() -> dict[str, Any]:
    """Return what memory there is, in bytes; of the graphics card where this process uses one."""
    from easel.models.memory.ram import machine_memory

    total, free = machine_memory()
    return {"ram": {"free": free, "used": total - free, "total": total}, "cuda": cuda_facts()}


def cuda_facts() -> dict[str, Any]:
    """Return the graphics card's memory by A1111's names, or why there is nothing to tell."""
    torch: Any = sys.modules.get("torch")  # an engine in this process has loaded it; a door does not
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return {"error": "unavailable"}
    free, total = torch.cuda.mem_get_info()
    stats = dict(torch.cuda.memory_stats())

    def both(name: str) -> dict[str, int]:
        return {when: stats.get(f"{name}.all.{when}", 0) for when in ("current", "peak")}

    return {
        "system": {"free": free, "used": total - free, "total": total},
        "active": both("active_bytes"),
        "allocated": both("allocated_bytes"),
        "reserved": both("reserved_bytes"),
        "inactive": both("inactive_split_bytes"),
        "events": {"retries": stats.get("num_alloc_retries", 0), "oom": stats.get("num_ooms", 0)},
    }
