"""The controls of a request: one widget for each field, named by its place in core.Request as form.py has it.

Labels are the words "form.PLACE"; what there is to choose is asked of the house when a page opens. Any tab may use
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

import gradio as gr
from gradio.components import Component

from easel.core.motion import FRAMES, Film
from easel.prompt.styles import read_styles
from easel.ui.form import CLIP, COUNT, ON, STYLES
from easel.ui.house import House
from easel.ui.words import Words

Controls = dict[str, Component]
Choices = list[tuple[str, str]]

PATIENCE = 0.5  # seconds in which new model files are read before they are offered
SEAMLESS = {"seamless_off": "", "seamless_x": "x", "seamless_y": "y", "seamless_xy": "xy"}
EMPHASIS = ("Original", "No norm", "Ignore", "None")


def prompt_controls(say: Words, name: str) -> Controls:
    """Make the two prompts; their elements are called "NAME-prompt" and "NAME-negative"."""
    return {
        "prompt": gr.Textbox(
            label=say("form.prompt"),
            placeholder=say("form.prompt_hint"),
            lines=3,
            max_lines=12,
            elem_id=f"{name}-prompt",
        ),
        "negative_prompt": gr.Textbox(
            label=say("form.negative_prompt"),
            placeholder=say("form.negative_hint"),
            lines=2,
            max_lines=8,
            elem_id=f"{name}-negative",
        ),
    }


def model_controls(say: Words) -> Controls:
    """Make the choice of a model; offered() fills it."""
    return {"model": gr.Dropdown(["starter"], value="starter", label=say("form.model"), allow_custom_value=True)}


def part_controls(say: Words) -> Controls:
    """Make the choices of parts from other files; offered() fills them."""
    own = [(say("form.own"), "")]
    return {
        "components.vae": gr.Dropdown(own, value="", label=say("form.components.vae"), allow_custom_value=True),
        "components.denoiser": gr.Dropdown(
            own, value="", label=say("form.components.denoiser"), allow_custom_value=True
        ),
        "components.text_encoders": gr.Dropdown(
            [], value=[], multiselect=True, label=say("form.components.text_encoders"), allow_custom_value=True
        ),
    }


def sampling_controls(say: Words) -> Controls:
    """Make sampler, schedule, steps and guidance; what is empty is the model's own."""
    from easel.sampling import samplers, schedules

    with gr.Row():
        sampler = gr.Dropdown(named(say, samplers.names), value="", label=say("form.sampler"), min_width=190)
        schedule = gr.Dropdown(named(say, schedules.names), value="", label=say("form.schedule"), min_width=190)
    with gr.Row():
        steps = number(say, "steps")
        scale = gr.Number(
            label=say("form.guidance.scale"),
            step=0.5,
            placeholder=say("form.auto"),
            min_width=190,
        )
    return {"sampler": sampler, "schedule": schedule, "steps": steps, "guidance.scale": scale}


def option_controls(say: Words) -> Controls:
    """Make every option that some sampler or schedule has, hidden; options_shown() shows those of the chosen ones."""
    from easel.sampling import samplers, schedules

    made: Controls = {}
    for before, registry in (("sampler_options", samplers), ("schedule_options", schedules)):
        for entry in registry:
            for name, option in entry.options.items():
                place = f"{before}.{name}"
                if place not in made:
                    made[place] = option_control(place, option.default)
    return made


def option_control(place: str, default: Any) -> Component:
    """Make the control of an option; its name is the field's own word, whatever the language."""
    label = place.partition(".")[2]
    if isinstance(default, str):
        return gr.Textbox(label=label, visible=False, min_width=120)
    return gr.Number(label=label, precision=0 if isinstance(default, int) else None, visible=False, min_width=120)


def options_shown(places: Iterable[str], sampler: str, schedule: str) -> list[Any]:
    """Return an update for each of `places`, option_controls' names: shown, and empty, where it is the chosen ones'."""
    from easel.sampling import samplers, schedules, split_joint_name

    chosen = {
        "sampler_options": samplers[split_joint_name(sampler)[0]].options if sampler else {},
        "schedule_options": schedules[schedule].options if schedule else {},
    }
    updates: list[Any] = []
    for place in places:
        before, _, name = place.partition(".")
        option = chosen[before].get(name)
        updates.append(
            gr.update(visible=False, value=None)
            if option is None
            else gr.update(visible=True, placeholder=str(option.default))
        )
    return updates


def size_controls(say: Words) -> Controls:
    """Make width and height in pixels; what is empty is the model's own."""
    with gr.Row():
        return {
            "width": number(say, "width", step=8),
            "height": number(say, "height", step=8),
        }


