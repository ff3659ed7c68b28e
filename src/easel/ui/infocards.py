"""What the tab "info" shows, as HTML: what a picture says, how far its drawing again is, and how the two compare.

A file's words are a stranger's and are escaped. Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Mapping

from easel.core.client import Previewed, Progressed, Queued
from easel.jobs.feed import News
from easel.ui.models.cards import listed, safe
from easel.ui.replaying import Verdict
from easel.ui.told import Told
from easel.ui.words import Words


def nothing(say: Words) -> str:
    """Return what stands where no picture is dropped yet."""
    head, line = safe(say("info.empty_head")), safe(say("info.empty"))
    return f'<div class="info-empty"><p class="head">{head}</p><p>{line}</p></div>'


def trouble(message: str) -> str:
    """Return a line about what went wrong."""
    return f'<p class="info-trouble" role="alert">{safe(message)}</p>'


def says(told: Told, say: Words) -> str:
    """Return what a picture says: its words first, then a setting a line, then what cannot be honoured here."""
    file = told.file
    head = f"{file.width} × {file.height} · {file.format.upper()}"
    if told.source:
        head += f" · {say(f'info.source_{told.source}')}"
    parts = [f'<p class="info-head">{safe(head)}</p>']
    if not told.said and not told.recalled:
        return f'<article class="info-says">{parts[0]}{trouble(told.problem or say("info.silent"))}</article>'
    if told.problem:
        parts.append(trouble(told.problem))
    for name, text in (("prompt", told.prompt), ("negative_prompt", told.negative)):
        if text:
            parts.append(f'<h4>{safe(say(f"form.{name}"))}</h4><p class="info-words">{safe(text)}</p>')
    parts.append(f"<h4>{safe(say('info.settings'))}</h4>{listed(told.settings)}")
    ignored = told.recalled.ignored if told.recalled else {}
    if ignored:
        parts.append(f"<h4>{safe(say('info.ignored'))}</h4>{listed(ignored)}")
    return f'<article class="info-says">{"".join(parts)}</article>'


def raw(told: Told) -> str:
    """Return every text that a file carries, as it stands there."""
    texts = [told.file.infotext or "", *(f"{name}:\n{text}" for name, text in told.file.texts.items())]
    return "\n\n".join(text for text in texts if text)


def progress(news: News, say: Words) -> str:
    """Return how far a job is, from its latest news."""
    value, line = "", say("info.began")
    if isinstance(news, Queued):
        line = say("info.queued", ahead=news.ahead)
    elif isinstance(news, Progressed):
        left = f"{news.seconds_left:.0f}" if news.seconds_left is not None else "?"
        line = say("info.step", step=news.step, steps=news.steps, left=left)
        value = f' value="{news.step / max(1, news.steps):.4f}"'
    elif isinstance(news, Previewed):
        line = ""
    bar = f'<progress max="1"{value} aria-label="{safe(say("info.replay_title"))}"></progress>'
    return f'<div class="info-progress">{bar}<p role="status">{safe(line)}</p></div>'


def verdict(found: Verdict, told: Told, say: Words) -> str:
    """Return how two pictures compare: a line, and under it what may be why."""
    state = "equal" if found.equal else "differs"
    why = "" if found.equal else listed(reasons(found, told, say))
    return (
        f'<section class="info-verdict" data-state="{state}"><p class="info-line" role="status">'
        f"{safe(headline(found, say))}</p>{why}</section>"
    )


def two(before: str, after: str, names: tuple[str, str], say: Words) -> str:
    """Return the place of two pictures by their addresses, one over the other; js/slider.js lays them there."""
    given = {"before": before, "after": after, "there": names[0], "here": names[1], "moves": say("explore.slider")}
    told = " ".join(f'data-{name}="{safe(text)}"' for name, text in given.items())
    return f"<div {told}></div>"


def headline(found: Verdict, say: Words) -> str:
    """Return the verdict in one line."""
    there, here = found.sizes
    if found.difference is None:
        return say("info.sizes", there=there, here=here)
    if found.equal:
        lossy = "" if found.format == "png" else " " + say("info.after_losses", format=found.format.upper())
        return say("info.equal", pixels=f"{found.difference.pixels:,}") + lossy
    far = found.difference
    return say(
        "info.differs",
        differing=f"{far.differing:,}",
        pixels=f"{far.pixels:,}",
        greatest=far.greatest,
        psnr=f"{far.psnr:.1f}",
    )


def reasons(found: Verdict, told: Told, say: Words) -> Mapping[str, str]:
    """Return what may be why two pictures differ, by what it is."""
    silent = say("info.not_said")
    why = {
        name: say("info.then_now", there=there or silent, here=here or silent)
        for name, (there, here) in found.differs.items()
    }
    if told.recalled and told.recalled.ignored:
        why[say("info.ignored")] = ", ".join(told.recalled.ignored)
    if found.batch > 1:
        why[say("info.batch")] = say("info.batch_why", others=found.batch - 1)
    if found.format != "png":
        why[say("info.format")] = say("info.format_why", format=found.format.upper())
    return why or {say("info.perhaps"): say("info.perhaps_why")}
