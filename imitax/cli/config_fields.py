"""The flags of a configuration dataclass, as the command line has them: names, types, defaults and meanings.

A field that holds a dataclass is a part. The flags of a part have the field's name as a prefix (`--critic.hidden`),
unless its annotation carries `tyro.conf.arg(name="")` (`--gamma`). A flag's meaning is the string below its field.
"""

import ast
import dataclasses
import inspect
import itertools
import json
import textwrap
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tyro

WITHOUT_PREFIX = tyro.conf.arg(name="")


@dataclass(frozen=True)
class Flag:
    """One flag of a part."""

    name: str
    """Name after the part's prefix."""
    type: str
    default: str
    """Default in the configuration that was read."""
    class_default: str | None
    """Default of the part's class; None if it has none."""
    meaning: str


@dataclass(frozen=True)
class Part:
    """A configuration dataclass with its values, and the parts within it."""

    cls: type
    prefix: str
    """Prefix of its flags: `--`, or `--critic.`."""
    meaning: str
    """The string below the field that holds the part; empty if there is none."""
    flags: tuple[Flag, ...]
    parts: tuple["Part", ...]

    def walk(self) -> Iterator["Part"]:
        """This part and all parts within it, outer ones first."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def about(self) -> str:
        """The first paragraph of the class's docstring, in one line."""
        return " ".join((inspect.getdoc(self.cls) or "").partition("\n\n")[0].split())


def read(config: Any, prefix: str = "--", meaning: str = "") -> Part:
    """The flags and parts of a configuration."""
    cls = type(config)
    hints, meanings = typing.get_type_hints(cls, include_extras=True), field_strings(cls)
    flags, parts = [], []
    for field in dataclasses.fields(config):
        name, value = field.name.replace("_", "-"), getattr(config, field.name)
        hint, below = hints[field.name], meanings.get(field.name, "")
        if dataclasses.is_dataclass(value):
            inline = WITHOUT_PREFIX in typing.get_args(hint)[1:]
            parts.append(read(value, prefix if inline else f"{prefix}{name}.", below))
        elif field.init:
            flags.append(Flag(name, type_name(hint), shown(value), class_default(field), below))
    return Part(cls, prefix, meaning, tuple(flags), tuple(parts))


def field_strings(cls: type) -> dict[str, str]:
    """The string below each field of a dataclass, its own or else that of the nearest base class which has one."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in itertools.pairwise(definition.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found


def class_default(field: dataclasses.Field) -> str | None:
    """A field's default as it is shown, or None if it has none."""
    if field.default is not dataclasses.MISSING:
        return shown(field.default)
    return None if field.default_factory is dataclasses.MISSING else shown(field.default_factory())


def shown(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, dict):
        return json.dumps(value)
    values = value if isinstance(value, tuple) else (value,)
    return " ".join(f"{x:g}" if type(x) is float else str(x) for x in values)


def type_name(hint: Any) -> str:
    """An annotation as a reader of the command line needs it."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return type_name(args[0])
    if origin is typing.Literal:
        return ", ".join(map(str, args))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(arg) for arg in args)
    if origin is tuple:
        return f"{type_name(args[0])} ..." if args[1:] == (...,) else " ".join(type_name(arg) for arg in args)
    if origin is dict:
        return "JSON"
    names: dict[Any, str] = {type(None): "None", str: "text"}
    return names.get(hint) or hint.__name__.lower()
