"""How sure a figure is: percentile bootstrap over videos, for one row and for the difference of two rows.

Videos are resampled, training seeds are not: an interval says how far the figure would move on other videos of the same
kind, with the models as trained. The same `seed` and the same number of videos give the same resamples for every row and
every metric. Results are rounded to six decimals, so that the order of summation does not show.
Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 16.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_DECIMALS = 6


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % percentile interval."""

    mean: float
    ci95_low: float
    ci95_high: float


@dataclass(frozen=True)
class Difference(Estimate):
    """A mean paired difference, its 95 % interval and a two-sided bootstrap p value for "no difference"."""

    p: float

    @property
    def excludes_zero(self) -> bool:
        return self.ci95_low > 0 or self.ci95_high < 0


@lru_cache(maxsize=8)
def resample_counts(videos: int, *, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each video is drawn in each resample: `[resamples, videos]`, every row sums to `videos`."""
    if videos < 1 or resamples < 1:
        raise ValueError(f"a bootstrap needs at least one video and one resample, not {videos} and {resamples}")
    counts = np.random.default_rng(seed).multinomial(videos, np.full(videos, 1 / videos), size=resamples)
    counts.flags.writeable = False  # shared by every metric of every row
    return counts


def percentile_interval(point: float, samples: Floats) -> Estimate:
    """`point` with the 2.5th and the 97.5th percentile of the resampled figures `[resamples]`."""
    low, high = np.percentile(samples, [2.5, 97.5])
    return Estimate(*(round(float(value), _DECIMALS) for value in (point, low, high)))


def bootstrap_interval(values: npt.ArrayLike, *, resamples: int, seed: int) -> Estimate:
    """Mean over videos of `values` `[videos]` or `[seeds, videos]` with its interval.

    With several seeds, a resample takes the same videos for every seed. One video, or equal values, give an interval of
    no width.
    """
    per_video = _mean_over_seeds(values)
    counts = resample_counts(len(per_video), resamples=resamples, seed=seed)
    return percentile_interval(float(per_video.mean()), counts @ per_video / len(per_video))


def paired_difference(a: npt.ArrayLike, b: npt.ArrayLike, *, resamples: int, seed: int) -> Difference:
    """Mean of `a - b` over the same videos, in the same order. Each is `[videos]` or `[seeds, videos]`.

    The numbers of seeds may differ: seeds are averaged first. The p value is twice the smaller share of resamples on
    either side of zero, zero itself counted on both sides and the observed sample as one resample more, at most 1.
    """
    first, second = _mean_over_seeds(a), _mean_over_seeds(b)
    if len(first) != len(second):
        raise ValueError(f"a paired difference needs the same videos on both sides, not {len(first)} and {len(second)}")
    difference = first - second
    counts = resample_counts(len(difference), resamples=resamples, seed=seed)
    samples: Floats = np.round(counts @ difference / len(difference), 2 * _DECIMALS)
    estimate = percentile_interval(float(difference.mean()), samples)
    tail = min(int((samples <= 0).sum()), int((samples >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (resamples + 1))
    return Difference(estimate.mean, estimate.ci95_low, estimate.ci95_high, round(p, _DECIMALS))


def _mean_over_seeds(values: npt.ArrayLike) -> Floats:
    array: npt.NDArray[Any] = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"expected values [videos] or [seeds, videos], got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values to resample hold NaN or infinity")
    return array.mean(axis=0) if array.ndim == 2 else array
