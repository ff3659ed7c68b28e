"""What would be fetched from Hugging Face: one file of a repository, or a whole diffusers folder.

The hub's own library lists the files with their sizes and hashes; which of them a pipeline needs is told in parts.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from easel.core.errors import BadValue, RequestError, ResourceError, Unrecognised, Unsupported
from easel.models.download.asked import Repository
from easel.models.download.names import (
    ENDINGS,
    PICTURES,
    SAFE_ENDINGS,
    ending_of,
    given_name,
    has_words,
    safe_name,
)
from easel.models.download.parts import CONFIG, INDEX, files_of_folder, files_of_part
from easel.models.download.plans import Plan, Wish
from easel.models.download.sites import Site
from easel.models.download.wanted import Wanted
from easel.models.download.web import Again, Web, patiently, printable

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

TIMEOUT = 30.0  # seconds
SHOWN_FILES = 12
# Names that say nothing of the model; the repository's name does.
NAMELESS = [
    "diffusion_pytorch_model",
    "diffusion_pytorch_model.fp16",
    "model",
    "model.fp16",
    "pytorch_model",
    "pytorch_model.fp16",
    "pytorch_lora_weights",
    "learned_embeds",
    "adapter_model",
    "adapter_config",
]
KINDS_BY_TAG = {"lora": "lora", "controlnet": "controlnet", "textual_inversion": "embedding"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a repository. sha256: of large files; blob: git's hash of small ones."""

    path: str
    size: int | None
    sha256: str
    blob: str


def plan_hub(found: Repository, wish: Wish, web: Web) -> Plan:
    """Return the plan for a repository of Hugging Face. Raises RequestError, ModelError or ResourceError."""
    hub = web.site("hf")
    if found.revision and wish.revision and found.revision != wish.revision:
        raise BadValue("--revision", wish.revision, f"what WHAT says already ({found.revision})")
    info = patiently(web.patience, lambda: listing(found, found.revision or wish.revision, hub))
    commit = info.sha or found.revision or wish.revision or "main"
    files = {entry.path: entry for entry in map(listed, info.siblings or ())}
    base = f"{hub.base}/{found.name}/resolve/{quote(commit, safe='')}/"

    def wanted(path: str, name: str) -> Wanted:
        entry = files[path]
        return Wanted(f"{base}{quote(path)}", name, entry.size, None, entry.sha256, entry.blob)

    below = f"{found.path}/" if found.path and found.path not in files else ""
    inside = {path.removeprefix(below): path for path in files if path.startswith(below)}
    if below and not inside:
        raise RequestError(f"{found.name}: has no {found.path!r} at {commit[:12]}; look at the link again.")
    stem = PurePosixPath(found.path).name if below else found.name.split("/")[1]
    exact = found.path in files or any(wish.file in (path, PurePosixPath(path).name) for path in inside)
    if INDEX in inside and not exact and wish.file.lower() in ("", "fp16", "full"):
        if wish.kind not in ("", "checkpoint"):
            raise BadValue("--kind", wish.kind, "checkpoint, for a whole diffusers folder; name a file with --file")
        index = web.json(f"{base}{quote(inside[INDEX])}")
        sources = files_of_folder(index, list(inside), full=wish.file.lower() == "full", where=found.name)
        chosen = tuple(wanted(inside[source], name) for name, source in sources.items())
        name = given_name(wish.name, "") if wish.name else safe_name(stem)
        return Plan(found.name, name, chosen, "checkpoint", folder=True)
    if wish.kind == "preprocessor" and CONFIG in inside and not exact and wish.file.lower() in ("", "fp16", "full"):
        sources = files_of_part(list(inside), full=wish.file.lower() == "full", where=found.name)
        chosen = tuple(wanted(inside[source], name) for name, source in sources.items())
        name = given_name(wish.name, "") if wish.name else safe_name(stem)
        return Plan(found.name, name, chosen, wish.kind, folder=True)
    path = found.path if found.path in files else inside[one_of(inside, files, wish, found.name)]
    kind = wish.kind or kind_of(info, path)
    ending = ending_of(PurePosixPath(path).name, kind or ("embedding" if path.endswith(PICTURES) else ""))
    own = PurePosixPath(path).name
    own = f"{stem}{ending}" if own[: -len(ending)] in NAMELESS else own
    name = given_name(wish.name, ending) if wish.name else safe_name(own)
    return Plan(printable(f"{found.name}, {path}"), name, (wanted(path, name),), kind)


