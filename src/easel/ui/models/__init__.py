"""The tab "models": what stands in the model folders, found by words, and all that is known of each; for admins also
work on it.

The work's forms stand beside this file. Decides nothing about models: the library does.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import gradio as gr

from easel.core.errors import ModelError, UnknownName
from easel.core.request import Request
from easel.models.library.kinds import CHECKPOINT
from easel.models.library.names import Entry, Library
from easel.ui.house import caller_of
from easel.ui.models import converting, fetching, mixing, works
from easel.ui.models.cards import PAGE, Wanted, cards, details, family_choices, kind_choices, matching
from easel.ui.tab import Page, Sent, Tab

FORMS = (("fetch", fetching.form), ("merge", mixing.form), ("convert", converting.form))
PATIENCE = 1.0  # seconds in which files that came meanwhile are read before the list is shown
PICK = """
element.addEventListener('click', (event) => {
  const hit = event.target.closest('[data-name], [data-more]');
  if (hit && hit.dataset.more) trigger('click', {more: Number(hit.dataset.more)});
  else if (hit) {
    element.querySelectorAll('[aria-pressed=true]').forEach((one) => one.setAttribute('aria-pressed', 'false'));
    hit.setAttribute('aria-pressed', 'true');
    trigger('select', {kind: hit.dataset.kind, name: hit.dataset.name});
  }
});
"""
# On a phone what is known of a card stands below all of them.
IN_SIGHT = """
watch('value', () => {
  if (matchMedia('(max-width: 760px)').matches) element.scrollIntoView({ behavior: 'smooth', block: 'start' });
});
"""


def build(page: Page) -> None:
    """Make the tab's widgets."""
    say, library = page.say, page.house.library
    picked = gr.State(("", ""))
    with gr.Row(elem_classes="models-desk"):
        with gr.Column(scale=7, min_width=300):
            with gr.Row(elem_classes="models-search"):
                words = gr.Textbox(label=say("models.search"), placeholder=say("models.search_hint"), scale=3)
                kind = gr.Dropdown(kind_choices(say), value="", label=say("models.kinds"), min_width=130)
                family = gr.Dropdown(family_choices(say), value="", label=say("models.family"), min_width=130)
            count = gr.HTML(elem_classes="models-count")
            shelf = gr.HTML(js_on_load=PICK, apply_default_css=False, elem_id="models-shelf")
        with gr.Column(scale=5, min_width=300):
            told = gr.HTML(page_of_nothing(page), js_on_load=IN_SIGHT, apply_default_css=False, elem_id="models-told")
            with gr.Row():
                use = gr.Button(say("models.use"), variant="primary", size="sm", visible=False)
                hash_button = gr.Button(say("models.hash"), size="sm", visible=False)
            work = works.build(page, FORMS)
    wanted = [words, kind, family]

    def looked(words: str | None, kind: str, family: str, within: float = 0.0, shown: int = PAGE) -> tuple[str, str]:
        """Return how many there are, and their cards."""
        every = library.entries(within=within)
        found = matching(every, Wanted(words or "", kind, family))
        return said(page, found), cards(found, say, shown=shown)

    def looked_again(words: str | None, kind: str, family: str) -> tuple[str, str]:
        """Return the same after what is new was read."""
        return looked(words, kind, family, PATIENCE)

    def more(words: str | None, kind: str, family: str, event: gr.EventData) -> tuple[str, str]:
        """Return the same with more cards."""
        return looked(words, kind, family, shown=int(event.more))

    def open_one(event: gr.EventData, request: gr.Request) -> tuple[str, Any, Any, tuple[str, str]]:
        """Return all that is known of the card that was chosen."""
        admin = caller_of(request).admin
        entry = entry_called(library, str(event.kind), str(event.name))
        shown = details(entry, notes_of(entry), say, hash=hash_known(entry), admin=admin)
        usable = entry.kind == CHECKPOINT and entry.row is not None and not entry.row.fault
        return shown, gr.Button(visible=usable), gr.Button(visible=admin), (entry.kind, entry.name)

    listing: dict[str, Any] = {"outputs": [count, shelf], **works.QUIET}
    words.change(page.safely(looked), wanted, trigger_mode="always_last", **(listing | works.IN_TURN))
    for one in (kind, family):
        one.input(page.safely(looked), wanted, **listing)
    shelf.click(page.safely(more), wanted, **listing)
    shelf.select(page.safely(open_one), None, [told, use, hash_button, picked], **works.QUIET)
    page.tab.select(page.safely(looked_again), wanted, **listing)
    page.send(use.click, "create", lambda picked: Sent(Request(model=picked[1])), [picked])
    works.wire(page, work, hash_button, picked)
    work.ended.change(page.safely(looked_again), wanted, **(listing | works.IN_TURN))


def said(page: Page, found: list[Entry]) -> str:
    """Return how many there are, in words, as HTML."""
    unread = sum(entry.row is None for entry in found)
    line = page.say("models.count", count=f"{len(found):,}")
    return f'<p role="status">{line}{" " + page.say("models.count_unread", count=f"{unread:,}") if unread else ""}</p>'


def page_of_nothing(page: Page) -> str:
    """Return what stands where no card is chosen yet."""
    return f'<p class="models-empty">{page.say("models.choose")}</p>'


def entry_called(library: Library, kind: str, name: str) -> Entry:
    """Return the entry of exactly this name, read by now. Raises UnknownName."""
    entry = next((one for one in library.entries(kind) if one.name == name), None)
    if entry is None:
        raise UnknownName(kind, name, library.places(kind))
    if entry.row is None:
        with suppress(ModelError):  # what is wrong with it stands in its row afterwards
            library.find(name, (kind,))
        entry = next((one for one in library.entries(kind) if one.path == entry.path), entry)
    return entry


def hash_known(entry: Entry) -> str:
    """Return a single file's hash as infotexts have it, "" where it is not computed yet."""
    from easel.models.library import index
    from easel.models.library.hashing import SHOWN

    real = os.path.realpath(entry.path)
    known = index.hashes_of([real]).get(real)
    fresh = known is not None and (known.size, known.changed) == (entry.found.size, entry.found.changed)
    return known.sha256[:SHOWN] if known is not None and fresh else ""


def notes_of(entry: Entry) -> dict[str, str]:
    """Return what a file's maker wrote."""
    from easel.models.library.cards import card_of

    return card_of(entry.path)


TAB = Tab("models", build)
