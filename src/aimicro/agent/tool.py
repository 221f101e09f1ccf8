"""A tool: what an agent may ask for, within which limits, and which results pass.

Used in chapter 3, *An agent in a loop*.
"""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

Result = Mapping[str, Any]


class RefusedError(ValueError):
    """What the loop does not do, told in words that the model can use.

    Parameters
    ----------
    rule : str
        Which rule it is: "arguments", "result" and so on.
    reason : str
        What was wrong, and what to do instead.

    Notes
    -----
    Used in chapter 3, *An agent in a loop*.
    """

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


def _accepted(result: Result) -> str:
    """Find no fault in any result."""
    return ""


@dataclass(frozen=True)
class Tool:
    """A function that a model may call, and the limits within which it may.

    Attributes
    ----------
    name : str
        By which the model asks for it.
    description : str
        What it does, for the model.
    parameters : type of pydantic.BaseModel
        The arguments with their types and ranges. Let it forbid extra ones.
    function : callable
        Takes the arguments by name, and returns names and values that JSON can hold.
    check : callable
        Takes a result, and returns what is wrong with it, or an empty text.

    Notes
    -----
    The limits stand outside the function, in a list that can be read in a minute. What is not in
    that list cannot be done, whatever the model was talked into.

    Used in chapter 3, *An agent in a loop*.

    Examples
    --------
    >>> from pydantic import Field
    >>> class Angle(BaseModel, extra="forbid"):
    ...     degrees: float = Field(ge=0, le=90)
    >>> tilt = Tool("tilt", "Tilts the stage.", Angle, lambda degrees: {"tilted": degrees})
    >>> tilt.call({"degrees": 30})
    {'tilted': 30.0}
    >>> tilt.call({"degrees": 300})
    Traceback (most recent call last):
    aimicro.agent.tool.RefusedError: degrees: Input should be less than or equal to 90, got 300.
    """

    name: str
    description: str
    parameters: type[BaseModel]
    function: Callable[..., Result]
    check: Callable[[Result], str] = _accepted

    def call(self, arguments: Mapping[str, Any]) -> Result:
        """Call the function if the arguments are in range, and return a result that passes.

        Parameters
        ----------
        arguments : mapping
            As the model wrote them.

        Returns
        -------
        mapping
            What the function returned.

        Raises
        ------
        RefusedError
            If an argument is missing, unknown or out of range; if the function refuses them; or if
            its result fails the check.
        """
        try:
            checked = self.parameters.model_validate(dict(arguments))
        except ValidationError as error:
            raise RefusedError("arguments", _in_words(error)) from None
        try:
            result = self.function(**checked.model_dump())
        except (TypeError, ValueError) as error:
            raise RefusedError("arguments", str(error)) from None
        if complaint := self.check(result):
            raise RefusedError("result", complaint)
        return result

    def card(self) -> dict[str, Any]:
        """Return what a model is told: name, description and the schema of the arguments."""
        schema = self.parameters.model_json_schema()
        return {
            "name": self.name,
            "description": self.description,
            "arguments": schema.get("properties", {}),
        }


def _in_words(error: ValidationError) -> str:
    """Each fault in one sentence."""
    return " ".join(
        str(fault["ctx"]["error"])  # a sentence of our own, such as that of `inside`
        if fault["type"] == "value_error"
        else f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, got {fault['input']!r}."
        for fault in error.errors(include_url=False)
    )


def inside(folder: str, path: str) -> str:
    """Check that a path leads into a folder, and write it without detours.

    Parameters
    ----------
    folder : str
        The only folder that may be read, such as "experiment".
    path : str
        As the model wrote it, with slashes.

    Returns
    -------
    str
        The same place, without "." and "..".

    Raises
    ------
    ValueError
        If it leads out of the folder.

    Notes
    -----
    It reads the text of the path. On a real disk, resolve links first
    (`pathlib.Path.resolve`), or one inside the folder may lead out of it.

    Used in chapter 3, *An agent in a loop*.

    Examples
    --------
    >>> inside("experiment", "experiment/./day_1/a.tif")
    'experiment/day_1/a.tif'
    >>> inside("experiment", "experiment/../patients.csv")
    Traceback (most recent call last):
    ValueError: Expected a path in experiment/, got experiment/../patients.csv. Ask for one there.
    """
    plain = posixpath.normpath(path.replace("\\", "/"))
    if not plain.startswith(f"{folder}/"):
        raise ValueError(f"Expected a path in {folder}/, got {path}. Ask for one there.")
    return plain
