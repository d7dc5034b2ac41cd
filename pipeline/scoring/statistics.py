"""How certain a figure is: intervals by bootstrap over videos and training seeds, and paired tests of two rows.

A resample draws videos and, independently, training seeds, both with replacement. An interval says how far the figure would
move on other videos of the same kind with the models trained again. Drawing S seeds from S shows only (S - 1) / S of their
variance, so the change due to the draw of seeds is widened by sqrt(S / (S - 1)). With two or three seeds, that variance is
itself poorly known. So intervals are stretched, and p values read, by Student's t instead of the normal distribution, with the
degrees of freedom that Satterthwaite's formula gives for the sum of both variances. The same `seed` and the same numbers of
videos and training seeds give the same resamples for every row and metric. Results are rounded to six decimals, so that the
order of summation does not show.

Shapes: R resamples, S training seeds, V videos.

Sources: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8, 13 and 16; E. Noreen,
Computer-Intensive Methods for Testing Hypotheses, 1989 (approximate randomisation); F. Satterthwaite, An approximate
distribution of estimates of variance components, 1946; J. Cohen, Statistical Power Analysis, 1988 (d_z, power);
D. Schuirmann, A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of
average bioavailability, 1987 (TOST).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

Floats = npt.NDArray[np.float64]
POWER = 0.8
LEVEL = 0.05  # two-sided
_DECIMALS = 6
_AT_A_TIME = 1 << 24  # resamples times videos that are in memory as floats
_TINY = 1e-9  # differences of scores below this are rounding


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % percentile interval."""

    mean: float
    ci95_low: float
    ci95_high: float


@dataclass(frozen=True)
class Comparison(Estimate):
    """A mean paired difference of two rows on the same videos.

    `p_bootstrap` is about rows like these (other videos, trained again), `p_randomisation` about these trained models. Both are
    two-sided; `p` is the larger. `effect_size` is Cohen's d_z, the mean over the standard deviation of the differences per video
    (infinite for a constant difference). `resampled` is what a corrected interval, a test of equivalence and the smallest
    detectable difference are read from. As in the interval, that means other videos and other seeds.
    """

    p_bootstrap: float
    p_randomisation: float
    effect_size: float
    resampled: "Resampled" = field(repr=False, compare=False)

    @property
    def p(self) -> float:
        """Small only if both tests reject: the p value of the claim that needs both."""
        return max(self.p_bootstrap, self.p_randomisation)

    @property
    def excludes_zero(self) -> bool:
        return self.ci95_low > 0 or self.ci95_high < 0

    def interval(self, level: float) -> tuple[float, float]:
        """The two-sided interval with error probability `level`."""
        found = percentile_interval(self.mean, self.resampled, level=level)
        return found.ci95_low, found.ci95_high

    def p_equal(self, margin: float) -> float:
        """The p value of two one-sided tests (TOST): small if the true difference is shown to lie within `margin` of zero."""
        return round(max(self.resampled.p_below(margin), self.resampled.p_above(-margin)), _DECIMALS)

    def detectable(self, level: float = LEVEL) -> float:
        """The smallest true difference that data like these show at `level`, two-sided, with 80 % power."""
        error = float(self.resampled.figures.std())
        return round(detectable_difference(error, self.resampled.freedom, level=level), _DECIMALS)


@lru_cache(maxsize=8)
def resample_counts(items: int, *, resamples: int, seed: int) -> npt.NDArray[np.integer[Any]]:
    """How often each item (a video or a training seed) is drawn in each resample: `[R, items]`, every row sums to `items`."""
    if items < 1 or resamples < 1:
        raise ValueError(f"a bootstrap needs at least one video and one resample, not {items} and {resamples}")
    counts = np.empty((resamples, items), dtype=np.uint16 if items < 1 << 16 else np.int32)
    generator = np.random.default_rng(seed)
    for part in _parts(resamples, items):
        counts[part] = generator.multinomial(items, np.full(items, 1 / items), size=part.stop - part.start)
    counts.flags.writeable = False  # shared by every metric of every row
    return counts


def resampled_sums(values_VK: Floats, *, resamples: int, seed: int) -> Floats:
    """Sums over the videos of each resample, `[R, K]`."""
    counts = resample_counts(len(values_VK), resamples=resamples, seed=seed)
    return np.concatenate([counts[part] @ values_VK for part in _parts(resamples, len(values_VK))])


