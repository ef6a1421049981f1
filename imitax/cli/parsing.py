"""Arguments become dataclasses by tyro; flags that do not exist are met with the nearest that does."""

import dataclasses
import json
import typing
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import tyro

from imitax.errors import ConfigError
from imitax.settings import INLINE

HELP = ("-h", "--help")


def parse(cls: Any, args: Sequence[str], prog: str, default: Any = None) -> Any:
    """The dataclass that the arguments describe.

    Args:
        cls: of the result.
        args: after the command.
        prog: the command, as messages name it.
        default: whose values stand where a flag is missing.

    Raises:
        ConfigError: a flag does not exist.
        SystemExit: with status 2 after a message where a value is wrong or missing, with 0 after the help.
    """
    refuse_unknown(args, list(flags(cls)), prog)
    kwargs = {} if default is None else {"default": default}
    return tyro.cli(cls, args=args, prog=prog, registry=_registry(), **kwargs)


def flags(cls: Any, prefix: str = "--") -> Iterator[str]:
    """All flags of a dataclass as they are typed, both forms of switches included."""
    hints = typing.get_type_hints(cls, include_extras=True)
    for f in dataclasses.fields(cls):
        hint, name = hints[f.name], f.name.replace("_", "-")
        marks = typing.get_args(hint)[1:] if typing.get_origin(hint) is typing.Annotated else ()
        plain = typing.get_args(hint)[0] if marks else hint
        if dataclasses.is_dataclass(plain):
            yield from flags(plain, prefix if INLINE in marks else f"{prefix}{name}.")
        elif tyro.conf.Positional not in marks:
            yield prefix + name
            if plain is bool:
                yield f"{prefix}no-{name}"


def refuse_unknown(args: Sequence[str], known: Sequence[str], prog: str) -> None:
    """Raise ConfigError for a flag that is not among the known ones, with the nearest of them."""
    for arg in args:
        flag = arg.partition("=")[0].replace("_", "-")
        if not flag.startswith("--") or flag == "--" or flag in (*known, *HELP) or flag.startswith("--tyro-"):
            continue
        near = get_close_matches(flag, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ";"
        raise ConfigError(f"unknown flag {flag}{hint} {prog} --help lists those that there are")


def _registry() -> tyro.constructors.ConstructorRegistry:
    """Environment keyword arguments are one JSON object, and a number that may be missing is `none` in any case."""
    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def env_kwargs(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec | None:
        if info.type != dict[str, Any]:
            return None
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar="JSON",
            instance_from_str=lambda words: _json_object(words[0]),
            is_instance=lambda value: isinstance(value, dict),
            str_from_instance=lambda value: [json.dumps(value)],
        )

    @registry.primitive_rule
    def number_or_none(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec | None:
        kinds = [
            kind.__origin__ if typing.get_origin(kind) is typing.Annotated else kind
            for kind in typing.get_args(info.type)
        ]
        if kinds not in ([int, type(None)], [float, type(None)]):
            return None
        number = kinds[0]
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar=f"{{None}}|{number.__name__.upper()}",
            instance_from_str=lambda words: None if words[0].lower() == "none" else number(words[0]),
            is_instance=lambda value: value is None or isinstance(value, number),
            str_from_instance=lambda value: [str(value)],
        )

    return registry


def _json_object(text: str) -> dict[str, Any]:
    wanted = "--env-kwargs takes a JSON object, as --columns does, such as '{\"key\": 1}', got"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise ConfigError(f"{wanted} {text!r}: {e}") from e
    if not isinstance(value, dict):
        raise ConfigError(f"{wanted} {text!r}")
    return value
