"""P values of several tests at once, corrected for their number.

Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
"""

from collections.abc import Sequence

from pipeline.scoring.statistics import LEVEL


def holm(ps: Sequence[float], *, size: int | None = None) -> list[float]:
    """P values corrected for their number (Holm 1979), in the order given; `size` if the family has more members than have been
    run.

    The k-th smallest of m is multiplied by m - k + 1; the results are made monotone.
    """
    size = len(ps) if size is None else size
    corrected = [0.0] * len(ps)
    largest = 0.0
    for rank, index in enumerate(_ranked(ps)):
        largest = max(largest, min(1.0, (size - rank) * ps[index]))
        corrected[index] = largest
    return corrected


def holm_levels(ps: Sequence[float], *, size: int) -> list[float]:
    """The level of each test in Holm's procedure, `LEVEL` / (m - k + 1), at which its interval agrees with its corrected p."""
    levels = [LEVEL] * len(ps)
    for rank, index in enumerate(_ranked(ps)):
        levels[index] = LEVEL / (size - rank)
    return levels


def _ranked(ps: Sequence[float]) -> list[int]:
    return sorted(range(len(ps)), key=lambda place: ps[place])