@dataclass(frozen=True)
class Resampled:
    """`figures` `[R]` of all resamples.

    `seed_variances` holds, for each set of training seeds in them, what it adds to their variance and its degrees of freedom.
    """

    figures: Floats
    seed_variances: tuple[tuple[float, int], ...] = ()

    def __sub__(self, other: "Resampled") -> "Resampled":
        """The difference of two rows that were trained separately."""
        return Resampled(self.figures - other.figures, self.seed_variances + other.seed_variances)

    @property
    def freedom(self) -> float:
        """Satterthwaite's degrees of freedom of the figures' variance, the part due to videos taken as known."""
        known = sum(variance**2 / freedom for variance, freedom in self.seed_variances)
        total = float(self.figures.var())
        return total**2 / known if known > _TINY**2 and total > _TINY**2 else math.inf

    def stretched(self, level: float = LEVEL) -> Floats:
        """The figures, their distances from the mean scaled by how much wider Student's t is than the normal at `level`."""
        centre = self.figures.mean()
        widened: Floats = centre + (self.figures - centre) * (_quantile(1 - level / 2, self.freedom) / _quantile(1 - level / 2))
        return widened

    def p_below(self, bound: float) -> float:
        """One-sided p value: small if the true figure is shown to be below `bound`."""
        return self._one_sided(int((self.figures >= bound).sum()), bound)

    def p_above(self, bound: float) -> float:
        """One-sided p value: small if the true figure is shown to be above `bound`."""
        return self._one_sided(int((self.figures <= bound).sum()), bound)

    def _one_sided(self, tail: int, bound: float) -> float:
        """From the number of figures on the wrong side of `bound`; as in `p`, the observed sample counts as one more."""
        share = (tail + 1) / (len(self.figures) + 1)
        if math.isinf(self.freedom):
            return min(1.0, share)
        errors = -NormalDist().inv_cdf(min(share, 1 - 1e-12))
        if tail == 0:
            errors = max(errors, abs(float(self.figures.mean()) - bound) / float(self.figures.std()))
        return float(stdtr(self.freedom, -errors))

    def p(self) -> float:
        """Two-sided p value of zero: twice the smaller share of figures on either side of it, then read by Student's t.

        Zero itself counts on both sides, and the observed sample counts as one more figure. If no figure is beyond zero, the
        resamples give only a bound; with several seeds, the standard error then decides.
        """
        tail = min(int((self.figures <= 0).sum()), int((self.figures >= 0).sum()))
        share = min(0.5, (tail + 1) / (len(self.figures) + 1))
        if math.isinf(self.freedom):
            return 2 * share
        errors = -NormalDist().inv_cdf(share)
        if tail == 0:
            errors = max(errors, abs(float(self.figures.mean())) / float(self.figures.std()))
        return 2 * float(stdtr(self.freedom, -errors))


def percentile_interval(point: float, resampled: Resampled, *, level: float = LEVEL) -> Estimate:
    """`point` with percentiles of the resampled figures, the 2.5th and the 97.5th, stretched to allow for few seeds."""
    low, high = np.percentile(resampled.stretched(level), [100 * level / 2, 100 * (1 - level / 2)])
    return Estimate(*(round(float(value), _DECIMALS) for value in (point, low, high)))


def mean_over_seeds(samples_RS: Floats, *, seed: int, stream: int = 0) -> Resampled:
    """Mean over training seeds of figures `[R, S]`, the seeds drawn anew in each resample. `stream` tells rows apart.

    Rows that were trained separately need different streams; rows that share checkpoints need the same one.
    """
    resamples, seeds = samples_RS.shape
    plain: Floats = samples_RS.mean(axis=1)
    if seeds == 1:
        return Resampled(plain)
    counts_RS = resample_counts(seeds, resamples=resamples, seed=_SEEDS + 2 * seed + stream)
    drawn = (samples_RS * counts_RS).sum(axis=1) / seeds
    widened: Floats = plain + math.sqrt(seeds / (seeds - 1)) * (drawn - plain)
    return Resampled(widened, ((float(samples_RS.mean(axis=0).var(ddof=1)) / seeds, seeds - 1),))


def bootstrap_interval(values: npt.ArrayLike, *, resamples: int, seed: int) -> Estimate:
    """Mean of `values` `[V]` or `[S, V]` with its interval over videos and, if there are several, over training seeds."""
    values_SV = _by_seed(values)
    return percentile_interval(float(values_SV.mean()), _resampled_means(values_SV, resamples=resamples, seed=seed, stream=0))


