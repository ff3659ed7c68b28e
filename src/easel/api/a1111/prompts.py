"""What this dialect does with the words of a prompt before they are a request's: styles, comments, networks left out.

Knows texts; which styles there are it is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from easel.core.errors import BadValue
from easel.prompt.networks import split_networks
from easel.prompt.styles import Style, styled

SEPARATOR = "#"


def words_of(
    prompt: str, negative: str, styles: Iterable[Style] = (), *, comments: bool = True, networks: bool = True
) -> tuple[str, str]:
    """Return both prompts with styles laid on, without comments, and without the tags of networks unless they count.

    comments: whether what follows a # on its line is one.
    """
    found = styled(prompt, negative, styles)
    if comments:
        found = uncommented(found[0]), uncommented(found[1])
    if not networks:
        found = split_networks(found[0])[0], split_networks(found[1])[0]
    return found


def uncommented(text: str) -> str:
    """Return a text without what follows a # on each line; lines that are nothing else vanish."""
    if SEPARATOR not in text:
        return text
    lines = [(line, line.partition(SEPARATOR)[0]) for line in text.split("\n")]
    return "\n".join(kept for line, kept in lines if not (line != kept and not kept.strip()))


def lines_of(text: str) -> list[str]:
    """Return the prompts of a text, one a line, as "Prompts from file or textbox" reads them. Raises BadValue."""
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise BadValue("script_args prompts", "nothing", "a prompt on each line")
    return found


def joined(base: str, words: str, position: str) -> str:
    """Return a line of that script and the prompt beside it, which stands at its "start" or "end"."""
    parts: Sequence[str] = (base, words) if position == "start" else (words, base)
    return " ".join(part for part in parts if part)
