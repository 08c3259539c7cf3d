"""Which classes have an integer form, and how a package of others gives one to its own.

    from zoo.integers.forms import form_of, register_exact

    @register_exact(MyBlock)
    def _my_block(block):
        first, second = form_of(block.first), form_of(block.second)
        return lambda x: saturated(x + second(first(x)))

Forms are by the exact class: a subclass may compute something else. A layer's form maps activations
`(N, ...)`, integers in float64, to activations; a likelihood's is in likelihoods.py, a model's in models.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from zoo.errors import InputError

Make = TypeVar("Make", bound=Callable[..., Any])
_FORMS: dict[type, Callable[..., Any]] = {}


def register_exact(*classes: type) -> Callable[[Make], Make]:
    """Decorator of a function that makes the integer form of an object of the classes."""

    def add(make: Make) -> Make:
        for cls in classes:
            _FORMS[cls] = make
        return make

    return add


def has_form(thing: object) -> bool:
    return type(thing) in _FORMS


def form_of(thing: object, *more: object) -> Any:
    """The integer form of a layer, a likelihood or a model. Raises InputError if its class has none."""
    if not has_form(thing):
        raise InputError(
            f"{type(thing).__name__} has no exact form. There is one of "
            f"{', '.join(sorted(cls.__name__ for cls in _FORMS))}; zoo.register_exact adds one."
        )
    return _FORMS[type(thing)](thing, *more)