def batch_controls(say: Words) -> Controls:
    """Make how many pictures: together, and one lot after another."""
    with gr.Row():
        return {
            name: gr.Number(label=say(f"form.{name}"), value=1, precision=0, step=1, min_width=120)
            for name in ("batch_size", COUNT)
        }


def seed_control(say: Words) -> Controls:
    """Make the seed; empty is any."""
    return {"seed": gr.Number(label=say("form.seed"), precision=0, placeholder=say("form.random"), min_width=140)}


def variation_controls(say: Words) -> Controls:
    """Make the step towards another seed's picture."""
    with gr.Row():
        strength = gr.Slider(0, 1, value=0, step=0.01, label=say("form.variation.strength"), min_width=190)
        seed = gr.Number(label=say("form.variation.seed"), precision=0, placeholder=say("form.random"), min_width=190)
    with gr.Row():
        sides = {
            f"variation.resize_from.{place}": number(say, f"variation.resize_from.{place}", 8, "form.off")
            for place in (0, 1)
        }
    return {"variation.strength": strength, "variation.seed": seed, **sides}


def hires_controls(say: Words) -> Controls:
    """Make the second pass over the enlarged picture; offered() adds upscalers of files."""
    from easel.post.upscalers import upscalers
    from easel.sampling import samplers, schedules

    made: Controls = {ON: gr.Checkbox(label=say("form.hires.on"), value=False)}
    with gr.Row():
        made["hires.scale"] = gr.Slider(1, 8, value=2, step=0.05, label=say("form.hires.scale"), min_width=190)
        made["hires.strength"] = gr.Slider(0, 1, value=0.7, step=0.01, label=say("form.hires.strength"), min_width=190)
    with gr.Row():
        made["hires.upscaler"] = gr.Dropdown(
            list(upscalers.names),
            value="Latent",
            label=say("form.hires.upscaler"),
            min_width=190,
            allow_custom_value=True,
        )
        made["hires.steps"] = number(say, "hires.steps", hint="form.as_first")
    with gr.Row():
        made["hires.width"] = number(say, "hires.width", 8, "form.by_scale")
        made["hires.height"] = number(say, "hires.height", 8, "form.by_scale")
    same = say("form.as_first")
    with gr.Row():
        made["hires.sampler"] = gr.Dropdown(
            [(same, ""), *pairs(samplers.names)], value="", label=say("form.sampler"), min_width=190
        )
        made["hires.schedule"] = gr.Dropdown(
            [(same, ""), *pairs(schedules.names)], value="", label=say("form.schedule"), min_width=190
        )
        made["hires.cfg_scale"] = gr.Number(label=say("form.guidance.scale"), placeholder=same, min_width=190)
    made["hires.prompt"] = gr.Textbox(label=say("form.hires.prompt"), placeholder=same, lines=1, max_lines=6)
    made["hires.negative_prompt"] = gr.Textbox(
        label=say("form.hires.negative_prompt"), placeholder=same, lines=1, max_lines=6
    )
    return made


def refiner_controls(say: Words) -> Controls:
    """Make the second model that takes over; offered() fills it."""
    none = [(say("form.none"), "")]
    return {
        "refiner.model": gr.Dropdown(none, value="", label=say("form.refiner.model"), allow_custom_value=True),
        "refiner.switch_at": gr.Slider(0, 1, value=0.8, step=0.01, label=say("form.refiner.switch_at")),
    }


def motion_controls(say: Words) -> Controls:
    """Make the motion module that makes one clip of the pictures, and the clip's film; offered() fills it."""
    none = [(say("form.none"), "")]
    made: Controls = {
        "motion.model": gr.Dropdown(none, value="", label=say("form.motion.model"), allow_custom_value=True)
    }
    with gr.Row():
        made[CLIP] = gr.Number(value=FRAMES, precision=0, step=1, label=say("form.frames"), min_width=120)
        made["motion.fps"] = gr.Number(value=8, step=1, label=say("form.motion.fps"), min_width=120)
        made["motion.format"] = gr.Dropdown(
            list(get_args(Film)), value="webp", label=say("form.motion.format"), min_width=120
        )
    made["motion.strength"] = gr.Slider(0, 2, value=1, step=0.05, label=say("form.motion.strength"))
    return made


