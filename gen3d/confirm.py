"""Asks a person before something is changed that others would miss. Knows not what."""

import sys

from serve.errors import Gen3DError


def confirm(question: str, *, is_sure: bool) -> None:
    """Returns where the answer is yes; without a question where it was given on the command line.

    Args:
        question: What is to be done, as a question of yes or no.
        is_sure: Whether it was.

    Raises:
        Gen3DError: `not_confirmed`.
    """
    if not is_sure and choose(question, ("yes", "no")) != "yes":
        raise Gen3DError("not_confirmed", "Nothing was changed.")


def choose(question: str, answers: tuple[str, ...]) -> str:
    """One of these answers, or the beginning of one; the last one where the answer is another.

    Raises:
        Gen3DError: `not_confirmed`: nobody is here to be asked.
    """
    if not sys.stdin.isatty():
        raise Gen3DError("not_confirmed", "Nobody is here to be asked, so nothing was changed: see --yes in --help.")
    print(f"{question} [{'/'.join(answers)}] ", end="", file=sys.stderr, flush=True)
    said = sys.stdin.readline().strip().lower()
    return next((answer for answer in answers if said and answer.startswith(said)), answers[-1])