def listing(found: Repository, revision: str, hub: Site) -> ModelInfo:
    """Return what the hub tells of a repository. Raises Again, RequestError or ResourceError."""
    import httpx2
    from huggingface_hub import HfApi, errors

    token = hub.token.get_secret_value() if hub.token else False
    at = f"{hub.base}/{found.name}"
    try:
        api = HfApi(endpoint=hub.base, token=token)
        return api.model_info(found.name, revision=revision or None, files_metadata=True, timeout=TIMEOUT)
    except errors.OfflineModeIsEnabled:
        raise Unsupported("HF_HUB_OFFLINE is set, so nothing is asked of Hugging Face; unset it to download.") from None
    except errors.GatedRepoError:
        raise RequestError(
            f"{at}: its authors ask for consent to their terms; give it on that page, then {hub.login}."
        ) from None
    except errors.RevisionNotFoundError:
        raise RequestError(f"{at}: has no revision {revision!r}; its page lists branches and tags.") from None
    except errors.RepositoryNotFoundError:
        private = "" if hub.token else f", or is private: {hub.login}"
        raise RequestError(f"{at}: there is no such model{private}.") from None
    except errors.HFValidationError:
        raise BadValue("WHAT", found.name, "OWNER/NAME of letters, digits, '-', '_' and '.'") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status == 429 or status >= 500:
            raise Again(f"{at}: Hugging Face answers {status}") from None
        if status in (401, 403):
            raise RequestError(
                f"{at}: Hugging Face answers {status}; the token is not accepted ({hub.page})."
            ) from None
        if status in (404, 410):
            raise RequestError(f"{at}: there is no such model or revision; look at the link again.") from None
        raise ResourceError(f"{at}: Hugging Face answers {status}.") from None
    except httpx2.HTTPError as error:
        raise Again(f"{hub.base}: cannot be asked ({printable(str(error)) or type(error).__name__})") from None
    except (ValueError, TypeError, KeyError) as error:
        raise ResourceError(
            f"{at}: the hub's answer cannot be read ({type(error).__name__}); try again later."
        ) from None


def listed(sibling: object) -> Listed:
    """Return a file of the hub's list."""
    size, blob = getattr(sibling, "size", None), getattr(sibling, "blob_id", None) or ""
    large = getattr(sibling, "lfs", None)
    digest = str(getattr(large, "sha256", "") or "") if large else ""
    path = str(getattr(sibling, "rfilename", ""))
    return Listed(path, size if isinstance(size, int) else None, digest, "" if digest else str(blob))


def one_of(inside: Mapping[str, str], files: Mapping[str, Listed], wish: Wish, where: str) -> str:
    """Return the one file that is meant: named or told by words, safetensors before pickles. Raises BadValue."""
    known = [name for name in inside if name.lower().endswith((*ENDINGS, *PICTURES))]
    named = [name for name in known if wish.file in (name, PurePosixPath(name).name)]
    if wish.file and not named:
        named = [name for name in known if has_words(name, wish.file.split())]
    elif not wish.file:
        named = [name for name in known if name.lower().endswith(ENDINGS)]
    safe = [name for name in named if name.lower().endswith(SAFE_ENDINGS)]
    chosen = safe or named
    if len(chosen) == 1:
        return chosen[0]
    if not known:
        raise Unrecognised(f"{where}: has no file of weights ({', '.join(ENDINGS)}) and is no diffusers folder.")
    shown = [
        f"{printable(name)} ({in_megabytes(files[inside[name]].size)})" for name in (chosen or known)[:SHOWN_FILES]
    ]
    more = f" and {len(chosen or known) - SHOWN_FILES} more" if len(chosen or known) > SHOWN_FILES else ""
    if not wish.file:
        raise RequestError(f"{where}: which file? --file takes one of {', '.join(shown)}{more}.")
    raise BadValue("--file", wish.file, f"one of {', '.join(shown)}{more}")


def in_megabytes(size: int | None) -> str:
    """Return a file's size for a list."""
    return "size not told" if size is None else f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"


def kind_of(info: ModelInfo, path: str) -> str:
    """Return the kind of a file as its repository's tags tell it, or its name; "" where they do not."""
    tags = {str(tag).lower() for tag in info.tags or ()}
    by_tag = [kind for tag, kind in KINDS_BY_TAG.items() if tag in tags]
    own = PurePosixPath(path).stem.lower()
    if own == "vae" or own.endswith(("-vae", "_vae", ".vae")) or own.startswith(("vae-", "vae_")):
        return "vae"
    return by_tag[0] if len(by_tag) == 1 else ""