def compare(a: npt.ArrayLike, b: npt.ArrayLike, *, resamples: int, seed: int, same_checkpoints: bool = False) -> Comparison:
    """The mean of `a - b` over the same videos in the same order; each is `[V]` or `[S, V]`; the numbers of seeds may differ.

    The interval and `p_bootstrap` are over videos and training seeds; with `same_checkpoints` (a control and its system)
    both rows get the same seeds in a resample. `p_randomisation` swaps the two rows' scores, averaged over seeds, video by
    video: in every possible way if there are at most `resamples` ways, else in `resamples` random ways.
    """
    a_SV, b_SV = _by_seed(a), _by_seed(b)
    if a_SV.shape[1] != b_SV.shape[1]:
        raise ValueError(f"a paired comparison needs the same videos on both sides, not {a_SV.shape[1]} and {b_SV.shape[1]}")
    if same_checkpoints and len(a_SV) != len(b_SV):
        raise ValueError(f"rows of the same checkpoints have the same seeds, not {len(a_SV)} and {len(b_SV)}")
    if same_checkpoints:
        resampled = _resampled_means(a_SV - b_SV, resamples=resamples, seed=seed, stream=0)
    else:
        resampled = _resampled_means(a_SV, resamples=resamples, seed=seed, stream=0)
        resampled = resampled - _resampled_means(b_SV, resamples=resamples, seed=seed, stream=1)
    resampled = Resampled(np.round(resampled.figures, 2 * _DECIMALS - 3), resampled.seed_variances)
    difference = a_SV.mean(axis=0) - b_SV.mean(axis=0)
    estimate = percentile_interval(float(difference.mean()), resampled)
    deviation = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    return Comparison(
        estimate.mean,
        estimate.ci95_low,
        estimate.ci95_high,
        p_bootstrap=round(resampled.p(), _DECIMALS),
        p_randomisation=round(randomisation_p(difference, resamples=resamples, seed=seed), _DECIMALS),
        effect_size=_effect_size(float(difference.mean()), deviation),
        resampled=resampled,
    )


def randomisation_p(difference: Floats, *, resamples: int, seed: int) -> float:
    """Two-sided p value of the mean of `difference` `[V]` under random signs: exact if 2**V <= `resamples`."""
    from scipy.stats import permutation_test

    if float(np.abs(difference).max()) < _TINY:
        return 1.0
    rng, batch = np.random.default_rng(seed), max(1, _AT_A_TIME // len(difference))
    found = permutation_test(
        (difference,), _mean, permutation_type="samples", n_resamples=resamples, batch=batch, vectorized=True, rng=rng
    )
    return float(found.pvalue)


def _mean(values: Floats, axis: int = -1) -> Floats:
    # Rounded, so that ways of swapping that tie with the observed one in exact arithmetic also tie here.
    mean: Floats = np.round(values.mean(axis=axis), 2 * _DECIMALS - 3)
    return mean


def detectable_difference(error: float, freedom: float = math.inf, *, level: float = LEVEL) -> float:
    """The true difference that a test at `level`, two-sided, finds with 80 % power if the estimate has this standard error."""
    return (_quantile(1 - level / 2, freedom) + _quantile(POWER, freedom)) * error


_SEEDS = 1_000_003  # keeps the draws of training seeds apart from those of videos


def _resampled_means(values_SV: Floats, *, resamples: int, seed: int, stream: int) -> Resampled:
    """Means over drawn videos and drawn seeds."""
    videos = values_SV.shape[1]
    samples_RS = np.concatenate([weights @ values_SV.T for weights in _weights(videos, resamples=resamples, seed=seed)])
    return mean_over_seeds(samples_RS, seed=seed, stream=stream)


def _weights(videos: int, *, resamples: int, seed: int) -> Iterator[Floats]:
    """Part by part; one that is whole is shared by every metric of every row."""
    counts = resample_counts(videos, resamples=resamples, seed=seed)
    parts = _parts(resamples, videos)
    yield from (counts[part] / videos for part in parts) if len(parts) > 1 else [_whole(videos, resamples=resamples, seed=seed)]


@lru_cache(maxsize=8)
def _whole(videos: int, *, resamples: int, seed: int) -> Floats:
    weights: Floats = resample_counts(videos, resamples=resamples, seed=seed) / videos
    weights.flags.writeable = False
    return weights


def _parts(resamples: int, items: int) -> list[slice]:
    """Resamples that are worked on at a time. Of all of them, no more than the counts are in memory: two bytes for each video."""
    size = max(1, _AT_A_TIME // items)
    return [slice(start, min(start + size, resamples)) for start in range(0, resamples, size)]


def _quantile(share: float, freedom: float = math.inf) -> float:
    """Of Student's t; with infinitely many degrees of freedom, of the normal distribution."""
    return NormalDist().inv_cdf(share) if math.isinf(freedom) else float(stdtrit(freedom, share))


def _effect_size(mean: float, deviation: float) -> float:
    if deviation < _TINY:
        return 0.0 if abs(mean) < _TINY else math.copysign(math.inf, mean)
    return round(mean / deviation, _DECIMALS)


def _by_seed(values: npt.ArrayLike) -> Floats:
    array: npt.NDArray[Any] = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"expected values [videos] or [seeds, videos], got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values to resample hold NaN or infinity")
    return np.atleast_2d(array)
