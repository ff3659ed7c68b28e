"""The canvas: a picture to draw on in the browser, with a brush, an eraser, zoom and undo.

js/canvas.js draws; what it hands over is read in drawn.py. Knows no requests; tabs say which mode it is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import gradio as gr

from easel.ui.words import Words

ICONS: Mapping[str, str] = {
    "open": "M4 5h16v14H4zM4 16l4.5-4.5 4 4 3-3L20 17M15.5 9h.01",
    "paper": "M6 3h8l5 5v13H6zM14 3v5h5",
    "brush": "M4 20c2.8 0 3-1.2 3-2.8a2.7 2.7 0 0 1 5.4 0c0 2.8-3.4 3.6-8.4 2.8M10.5 14 19 4l1.8 1.7L12.3 15.5",
    "eraser": "M8 20h12M4.2 15.2 13.5 5l6 5.5L11 20H8.3z",
    "hand": "M8 13V6.5a1.5 1.5 0 0 1 3 0V11M11 11V5a1.5 1.5 0 0 1 3 0v6M14 11V6.5a1.5 1.5 0 0 1 3 0V15c0 "
    "4-2 6-5 6s-4.5-1-6.5-4.5L3.8 13.3a1.5 1.5 0 0 1 2.6-1.5L8 14",
    "undo": "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
    "redo": "m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
    "clear": "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
    "out": "M5 12h14",
    "fit": "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
    "in": "M5 12h14M12 5v14",
    "open-mask": "M4 5h16v14H4zM12 8.5a3.5 3.5 0 1 1 0 7zM12 8.5a3.5 3.5 0 1 0 0 7",
    "close": "M6 6l12 12M18 6 6 18",
}
GROUPS = (
    ("open", "paper", "open-mask", "close"),
    ("brush", "eraser", "hand"),
    ("undo", "redo", "clear"),
    ("out", "fit", "in"),
)
PUSHED = ("brush", "eraser", "hand")  # one of them is on
PAPER = "#ffffff"


def canvas(say: Words, mode: str, elem_id: str, paper: tuple[int, int]) -> gr.HTML:
    """Return a canvas in one of drawn.MODES. paper: width and height of blank paper where the form names none.

    Give it {"open": URL, "at": anything new} to open a picture; what was drawn comes by parts/widget.py's script.
    """
    return gr.HTML(
        None,
        html_template=markup(say, mode, paper),
        js_on_load=f"easel.canvas(element, props, watch, '{elem_id}');",
        apply_default_css=False,
        elem_id=elem_id,
    )


def told(elem_id: str, what: str) -> str:
    """Return the script for an event's `js` that tells the canvas its inputs. what: "mode", or "margins"."""
    return f"(...given) => easel.tellCanvas('{elem_id}', '{what}', given)"


def markup(say: Words, mode: str, paper: tuple[int, int]) -> str:
    """Return the canvas' HTML with its words."""
    words = {key: safe(say(f"edit.canvas.{key}")) for key in ("label", "drop", "choose", "status", "broken", "size")}
    words |= {key: safe(say(f"edit.canvas.{key}")) for key in ("colour", "opacity", "stage")}
    groups = "".join(f'<div class="group">{"".join(button(say, act) for act in group)}</div>' for group in GROUPS)
    return f"""<div class="canvas" role="group" aria-label="{words["label"]}" data-mode="{mode}" data-tool="brush"
  data-status="{words["status"]}" data-broken="{words["broken"]}" data-paper="{PAPER}" data-paper-size="{list(paper)}">
  <div class="bar" role="toolbar" aria-label="{words["label"]}">{groups}
    <label class="brush-only">{words["size"]}
      <input type="range" class="brush-size" min="2" max="100" value="30"></label>
    <label class="colour-only">{words["colour"]}<input type="color" class="brush-colour" value="#e8590c"></label>
    <label class="mask-only">{words["opacity"]}
      <input type="range" class="mask-opacity" min="10" max="100" value="60"></label>
  </div>
  <div class="stage" tabindex="0" role="application" aria-label="{words["stage"]}">
    <div class="sheet"><img alt=""><canvas class="paint"></canvas><canvas class="mask"></canvas>
      <div class="frame"></div></div>
    <div class="ring" hidden></div>
    <div class="empty"><p>{words["drop"]}</p><button type="button" data-act="open">{words["choose"]}</button></div>
  </div>
  <p class="status" role="status"></p>
  <input type="file" accept="image/*" hidden aria-label="{words["choose"]}">
</div>"""


def button(say: Words, act: str) -> str:
    """Return a button of the bar, with its name and key in words."""
    name = safe(say(f"edit.canvas.{act}"))
    pushed = ' aria-pressed="false"' if act in PUSHED else ""
    return (
        f'<button type="button" data-act="{act}" title="{name}" aria-label="{name}"{pushed}>'
        f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{ICONS[act]}"/></svg></button>'
    )


def safe(text: str) -> str:
    """Return words as they may stand in HTML within a template of Gradio's, where braces, ` and $ mean something."""
    found = escape(text)
    for letter in "\\`$":
        found = found.replace(letter, f"&#{ord(letter)};")
    return found.replace("{{", "&#123;&#123;")
