"""Config nodes to objects and back, every argument held to its annotation."""

import dataclasses
import functools
import importlib
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grn_exp.core.errors import InputError, close_matches

_PLAIN = (str, int, float, bool, list, dict)


def instantiate(node: Mapping[str, Any], path: str) -> Any:
    """Build the object that a config node describes, children first."""
    return partial(node, path)()


def partial(node: Mapping[str, Any], path: str, **extra: object) -> Callable[..., Any]:
    """Return a callable that builds the object of a config node.

    Parameters
    ----------
    node
        ``_target_`` (dotted path), its arguments, ``_partial_: true`` for a factory.
    path
        Where the node is in the configuration, for messages.
    extra
        Objects that are passed beside the node's own arguments.

    Raises
    ------
    InputError
        If the target has no such argument, lacks one, or a value is of the wrong kind.
    """
    if "_target_" not in node:
        raise InputError(f"{path}._target_: no value; choose {path.split('.', 1)[0]}=... anew")
    target = load_class(node["_target_"], path)
    arguments: dict[str, Any] = {}
    for name, value in node.items():
        if name in ("_target_", "_partial_"):
            continue
        if isinstance(value, Mapping) and "_target_" in value:
            child = partial(value, f"{path}.{name}")
            arguments[name] = child if value.get("_partial_") else child()
        else:
            arguments[name] = value
    parameters = inspect.signature(target).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    own = [name for name in parameters if name not in extra]
    for name in arguments:
        if name not in own and not open_ended:
            raise InputError(
                f"{path}.{name}: no such key; {close_matches(name, own)}"
                f"{path} has {', '.join(own) or 'none'}"
            )
    missing = [name for name in own if name not in arguments and _is_needed(parameters[name])]
    if missing and "_partial_" not in node:
        raise InputError(f"{path}.{missing[0]}: no value; set it")
    hints = hints_of(target)
    for name, value in arguments.items():
        arguments[name] = check_value(value, hints.get(name, Any), f"{path}.{name}")
    return functools.partial(target, **arguments, **extra)


def load_class(dotted: str, path: str) -> Any:
    """Import what ``package.module.Name`` names."""
    module, _, name = str(dotted).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # a module of one's own may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}._target_={dotted}: cannot import it ({reason})") from error
    if not callable(found):
        raise InputError(f"{path}._target_={dotted}: not a class; give the path of one")
    return found


def _is_needed(parameter: inspect.Parameter) -> bool:
    named = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return named and parameter.default is parameter.empty


def hints_of(target: Any) -> dict[str, Any]:
    """Return the annotations of a class's arguments, by name."""
    # a dataclass is annotated on itself, a plain class on its constructors
    annotated = [target] if dataclasses.is_dataclass(target) else _constructors(target)
    hints: dict[str, Any] = {}
    for each in reversed(annotated):
        try:
            hints |= typing.get_type_hints(each)
        except (NameError, TypeError, AttributeError):  # a library's annotations may not resolve
            continue
    return hints


def _constructors(target: Any) -> list[Any]:
    """Return a class's constructor, and those that its ``**options`` go to."""
    found = []
    for cls in inspect.getmro(target) if isinstance(target, type) else ():
        if "__init__" in vars(cls):
            found.append(vars(cls)["__init__"])
            kinds = [p.kind for p in inspect.signature(found[-1]).parameters.values()]
            if inspect.Parameter.VAR_KEYWORD not in kinds:
                break
    return found or [target]


def signature_of(cls: type) -> inspect.Signature:
    """Return a constructor's parameters with those that it passes on as ``**options``."""
    parameters: dict[str, inspect.Parameter] = {}
    for constructor in _constructors(cls):
        _, *own = inspect.signature(constructor).parameters.values()
        for parameter in own:
            if parameter.kind is not parameter.VAR_KEYWORD:
                parameters.setdefault(parameter.name, parameter)
    return inspect.Signature(sorted(parameters.values(), key=lambda each: each.kind))


def as_node(value: Any) -> Any:
    """Return a class, a partial of one or an object as the node that would make it.

    An object has to keep its arguments as attributes of the same names, and nothing else.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [as_node(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): as_node(each) for name, each in value.items()}
    if isinstance(value, functools.partial):
        return {"_target_": _path_of(value.func), "_partial_": True, **value.keywords}
    if isinstance(value, type):
        return {"_target_": _path_of(value), "_partial_": True}
    return {"_target_": _path_of(type(value)), **as_node(vars(value))}


def _path_of(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def check_value(value: Any, hint: Any, path: str) -> Any:
    """Return ``value`` as its annotation wants it.

    Raises
    ------
    InputError
        If it is of another kind, none of the allowed choices, or not finite.
    """
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = typing.get_args(hint) if is_union else (hint,)
    for kind in kinds:
        fits, converted = _as_kind(value, kind, path)
        if fits:
            return converted
    choices = [str(c) for kind in kinds if _is_literal(kind) for c in typing.get_args(kind)]
    if choices:
        raise InputError(
            f"{path}={value}: {close_matches(str(value), choices)}choose from {', '.join(choices)}"
        )
    shown = repr(value) if isinstance(value, str | None) else value
    raise InputError(f"{path}={shown}: give {' or '.join(map(_describe, kinds))}")


def _as_kind(value: Any, kind: Any, path: str) -> tuple[bool, Any]:  # noqa: PLR0911
    """Say whether ``value`` is of one kind, and return it converted."""
    origin = typing.get_origin(kind) or kind
    if origin in (Any, object) or isinstance(kind, typing.TypeVar):
        return True, value
    if kind is types.NoneType or kind is None:
        return value is None, value
    if _is_literal(kind):
        return any(value == c and type(value) is type(c) for c in typing.get_args(kind)), value
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False, value
        if not math.isfinite(value):
            raise InputError(f"{path}={value}: give a finite number")
        return True, float(value)
    if kind in (int, str, bool):
        return isinstance(value, kind) and isinstance(value, bool) == (kind is bool), value
    if isinstance(value, list):
        return _as_sequence(value, kind, origin, path)
    if isinstance(value, Mapping):
        return isinstance(origin, type) and issubclass(origin, Mapping), value
    return value is not None and not isinstance(value, _PLAIN), value  # its class checks itself


def _as_sequence(value: list[Any], kind: Any, origin: Any, path: str) -> tuple[bool, Any]:
    if not isinstance(origin, type) or not issubclass(origin, typing.Sequence):
        return False, value
    inner = typing.get_args(kind)
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        if len(inner) != len(value):
            raise InputError(f"{path}={value}: give {len(inner)} values")
    else:
        inner = (inner[0] if inner else Any,) * len(value)
    checked = [
        check_value(item, hint, f"{path}.{place}")
        for place, (item, hint) in enumerate(zip(value, inner, strict=True))
    ]
    return True, tuple(checked) if origin is tuple else checked


WHOLE = "a whole number"  # what an int is in messages


def _describe(kind: Any) -> str:
    if kind in (None, types.NoneType):
        return "none"
    known = {
        int: WHOLE,
        float: "a number",
        str: "a string",
        bool: "true or false",
        tuple: "a list",
        list: "a list",
        Sequence: "a list",
    }
    origin = typing.get_origin(kind) or kind
    name = getattr(origin, "__name__", str(origin))
    return known.get(origin, f"a node with a _target_ ({name})")


def _is_literal(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Literal
