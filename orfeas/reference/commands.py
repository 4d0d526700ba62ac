"""The commands as `--help` shows them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from orfeas.cli import main
from orfeas.reference.tables import table

WIDTH = 100


def commands() -> str:
    """The help of every command."""
    return "\n\n".join(f"## {path}\n\n```text\n{_help(command, path)}\n```" for path, command in _walk(main, "orfeas"))


def commands_table() -> str:
    """Every command in a line."""
    rows = [
        (f"`{_usage(command, path)}`", _first(command))
        for path, command in _walk(main, "orfeas")
        if not isinstance(command, click.Group)
    ]
    return table(("command", "does"), rows)


def _walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """A command and the visible ones below it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            if not below.hidden:
                yield from _walk(below, f"{path} {name}")


def _usage(command: click.Command, path: str) -> str:
    context = _context(command, path)
    names = [given.make_metavar(context) for given in command.params if isinstance(given, click.Argument)]
    return " ".join([path, *names])


def _first(command: click.Command) -> str:
    return (command.help or "").partition("\n\n")[0].replace("\n", " ")


def _help(command: click.Command, path: str) -> str:
    return command.get_help(_context(command, path))


def _context(command: click.Command, path: str) -> click.Context:
    return click.Context(
        command,
        info_name=path,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
