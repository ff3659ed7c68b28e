"""What a tab is, what it is given while it is built, and how pictures and settings go from one tab to another.

A tab is one file with `TAB = Tab("name", build)` and one line in page.TABS. Tabs do not know each other: one that takes
what others send says so with `page.receives`, one that sends has `page.send`, and the page wires them when all stand.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.components import Component

from easel.core.errors import EaselError
from easel.core.request import Request
from easel.ui.house import House
from easel.ui.words import Words

WITHIN = {"control": "create"}  # places within tabs that take what is sent, and their tabs

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Sent:
    """What one tab sends to another: settings, the file of a picture, or both.

    job, number: where the picture comes from, "" where it is not one of the queue's.
    """

    request: Request | None = None
    picture: Path | None = None
    job: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab. name: its key in the words' section "tab" and in the URL. build: makes its widgets in a Page."""

    name: str
    build: Callable[[Page], None]


@dataclass(frozen=True, slots=True)
class Receiver:
    """How a tab takes what is sent: `fill` returns a value for each of `outputs`."""

    outputs: Sequence[Component]
    fill: Callable[[Sent], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Sending:
    """A wire to be laid when all tabs stand."""

    trigger: Callable[..., Any]
    target: str
    give: Callable[..., Sent]
    inputs: Sequence[Component]


@dataclass(eq=False)
class Page:
    """What a tab is built with. house: the queue and all else. say: the page's words in its language.

    blocks: the whole page, for `page.blocks.load`. tabs: its row of tabs. names: those of all tabs, in order.
    tab: the one that is being built, for `page.tab.select`: what is filled when people turn to it costs no others.
    """

    house: House
    say: Words
    blocks: gr.Blocks
    tabs: gr.Tabs
    names: tuple[str, ...]
    tab: gr.Tab = field(init=False)
    _receivers: dict[str, Receiver] = field(default_factory=dict[str, Receiver])
    _sendings: list[Sending] = field(default_factory=list[Sending])

    def takes(self, target: str) -> bool:
        """Return whether there is a tab of this name, or the tab that has a place of this name within it."""
        return WITHIN.get(target, target) in self.names

    def receives(self, name: str, outputs: Sequence[Component], fill: Callable[[Sent], Sequence[Any]]) -> None:
        """Have tab `name`, or a place of WITHIN, take what is sent: `fill` returns a value for each of `outputs`."""
        self._receivers[name] = Receiver(outputs, fill)

    def send(
        self, trigger: Callable[..., Any], target: str, give: Callable[..., Sent], inputs: Sequence[Component]
    ) -> None:
        """Send to tab `target` and turn to it, when `trigger` fires, such as `button.click`.

        give: called with the values of `inputs`, and with gradio.Request and event data where its annotations ask.
        """
        self._sendings.append(Sending(trigger, target, give, inputs))

    def send_buttons(
        self, give: Callable[..., Sent], inputs: Sequence[Component], targets: Sequence[str]
    ) -> list[gr.Button]:
        """Make a small button for each of `targets` that sends there what `give` returns."""
        made = [
            gr.Button(self.say(f"tab.{name}"), size="sm", min_width=40, elem_classes="quiet")
            for name in targets
            if self.takes(name)
        ]
        for button, name in zip(made, [name for name in targets if self.takes(name)], strict=True):
            self.send(button.click, name, give, inputs)
        return made

    def begin_empty(self, numbers: Sequence[Component]) -> None:
        """Have fields for numbers be empty when the page opens: the browser takes one that nobody gave for 0."""
        js = f"() => [{', '.join('null' for _ in numbers)}]"
        self.blocks.load(None, None, list(numbers), js=js, api_visibility="private")

    def wire(self) -> None:
        """Lay the wires between tabs; called once when all of them stand."""
        for one in self._sendings:
            receiver = self._receivers[one.target]

            def arrive(sent: Sent, receiver: Receiver = receiver, target: str = one.target) -> list[Any]:
                return [*receiver.fill(sent), gr.Tabs(selected=WITHIN.get(target, target))]

            one.trigger(
                self.safely(after(one.give, arrive)),
                inputs=list(one.inputs),
                outputs=[*receiver.outputs, self.tabs],
                show_progress="hidden",
            )

    def safely(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return a function whose EaselErrors are told to people as one line, in their language where it is known.

        Works for functions, generators and coroutines of either kind, and keeps the annotations that Gradio reads.
        """
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def steps(*given: Any, **named: Any) -> Iterator[Any]:
                try:
                    yield from function(*given, **named)
                except EaselError as error:
                    raise self.told(error) from None

            return steps  # type: ignore[return-value]

        if inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def flow(*given: Any, **named: Any) -> AsyncIterator[Any]:
                try:
                    async for one in function(*given, **named):
                        yield one
                except EaselError as error:
                    raise self.told(error) from None

            return flow  # type: ignore[return-value]

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*given: Any, **named: Any) -> Any:
                try:
                    return await function(*given, **named)
                except EaselError as error:
                    raise self.told(error) from None

            return awaited  # type: ignore[return-value]

        @functools.wraps(function)
        def once(*given: P.args, **named: P.kwargs) -> R:
            try:
                return function(*given, **named)
            except EaselError as error:
                raise self.told(error) from None

        return once

    def told(self, error: EaselError) -> gr.Error:
        """Return an error as Gradio shows it."""
        return gr.Error(in_words(error, self.say), duration=12, title="", print_exception=False)


def in_words(error: EaselError, say: Words) -> str:
    """Return the line of an error, in the page's language where its words have it."""
    return failure(type(error).__name__, error.message, say)


def failure(kind: str, message: str, say: Words) -> str:
    """Return the line of what a job failed of, in the page's language where its words have it.

    kind: the name of the error's class in core/errors.py; message: its own line.
    """
    key = f"error.{kind}"
    return say(key, message=message) if say.has(key) else message


def after(first: Callable[..., Any], then: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return `first` followed by `then`, with the annotations of `first`, which Gradio reads."""

    @functools.wraps(first)
    def both(*given: Any, **named: Any) -> Any:
        return then(first(*given, **named))

    return both
