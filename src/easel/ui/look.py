"""How the page looks: its theme, its stylesheet and its keys; nothing of it comes from another host."""

from __future__ import annotations

from importlib import resources

import gradio as gr
from gradio.themes.utils import colors, sizes

FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "sans-serif",
)
ICON = (
    '<link rel="icon" href="data:image/svg+xml,'
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Crect width='32' height='32' rx='8' fill='%234f46e5'/%3E"
    "%3Cpath d='M16 5v4M9 27l5-18h4l5 18M8 20h16' stroke='white' stroke-width='2.4' fill='none'/%3E%3C/svg%3E\">"
)
SPOKEN = """
for (const name of ["language", "languages"]) {
  Object.defineProperty(navigator, name, { get: () => (name === "language" ? "LANGUAGE" : ["LANGUAGE"]) });
}
"""
MONOSPACED = ("ui-monospace", "SFMono-Regular", "Consolas", "Noto Sans Mono CJK KR", "monospace")


def theme() -> gr.themes.Base:
    """Return the theme: quiet greys, one warm accent, fonts of the system, light and dark."""
    made = gr.themes.Base(
        primary_hue=colors.indigo,
        secondary_hue=colors.indigo,
        neutral_hue=colors.slate,
        spacing_size=sizes.spacing_md,
        radius_size=sizes.radius_lg,
        text_size=sizes.text_md,
        font=FONTS,
        font_mono=MONOSPACED,
    )
    return made.set(
        body_background_fill="white",
        body_background_fill_dark="*neutral_950",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_padding="2px 0",
        block_label_background_fill="transparent",
        block_title_text_color="*body_text_color",
        block_title_text_size="*text_sm",
        block_title_text_weight="500",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        input_border_width="1px",
        input_border_width_dark="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        layout_gap="14px",
    )


def stylesheet() -> str:
    """Return the page's CSS: what all tabs share first, then that of each tab."""
    return joined("css")


def head(language: str) -> str:
    """Return what stands in the page's head: its language and its scripts.

    Gradio's own words follow the browser's language, so the browser is said to speak the page's.
    """
    return f"{ICON}\n<script>{SPOKEN.replace('LANGUAGE', language)}\n{joined('js')}</script>"


def joined(kind: str) -> str:
    """Return the texts of a folder beside this file, "page" before the others, which stand by name."""
    files = [file for file in resources.files("easel.ui").joinpath(kind).iterdir() if file.name.endswith(f".{kind}")]
    files.sort(key=lambda file: (not file.name.startswith("page."), file.name))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
