"""`easel users`: who may use a server that others reach. Secrets are hashed, and a new key is shown once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from easel.cli.endings import say
from easel.cli.layout import group
from easel.core.errors import BadValue, UnknownName

app = group("Say who may use a server that others reach.")

Name = Annotated[str, typer.Argument(metavar="NAME")]
File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="The file; `users` beside the settings where left out.")
]


@app.command()
def add(
    name: Name,
    key: Annotated[bool, typer.Option("--key", help="Make a key for a program, and print it once.")] = False,
    admin: Annotated[bool, typer.Option("--admin", help="Let them see and stop everybody's jobs.")] = False,
    file: File = None,
) -> None:
    """Add a name with a password, asked for or read from standard input, or with a new key."""
    from easel.api.users import add_to, new_key, users_file, with_password

    where = file or users_file()
    if key:
        made, secret = new_key(name, admin)
        add_to(where, secret)
        print(made)
        say(f"{name} is known by this key in {where}; nobody can show it again.")
        return
    if sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        password = sys.stdin.readline().rstrip("\n")
    add_to(where, with_password(name, password, admin))
    say(f"{name} is known by this password in {where}.")


@app.command()
def remove(name: Name, file: File = None) -> None:
    """Forget a name and all of its secrets; a server forgets it when it starts again."""
    from easel.api.users import read_users, users_file, write_users

    where = file or users_file()
    known = read_users(where)
    if name not in {one.name for one in known}:
        raise UnknownName("user", name, sorted({one.name for one in known}))
    write_users(where, [one for one in known if one.name != name])


@app.command("list")
def list_users(file: File = None) -> None:
    """List names, what each is known by, and who is an admin."""
    from easel.api.users import KEY, read_users, users_file

    where = file or users_file()
    if not where.is_file():
        raise BadValue("users file", str(where), "one that exists", remedy="`easel users add NAME` makes it")
    for one in read_users(where):
        words = "key" if one.digest.startswith(KEY) else "password"
        print(f"{one.name}\t{words}{', admin' if one.admin else ''}")
