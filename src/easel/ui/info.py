"""The tab "info": a picture is dropped, and tells its words and settings; they go to other tabs, or it is drawn again
and compared.

What a file says stands in told.py, what came of drawing it again is judged in replaying.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from easel.core.errors import EaselError
from easel.jobs.feed import Ended
from easel.jobs.following import follow
from easel.ui import infocards as shown
from easel.ui import links
from easel.ui.dropped import as_link, bytes_of, dropped, shown_in
from easel.ui.house import caller_of
from easel.ui.replaying import replay_request, sendable, verdict
from easel.ui.tab import Page, Sent, Tab, in_words
from easel.ui.told import Told, told

COMPARED = """
const show = () => {
  const place = element.querySelector('[data-after]');
  if (!place) return;
  const { before, after, moves, there, here } = place.dataset;
  place.replaceChildren(easel.slider({ before, after, moves, names: [there, here] }));
};
watch('value', show);
"""
TARGETS = ("create", "edit", "control", "explore", "enlarge")


def build(page: Page) -> None:
    """Make the tab's widgets."""
    say = page.say
    with gr.Row(elem_classes="studio"):
        with gr.Column(min_width=300, elem_classes="words"):
            picture = dropped(say("info.picture"), height=360, elem_id="info-picture", placeholder=say("info.drop"))
            with gr.Row(visible=False, elem_classes="info-send") as sends:
                gr.HTML(f"<span>{say('info.send')}</span>", elem_classes="info-send-label")
                page.send_buttons(sending(page), [picture], TARGETS)
            with gr.Column(visible=False, elem_id="info-replay") as again:
                gr.HTML(f"<h3>{say('info.replay_title')}</h3><p>{say('info.replay_what')}</p>")
                start = dropped(say("info.start"), height=160, visible=False, elem_id="info-start")
                mask = dropped(say("info.mask"), height=160, visible=False, elem_id="info-mask")
                replay = gr.Button(say("info.replay"), elem_id="info-replay-do")
        with gr.Column(min_width=300, elem_classes="view"):
            verdicts = gr.HTML(apply_default_css=False, elem_id="info-verdict")
            compared = gr.HTML(js_on_load=COMPARED, apply_default_css=False, elem_id="info-compared")
            says = gr.HTML(shown.nothing(say), apply_default_css=False, elem_id="info-says")
            with gr.Accordion(say("info.raw"), open=False, visible=False) as raw_area:
                raw = gr.Textbox(show_label=False, label=say("info.raw"), lines=6, max_lines=20, buttons=["copy"])
    areas = [sends, again, start, mask, raw_area]
    outputs = [says, raw, verdicts, compared, *areas]

    def read(path: str | None) -> list[Any]:
        """Return what the picture says, and show what can be done with that."""
        if path is None:
            return [shown.nothing(say), "", "", "", *(gr.update(visible=False) for _ in areas)]
        try:
            found = told(bytes_of(path, say("info.picture")))
        except EaselError as error:
            return [shown.trouble(in_words(error, say)), "", "", "", *(gr.update(visible=False) for _ in areas)]
        recalled = found.recalled
        needs = recalled.needs if recalled else ()
        visible = (
            recalled is not None,
            recalled is not None,
            "start" in needs,
            "mask" in needs,
            bool(shown.raw(found)),
        )
        return [shown.says(found, say), shown.raw(found), "", "", *(gr.update(visible=one) for one in visible)]

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    picture.change(page.safely(read), picture, outputs, **quiet)
    replay.click(replaying(page), [picture, start, mask], [verdicts, compared], **quiet)
    page.receives("info", [picture], lambda sent: [shown_in(picture, sent.picture) if sent.picture else gr.skip()])


def sending(page: Page) -> Any:
    """Return what makes of a dropped picture what goes to another tab."""

    def give(path: str | None) -> Sent:
        file = bytes_of(path, page.say("info.picture"))
        request, unknown = sendable(told(file), file, page.house.library)
        if unknown:
            gr.Warning(page.say("info.model_unknown", model=unknown), title="")
        return Sent(request, Path(path or ""))

    return give


def replaying(page: Page) -> Any:
    """Return the handler that draws a picture again, tells how far that is, and at the end how the two compare."""
    say, house = page.say, page.house

    async def replay(
        path: str | None, start: str | None, mask: str | None, http: gr.Request
    ) -> AsyncIterator[tuple[str, str]]:
        file = bytes_of(path, say("info.picture"))
        found = told(file)
        given = {
            name: bytes_of(one, name) for name, one in (("start", start), ("mask", mask)) if one and needs(found, name)
        }
        request = replay_request(found, house.library, **given)
        job = house.submit(request, caller_of(http))
        async for news in follow(house.store, house.feed, job.id):
            if not isinstance(news, Ended):
                yield shown.progress(news, say), ""
                continue
            ended = news.job
            if ended.state != "done":
                yield shown.trouble(ended.error.message if ended.error else say("info.cancelled")), ""
                return
            place = found.recalled.frame if found.recalled else 0
            here = house.file_of(ended.pictures[place]).read_bytes()
            result = verdict(found, file, here, ended.pictures[place].infotext)
            names = (say("info.there"), say("info.here"))
            laid = shown.two(as_link(file), links.picture(job.id, place), names, say)
            yield shown.verdict(result, found, say), laid

    return page.safely(replay)


def needs(found: Told, name: str) -> bool:
    """Return whether a picture was made from another of that name."""
    return found.recalled is not None and name in found.recalled.needs


TAB = Tab("info", build)
