"""What a room exports documents every parameter, and what it returns."""

import importlib
import inspect
import pkgutil

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import aimicro

CHECKS = {"PR01", "PR02", "PR03", "PR04", "PR07", "PR10", "RT01", "RT03", "YD01"}


def exported() -> list[str]:
    """Return the functions and classes in the __all__ of every room, as they are imported."""
    names = []
    for found in pkgutil.iter_modules(aimicro.__path__, "aimicro."):
        if found.name.rpartition(".")[2].startswith("_"):
            continue
        try:
            room = importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            continue  # without torch, half of the rooms
        for name in getattr(room, "__all__", []):
            thing = getattr(room, name)
            if inspect.isfunction(thing) or (
                inspect.isclass(thing) and not issubclass(thing, Exception)
            ):
                names.append(f"{found.name}.{name}")
    return names


def undocumented(thing: type) -> set[str]:
    """Return the parameters of a class that neither it nor a base describes in any section."""
    if not {"__init__", "__new__"} & {name for base in bases(thing) for name in vars(base)}:
        return set()  # made as a built-in type is
    docs = [NumpyDocString(inspect.cleandoc(base.__doc__ or "")) for base in bases(thing)]
    entries = [entry for doc in docs for entry in [*doc["Parameters"], *doc["Attributes"]]]
    documented = {name.strip("* ") for entry in entries for name in entry.name.split(",")}
    taken = inspect.signature(thing).parameters.values()
    # *args and **kwargs are those of a subclass, which describes them.
    named = {one.name for one in taken if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
    return named - documented


def bases(thing: type) -> list[type]:
    """Return a class and those of the package that it builds on."""
    return [base for base in thing.__mro__ if base.__module__.startswith("aimicro.")]


@pytest.mark.parametrize("name", exported())
def test_the_docstring_is_complete(name: str):
    faults = {code: text for code, text in validate(name)["errors"] if code in CHECKS}
    room, _, own = name.rpartition(".")
    thing = getattr(importlib.import_module(room), own)
    if inspect.isclass(thing) and not undocumented(thing):
        faults.pop("PR01", None)  # a record says what it holds, not how it is made
    assert not faults
