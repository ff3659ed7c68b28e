"""What admins do with models, as forms; and how far their work is, with a button that stops it.

A form begins a piece of work in the house's workshop and forgets it, so that a page that is opened later shows the same
work. Every handler asks again who calls: to hide a form protects nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from easel.core.amounts import bytes_in_words
from easel.core.caller import Caller
from easel.core.errors import Forbidden
from easel.ui.house import caller_of
from easel.ui.models.cards import safe
from easel.ui.tab import Page, in_words
from easel.ui.words import Words
from easel.ui.workshop import Labour, Piece

EVERY = 1.0  # seconds between two looks at work that is under way; while there is none, nobody looks
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
IN_TURN: dict[str, Any] = {"queue": True}  # where order counts, or what fires is a state, which the queue alone tells
STOP = """
element.addEventListener('click', (event) => {
  const hit = event.target.closest('[data-stop]');
  if (hit) trigger('click', {stop: Number(hit.dataset.stop)});
});
"""
# What the command line calls the fields of the forms, in messages.
OPTIONS = {
    "--force": "replace",
    "--name": "save_as",
    "--file": "file",
    "--kind": "kinds",
    "--revision": "revision",
    "--sha256": "sha256",
    "--vae": "vae",
}


@dataclass(frozen=True, slots=True)
class Form:
    """One form. begin: called with who asks and the values of `inputs`, returns a title and the work.

    models, vaes: which of its choices are of models and of autoencoders.
    """

    kind: str
    button: gr.Button
    inputs: Sequence[Any]
    begin: Callable[..., tuple[str, Callable[[], Labour]]]
    models: tuple[gr.Dropdown, ...] = ()
    vaes: tuple[gr.Dropdown, ...] = ()


@dataclass(frozen=True, slots=True)
class Works:
    """The work as it is shown. ended: how many pieces have ended, whose change says that there may be new models."""

    area: gr.Column
    told: gr.HTML
    timer: gr.Timer
    ended: gr.State
    forms: tuple[Form, ...]

    @property
    def outputs(self) -> list[Any]:
        """What a look at the work fills."""
        return [self.told, self.timer, self.ended]


def build(page: Page, makers: Sequence[tuple[str, Callable[[Page], Form]]]) -> Works:
    """Make the forms, hidden until it is known who looks. makers: by their key in the words."""
    with gr.Column(visible=False, elem_classes="models-work") as area:
        told = gr.HTML(js_on_load=STOP, apply_default_css=False, elem_id="models-works")
        timer, ended = gr.Timer(EVERY, active=False), gr.State((0, 0))
        forms: list[Form] = []
        for key, make in makers:
            with gr.Accordion(page.say(f"models.{key}.title"), open=False):
                forms.append(make(page))
    works = Works(area, told, timer, ended, tuple(forms))
    for form in forms:
        form.button.click(page.safely(beginning(page, form)), form.inputs, works.outputs, **(QUIET | IN_TURN))
    return works


def beginning(page: Page, form: Form) -> Callable[..., list[Any]]:
    """Return the handler that begins a form's work."""

    def begin(request: gr.Request, *values: Any) -> list[Any]:
        caller = admin(request, page.say)
        title, labour = form.begin(caller, *values)
        page.house.workshop.begin(form.kind, title, labour, caller.name)
        return looked(page)

    return begin


def wire(page: Page, works: Works, hash_button: gr.Button, picked: gr.State) -> None:
    """Show the work as it goes, and the forms to who may use them."""
    say, workshop, library = page.say, page.house.workshop, page.house.library

    def stop(event: gr.EventData, request: gr.Request) -> list[Any]:
        """Stop a piece of work."""
        admin(request, say)
        workshop.stop(int(event.stop))
        return looked(page)

    def hash_file(picked: tuple[str, str], request: gr.Request) -> list[Any]:
        """Have the chosen file read for its hash."""
        from easel.ui.models.labours import hashing

        kind, name = picked
        workshop.begin("hash", name, lambda: hashing(kind, name, library), admin(request, say).name)
        return looked(page)

    def look(request: gr.Request) -> list[Any]:
        """Look at the work again."""
        admin(request, say)
        return looked(page)

    def arrive(request: gr.Request) -> list[Any]:
        """Show the forms to an admin, with the work that is under way and the models there are."""
        if not caller_of(request).admin:
            return [gr.skip()] * (1 + len(works.outputs) + len(chosen))
        return [gr.Column(visible=True), *looked(page), *choices(page, works.forms)]

    def renewed(request: gr.Request) -> list[Any]:
        """Offer the models that there are now."""
        admin(request, say)
        return choices(page, works.forms)

    chosen = [one for form in works.forms for one in (*form.models, *form.vaes)]
    works.timer.tick(page.safely(look), None, works.outputs, **(QUIET | IN_TURN))
    works.told.click(page.safely(stop), None, works.outputs, **QUIET)
    hash_button.click(page.safely(hash_file), picked, works.outputs, **QUIET)
    works.ended.change(page.safely(renewed), None, chosen, **(QUIET | IN_TURN))
    page.tab.select(page.safely(arrive), None, [works.area, *works.outputs, *chosen], **QUIET)


