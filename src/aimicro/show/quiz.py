"""A short quiz whose answers explain themselves, without kernel or script."""

from collections.abc import Sequence
from html import escape

from aimicro.show.checks import checked_text
from aimicro.show.figure import Figure


def quiz(question: str, options: Sequence[tuple[str, bool, str]]) -> Figure:
    """Ask one question; each answer opens to say whether it is right, and why.

    Parameters
    ----------
    question : str
        The question.
    options : sequence of (str, bool, str)
        Each answer, whether it is right, and the explanation.

    Returns
    -------
    Figure
        The quiz.  Hide the input of its cell: it shows what is right.

    Raises
    ------
    ValueError
        If there are fewer than two options, or none is right.

    Notes
    -----
    Used in every notebook, once.
    """
    rights = sum(right for _, right, _ in options)
    if len(options) < 2 or not rights:
        raise ValueError(
            f"Expected two or more options with a right one, got {len(options)} with {rights} "
            "right. Add an option."
        )
    answers = "".join(
        f'<details class="aim-{"right" if right else "wrong"}"><summary>{escape(text)}</summary>'
        f"<p><b>{'✓ Right.' if right else '✗ Not this one.'}</b> {escape(why)}</p></details>"
        for text, right, why in options
    )
    body = (
        f'<div class="aim-quiz" role="group" aria-label="Quiz">'
        f"<p>{escape(checked_text(question, 'question'))}</p>"
        f"{answers}</div>"
    )
    return Figure(body, alt=f"{question} " + " / ".join(text for text, _, _ in options))
