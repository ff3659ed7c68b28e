"""Models as people see them: which of them match, their cards, and all that is known of one. HTML from values.

What makers wrote is a stranger's text and is escaped. Knows no widgets; names and identities come from the library.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from easel.core.amounts import bytes_in_words
from easel.core.errors import ModelError
from easel.models.layouts.identify import Identity
from easel.models.library.index import Row
from easel.models.library.kinds import CHECKPOINT, KINDS
from easel.models.library.names import Entry
from easel.models.library.previews import preview_of
from easel.ui import links
from easel.ui.words import Words

FAMILIES: Mapping[str, str] = {"sd": "SD 1 · 2", "sdxl": "SDXL", "sd3": "SD 3", "flux": "Flux"}
PAGE = 60  # cards that are shown at once
GLYPHS: Mapping[str, str] = {
    CHECKPOINT: "◆",
    "denoiser": "◇",
    "vae": "◐",
    "text_encoder": "¶",
    "lora": "✦",
    "embedding": "❝",
    "upscaler": "⤢",
    "controlnet": "⌖",
    "t2i_adapter": "⌗",
    "ip_adapter": "◉",
    "motion_module": "▶",
    "clip_vision": "◎",
    "preprocessor": "✎",
    "background": "✂",
    "detector": "⛶",
    "face_restorer": "☺",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. words: all of them stand in the name, the path or what it is; kind, family: "" for any."""

    words: str = ""
    kind: str = ""
    family: str = ""


def matching(entries: Iterable[Entry], wanted: Wanted) -> list[Entry]:
    """Return the entries that are looked for, in the library's order."""
    words = wanted.words.casefold().split()

    def fits(entry: Entry) -> bool:
        row = entry.row
        if wanted.family and (row is None or wanted.family not in families_of(row)):
            return False
        text = f"{entry.name} {entry.found.path} {row.words if row else ''}".casefold()
        return all(word in text for word in words)

    return [entry for entry in entries if wanted.kind in ("", entry.kind) and fits(entry)]


def families_of(row: Row) -> tuple[str, ...]:
    """Return the families that a file goes with; a part may go with several."""
    return (row.family, *(json.loads(row.facts).get("fits", ()) if row.facts else ()))


def cards(entries: Sequence[Entry], say: Words, *, shown: int = PAGE, picked: tuple[str, str] | None = None) -> str:
    """Return the cards of the first `shown` entries, and a button for more where there are more."""
    if not entries:
        return f'<p class="models-empty">{safe(say("models.none"))}</p>'
    made = "".join(card(entry, say, picked=(entry.kind, entry.name) == picked) for entry in entries[:shown])
    more = ""
    if len(entries) > shown:
        words = say("models.more", count=len(entries) - shown)
        more = f'<button type="button" class="models-more" data-more="{shown + PAGE}">{safe(words)}</button>'
    return f'<div class="models-cards">{made}</div>{more}'


def card(entry: Entry, say: Words, *, picked: bool = False) -> str:
    """Return one card: a button with the preview, the name, and what it is."""
    row = entry.row
    trouble = row is not None and bool(row.fault)
    what = say("models.unread") if row is None else say("models.unusable") if trouble else row.words
    kind = say(f"models.kind.{entry.kind}")
    picture = f'<span class="models-glyph" aria-hidden="true">{GLYPHS[entry.kind]}</span>'
    if preview_of(entry.path) is not None:
        address = escape(links.preview(entry.kind, entry.name))
        picture = f'<img src="{address}" alt="" loading="lazy" decoding="async">'
    marks = f' aria-pressed="{str(picked).lower()}"{" data-trouble" if trouble else ""}'
    return (
        f'<button type="button" class="models-card" data-kind="{entry.kind}" data-name="{safe(entry.name)}"{marks}>'
        f'<span class="models-face">{picture}</span>'
        f'<span class="models-name" title="{safe(entry.name)}">{safe(entry.name.rpartition("/")[2])}</span>'
        f'<span class="models-what">{safe(" · ".join(dict.fromkeys((kind, what))))}</span>'
        f'<span class="models-size">{bytes_in_words(entry.found.size)}</span></button>'
    )


def details(entry: Entry, notes: Mapping[str, str], say: Words, *, hash: str = "", admin: bool = False) -> str:
    """Return all that is known of one file. notes: what its maker wrote; admin: whether to tell where it stands."""
    try:
        identity = entry.identity()
        trouble = "" if identity else say("models.unread")
    except ModelError as error:
        identity, trouble = None, error.message if admin else error.message.replace(entry.found.path, entry.name)
    facts = facts_of(identity, say) if identity else {}
    facts[say("models.fact.size")] = bytes_in_words(entry.found.size)
    facts[say("models.fact.hash")] = hash
    facts[say("models.fact.path")] = entry.found.path if admin else ""
    preview = ""
    if preview_of(entry.path) is not None:
        preview = f'<img class="models-preview" src="{escape(links.preview(entry.kind, entry.name))}" alt="">'
    problem = f'<p class="models-trouble" role="note">{safe(trouble)}</p>' if trouble else ""
    written = {say(f"models.card.{name.lower().replace(' ', '_')}"): text for name, text in notes.items()}
    maker = f"<h4>{safe(say('models.written'))}</h4>{listed(written)}" if written else ""
    return (
        f'<article class="models-details"><h3>{safe(entry.name)}</h3>'
        f'<p class="models-kind">{safe(say(f"models.kind.{entry.kind}"))}</p>'
        f"{preview}{problem}{listed(facts)}{maker}</article>"
    )


def facts_of(identity: Identity, say: Words) -> dict[str, str]:
    """Return what an identity says, by names in words."""
    family = ", ".join(FAMILIES.get(one, one) for one in identity.fits or (identity.family,))
    told: dict[str, Any] = {
        "what": identity.words if identity.words != say(f"models.kind.{identity.kind}") else "",
        "family": family,
        "predicts": f"{identity.prediction} ({identity.known_by})" if identity.prediction else "",
        "numbers": identity.dtype,
        "layout": say(f"models.layout.{identity.layout}"),
        "missing": ", ".join(identity.missing),
        "unused": ", ".join(f"{count} {what}" for what, count in identity.unused),
    }
    return {say(f"models.fact.{name}"): value for name, value in told.items()}


def listed(facts: Mapping[str, str]) -> str:
    """Return facts as a list of terms, the empty ones left out."""
    rows = "".join(f"<dt>{safe(name)}</dt><dd>{safe(value)}</dd>" for name, value in facts.items() if value)
    return f"<dl>{rows}</dl>"


def kind_choices(say: Words) -> list[tuple[str, str]]:
    """Return the kinds of files to choose from, in words, "" for all first."""
    return [(say("models.all"), ""), *((say(f"models.kind.{kind}"), kind) for kind in KINDS)]


def family_choices(say: Words) -> list[tuple[str, str]]:
    """Return the families to choose from, "" for all first."""
    return [(say("models.all"), ""), *((words, family) for family, words in FAMILIES.items())]


def safe(text: str) -> str:
    """Return a stranger's text as it may stand in HTML within a template of Gradio's, where braces mean something."""
    return escape(text).replace("{", "&#123;").replace("}", "&#125;")
