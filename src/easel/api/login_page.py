"""The page on which people sign in: one form in English or Korean, without a script, and what it may load.

Fills in words; who may come in is told elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
from functools import cache
from importlib.resources import files
from string import Template

from easel.core.errors import AccessError, TooManyTries

LANGUAGES = ("en", "ko")  # the first is everybody else's

WORDS = {
    "en": {
        "title": "Sign in to Easel",
        "lead": "This studio is for people it knows.",
        "name_label": "Name",
        "password_label": "Password or key",
        "button": "Sign in",
        "hint": "With a key, the name may stay empty. Who runs the server gives out both.",
        "plain": "This connection is not encrypted: others on the network could read the password.",
        "unknown": "This name and password do not fit together. Check both and try again.",
        "locked": "Too many wrong tries. Try again in {seconds} seconds.",
    },
    "ko": {
        "title": "Easel 로그인",
        "lead": "등록된 사용자만 들어올 수 있는 작업실이에요.",
        "name_label": "이름",
        "password_label": "비밀번호 또는 키",
        "button": "로그인",
        "hint": "키로 로그인할 때는 이름을 비워 두어도 돼요. 이름과 키는 서버 관리자에게 받으세요.",
        "plain": "이 연결은 암호화되지 않았어요. 같은 네트워크의 다른 사람이 비밀번호를 볼 수 있어요.",
        "unknown": "이름과 비밀번호가 맞지 않아요. 확인하고 다시 입력해 주세요.",
        "locked": "잘못 입력한 횟수가 너무 많아요. {seconds}초 뒤에 다시 시도해 주세요.",
    },
}


def page(
    language: str, *, name: str = "", next: str = "/", error: AccessError | None = None, plain: bool = False
) -> str:
    """Return the page. name, next: what stands in the form already. error: why the last try failed.

    plain: warn that the connection is not encrypted.
    """
    words = WORDS[language]
    wrong = f'<p class="wrong" role="alert">{html.escape(told(error, language))}</p>' if error else ""
    focus = " autofocus"
    return template().substitute(
        {key: html.escape(text) for key, text in words.items()},
        language=language,
        name=html.escape(name),
        next=html.escape(next),
        wrong=wrong,
        plain=f'<p class="hint">{html.escape(words["plain"])}</p>' if plain else "",
        name_focus="" if name else focus,
        password_focus=focus if name else "",
    )


def told(error: AccessError, language: str) -> str:
    """Return in a language why somebody may not come in."""
    words = WORDS[language]
    if isinstance(error, TooManyTries):
        return words["locked"].format(seconds=error.seconds)
    return words["unknown"]


@cache
def template() -> Template:
    """Return the page with gaps."""
    return Template(files("easel.api").joinpath("login.html").read_text(encoding="utf-8"))


@cache
def page_policy() -> str:
    """Return the page's Content-Security-Policy: its own style, its own picture, its own form and nothing else."""
    style = template().template.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = f"style-src 'sha256-{digest}'; img-src data:; form-action 'self'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; frame-ancestors 'none'"
