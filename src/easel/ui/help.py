"""The tab "help": the words of the craft explained, and what each sampler is for. It is one text with a search."""

from __future__ import annotations

from html import escape

import gradio as gr

from easel.ui.explained import LISTS, Chapter, chapters
from easel.ui.tab import Page, Tab
from easel.ui.words import Words


def build(page: Page) -> None:
    """Make the tab's one widget; js/help.js searches it."""
    gr.HTML(
        written(page.say),
        html_template="${value}",
        js_on_load="easel.help(element);",
        apply_default_css=False,
        elem_id="help-text",
    )


def written(say: Words) -> str:
    """Return the whole text as HTML."""
    found = chapters(say.language)
    titles = {kind: say(f"help.{kind}") for kind in LISTS}
    contents = "".join(f'<a href="#help-{one.id}">{escape(titles.get(one.id, one.title))}</a>' for one in found)
    return (
        '<div class="bar" role="search"><label class="field grow" for="help-search">'
        f"<span>{escape(say('help.search'))}</span>"
        f'<input type="search" id="help-search" placeholder="{escape(say("help.search_hint"))}"></label></div>'
        f'<nav aria-label="{escape(say("help.contents"))}">{contents}</nav>'
        f'<p class="empty" role="status" hidden>{escape(say("help.nothing_found"))}</p>'
        + "".join(chapter(one, titles.get(one.id, one.title)) for one in found)
    )


def chapter(one: Chapter, title: str) -> str:
    """Return a chapter as HTML."""
    entries = "".join(
        f'<div id="help-{entry.id}"><dt>{escape(entry.name)}</dt><dd>{escape(entry.text)}</dd></div>'
        for entry in one.entries
    )
    return f'<section id="help-{one.id}"><h2>{escape(title)}</h2><dl>{entries}</dl></section>'


TAB = Tab("help", build)