def admin(request: gr.Request, say: Words) -> Caller:
    """Return who asks. Raises Forbidden unless they are an admin."""
    caller = caller_of(request)
    if not caller.admin:
        raise Forbidden(say("models.admins_only"))
    return caller


def looked(page: Page) -> list[Any]:
    """Return the work as it stands, for Works.outputs; the timer goes as long as something is to be seen."""
    pieces = page.house.workshop.pieces()
    ended = sum(piece.has_ended for piece in pieces)
    busy = ended < len(pieces)
    newest = max((piece.number for piece in pieces if piece.has_ended), default=0)
    return [shown(pieces, page.say), gr.Timer(active=busy), (ended, newest)]


def choices(page: Page, forms: Sequence[Form]) -> list[Any]:
    """Return the models and autoencoders to choose from, for each choice of each form."""
    models, vaes = (sorted(page.house.library.places(kind)) for kind in ("checkpoint", "vae"))
    found: list[Any] = []
    for form in forms:
        found += [gr.Dropdown(choices=["", *models]) for _ in form.models]
        found += [gr.Dropdown(choices=own_vaes(form, page.say) + [(name, name) for name in vaes]) for _ in form.vaes]
    return found


def own_vaes(form: Form, say: Words) -> list[tuple[str, str]]:
    """Return the choices of an autoencoder that are no files: each model's own, and those of the models given."""
    letters = "AB" if form.kind == "merge" else ""
    return [(say("models.own"), ""), *((say("models.merge.vae_of", model=one), one) for one in letters)]


def shown(pieces: Sequence[Piece], say: Words) -> str:
    """Return pieces of work as HTML, "" for none."""
    rows = "".join(row(piece, say) for piece in pieces)
    return f'<ul class="models-pieces" aria-label="{safe(say("models.work.title"))}">{rows}</ul>' if rows else ""


def row(piece: Piece, say: Words) -> str:
    """Return one piece of work: what, how far, what came of it."""
    kind, state = say(f"models.work.{piece.kind}"), say(f"models.work.{piece.state}")
    bar = stop = ""
    if not piece.has_ended:
        value = "" if piece.share is None else f' value="{piece.share:.4f}"'
        bar = f'<progress max="1"{value} aria-label="{safe(kind)} {safe(piece.title)}"></progress>'
        stop = f'<button type="button" data-stop="{piece.number}">{safe(say("models.work.stop"))}</button>'
    said = spoken(in_words(piece.error, say) if piece.error else piece.said, say)
    return (
        f'<li class="models-piece" data-state="{piece.state}"><span class="models-piece-head"><b>{safe(kind)}</b> '
        f"<span>{safe(piece.title)}</span><em>{safe(state)}</em>{stop}</span>{bar}"
        f'<span class="models-piece-far">{safe(far(piece, say))}</span>'
        f'<span class="models-piece-said">{safe(said)}</span></li>'
    )


def far(piece: Piece, say: Words) -> str:
    """Return how far a piece of work is: bytes, pace and time left; "" where it does not run."""
    done, total, seconds = piece.step.done, piece.step.total, piece.seconds
    if piece.state != "running" or not done:
        return ""
    parts = [bytes_in_words(done) if total is None else f"{bytes_in_words(done)} / {bytes_in_words(total)}"]
    if seconds and seconds > 1:
        parts.append(f"{bytes_in_words(done / seconds)}/s")
    if piece.seconds_left is not None:
        parts.append(say("models.work.left", seconds=f"{piece.seconds_left:.0f}"))
    return " · ".join(parts)


def spoken(text: str, say: Words) -> str:
    """Return a message in which the command line's options are called as the page's fields are."""

    def field(match: re.Match[str]) -> str:
        key = OPTIONS.get(match[0])
        return f"“{say(f'models.{key}')}”" if key else match[0]

    return re.sub(r"--[a-z][a-z0-9-]*", field, text)