def further_controls(say: Words) -> Controls:
    """Make what few people change: how words are read, when guidance acts, what is left out for speed."""
    made: Controls = {}
    ways = [(say(f"form.{name}"), way) for name, way in SEAMLESS.items()]
    made["seamless"] = gr.Dropdown(ways, value="", label=say("form.seamless"))
    with gr.Row():
        made["words.clip_skip"] = gr.Slider(1, 12, value=1, step=1, label=say("form.words.clip_skip"), min_width=190)
        made["words.emphasis"] = gr.Dropdown(
            list(EMPHASIS), value="Original", label=say("form.words.emphasis"), min_width=190
        )
        made["words.comma_backtrack"] = gr.Slider(
            0, 75, value=20, step=1, label=say("form.words.comma_backtrack"), min_width=190
        )
    made["words.old_editing"] = gr.Checkbox(label=say("form.words.old_editing"), value=False)
    with gr.Row():
        for place, value in (("guidance.rescale", 0), ("guidance.start", 0), ("guidance.end", 1)):
            made[place] = gr.Slider(0, 1, value=value, step=0.01, label=say(f"form.{place}"), min_width=190)
        made["guidance.distilled"] = gr.Number(value=3.5, step=0.5, label=say("form.guidance.distilled"), min_width=190)
    with gr.Row():
        made["shortcuts.features_every"] = gr.Slider(
            1, 20, value=1, step=1, label=say("form.shortcuts.features_every"), min_width=190
        )
        made["shortcuts.gate"] = gr.Slider(0, 1, value=1, step=0.01, label=say("form.shortcuts.gate"), min_width=190)
        made["shortcuts.ngms"] = gr.Number(value=0, step=0.5, label=say("form.shortcuts.ngms"), min_width=190)
    made["shortcuts.ngms_all"] = gr.Checkbox(label=say("form.shortcuts.ngms_all"), value=False)
    with gr.Row():
        made["noise"] = gr.Dropdown(["CPU", "NV"], value="CPU", label=say("form.noise"), min_width=190)
        made["ensd"] = gr.Number(label=say("form.ensd"), value=0, precision=0, min_width=190)
        made["tiled_decode"] = gr.Number(label=say("form.tiled_decode"), value=0, precision=0, step=8, min_width=190)
        made["preview_every"] = gr.Number(label=say("form.preview_every"), value=2, precision=0, min_width=190)
    made["alone"] = gr.Checkbox(label=say("form.alone"), value=False)
    return made


def style_control(say: Words) -> Controls:
    """Make the choice of styles; offered() fills it."""
    return {STYLES: gr.Dropdown([], value=[], multiselect=True, label=say("form.styles"), visible=False)}


def offered(house: House, say: Words, places: Sequence[str]) -> list[Any]:
    """Return an update with what there is to choose now for each of `places`; values stay."""
    from easel.post.upscalers import names_of

    names = {
        kind: [entry.name for entry in house.library.entries(kind, within=PATIENCE)]
        for kind in ("checkpoint", "vae", "denoiser", "text_encoder", "motion_module")
    }
    styles = read_styles(house.settings.styles) if house.settings.styles.is_file() else {}
    own, models = (say("form.own"), ""), names["checkpoint"]
    found: dict[str, Any] = {
        "model": gr.update(choices=pairs(models)),
        "components.vae": gr.update(choices=[own, (say("form.none_beside"), "none"), *pairs(names["vae"])]),
        "components.denoiser": gr.update(choices=[own, *pairs(names["denoiser"])]),
        "components.text_encoders": gr.update(choices=pairs(names["text_encoder"])),
        "refiner.model": gr.update(choices=[(say("form.none"), ""), *pairs(models)]),
        "motion.model": gr.update(choices=[(say("form.none"), ""), *pairs(names["motion_module"])]),
        "hires.upscaler": gr.update(choices=pairs(names_of(house.library))),
        STYLES: gr.update(choices=pairs(styles), visible=bool(styles)),
    }
    return [found[place] for place in places]


OFFERED = (
    *("model", "components.vae", "components.denoiser", "components.text_encoders", "refiner.model"),
    *("motion.model", "hires.upscaler", STYLES),
)


def number(say: Words, place: str, step: int = 1, hint: str = "form.auto") -> gr.Number:
    """Make a whole number that may be left out; which can be, the request says, in our words and not in Gradio's."""
    return gr.Number(
        label=say(f"form.{place}"),
        precision=0,
        step=step,
        placeholder=say(hint),
        min_width=120,
    )


def named(say: Words, names: Iterable[str]) -> Choices:
    """Return names to choose from, the model's own first."""
    return [(say("form.auto"), ""), *pairs(names)]


def pairs(names: Iterable[str]) -> Choices:
    """Return names as Gradio wants choices that stand for themselves."""
    return [(name, name) for name in names]
