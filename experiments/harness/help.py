"""Help of a command: its common options on one screen, or all of them in sections by part."""

import types
from dataclasses import MISSING, fields
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from .options import Setting, settings_of

WIDTH = 120


def help_text(options: type, title: str, question: str, everything: bool) -> str:
    """The text of `--help`, or of `--help-all`."""
    settings = [setting for setting in settings_of(options) if everything or _shown(options, setting)]
    places = " ".join(setting.name.upper() for setting in settings_of(options) if setting.positional)
    lines = [f"usage: {title}{f' {places}' if places else ''} [options]", question]
    heads = {id(setting): _head(setting) for setting in settings}
    column = min(34, max(map(len, heads.values())) + 2)
    if not everything:
        lines += ["", *(_line(heads[id(s)], s, column, short=True) for s in settings)]
        if len(settings) < len(settings_of(options)):
            lines += ["", f"{len(settings_of(options)) - len(settings)} more options: {title} --help-all"]
        return "\n".join(lines)
    for part, group in groupby(settings, key=lambda setting: setting.part):
        lines += ["", (part.__doc__ or "").splitlines()[0]]
        lines += [_line(heads[id(setting)], setting, column, short=False) for setting in group]
    return "\n".join(lines)


def _shown(options: type, setting: Setting) -> bool:
    return setting.common or setting.positional or setting.part is options


def _line(head: str, setting: Setting, column: int, *, short: bool) -> str:
    """One line, cut to the width of a screen where it is to be short."""
    told, default = setting.told, _default(setting)
    if short:
        told = told.split(". ")[0].rstrip(".")
        default = _cut(default, 24)
        told = _cut(told, WIDTH - max(column, len(head) + 2) - len(default) - 2)
    return f"  {head + '  ':<{column}}{told}{default}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _head(setting: Setting) -> str:
    kind = _kind(setting.kind)
    return setting.name.upper() if setting.positional else f"--{setting.name} {kind}".rstrip()


def _kind(kind: Any) -> str:
    """What follows an option: nothing after a flag."""
    if kind is bool:
        return ""
    if get_origin(kind) is Literal:
        return "{" + ",".join(map(str, get_args(kind))) + "}"
    if get_origin(kind) in (Union, types.UnionType):
        return "|".join(_kind(part) for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is tuple:
        return f"{_kind(get_args(kind)[0])}..."
    return {Path: "PATH", int: "INT", float: "FLOAT", str: "TEXT"}.get(kind, str(kind))


def _default(setting: Setting) -> str:
    field = next(field for field in fields(setting.part) if field.name == setting.path[-1])
    if field.default in (None, "", MISSING) or setting.kind is bool:
        return ""
    return f" ({field.default})"
