"""When jobs come: at random, by day alone, or in the bursts that people make. Knows not what becomes of them."""

from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Clumping = Literal["even", "office", "bursts"]
CLUMPINGS: Final[tuple[Clumping, ...]] = get_args(Clumping)
MEANINGS: Final[dict[Clumping, str]] = {
    "even": "singly, around the clock",
    "office": "singly, from 8 to 18 o'clock",
    "bursts": "from 8 to 18 o'clock by people who come at random and make 3 jobs each on average, 2 minutes apart",
}
DAY: Final = 86400.0

_OPEN, _CLOSE = 8 * 3600.0, 18 * 3600.0
_JOBS_A_VISIT = 3.0
_PAUSE_SECONDS = 120.0
_SEED = 8


def arrivals(jobs_a_day: float, days: int, clumping: Clumping) -> NDArray[np.float64]:
    """Seconds since the first midnight at which jobs are submitted, rising; the same for the same arguments.

    Args:
        jobs_a_day: How many come on average; nobody makes more in a visit than come in a day, on average.
        days: How many days. A visit that began on the last one may end after it.
        clumping: How they come.
    """
    draw = np.random.default_rng(_SEED)
    size = max(1.0, min(_JOBS_A_VISIT, jobs_a_day)) if clumping == "bursts" else 1.0
    visits = draw.poisson(jobs_a_day * days / size)
    first, last = (0.0, DAY) if clumping == "even" else (_OPEN, _CLOSE)
    begun = draw.integers(0, days, visits) * DAY + draw.uniform(first, last, visits)
    sizes = draw.geometric(1 / size, visits)
    pauses = draw.exponential(_PAUSE_SECONDS, int(sizes.sum()))
    passed = np.cumsum(pauses)
    firsts = np.cumsum(sizes) - sizes
    times = np.repeat(begun - passed[firsts], sizes) + passed  # each visit's first job has no pause before it
    return np.sort(times)
