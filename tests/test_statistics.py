"""Bootstrap intervals: coverage on simulated data, degenerate cases, determinism."""

import numpy as np
import pytest

from pipeline.statistics import bootstrap_interval, paired_difference, resample_counts


def test_interval_covers_the_true_mean_about_95_times_in_100() -> None:
    generator = np.random.default_rng(5)
    trials, covered = 400, 0
    for _ in range(trials):
        found = bootstrap_interval(generator.gamma(2.0, 10.0, size=80), resamples=400, seed=0)  # skewed, true mean 20
        covered += found.ci95_low <= 20.0 <= found.ci95_high
    assert 0.90 <= covered / trials <= 0.98


def test_p_value_is_small_for_a_real_difference_and_uniform_without_one() -> None:
    generator = np.random.default_rng(6)
    base = generator.normal(30, 10, size=100)
    real = paired_difference(base + generator.normal(3, 5, size=100), base, resamples=1000, seed=0)
    assert real.excludes_zero
    assert real.p < 0.01
    null = [paired_difference(base + generator.normal(0, 5, size=100), base, resamples=400, seed=0).p for _ in range(300)]
    assert 0.02 <= np.mean(np.array(null) < 0.05) <= 0.10
    assert 0.4 <= float(np.mean(null)) <= 0.6


def test_interval_shrinks_with_more_videos_and_encloses_the_mean() -> None:
    values = np.random.default_rng(7).normal(50, 10, size=400)
    few, many = (bootstrap_interval(values[:n], resamples=1000, seed=0) for n in (25, 400))
    assert few.ci95_low < few.mean < few.ci95_high
    assert many.ci95_high - many.ci95_low < (few.ci95_high - few.ci95_low) / 2


def test_one_video_and_equal_values_give_no_width() -> None:
    for values in ([37.5], [0.1] * 7, [[0.1] * 7] * 3):
        found = bootstrap_interval(values, resamples=200, seed=0)
        assert found.ci95_low == found.mean == found.ci95_high


def test_identical_rows_do_not_differ() -> None:
    values = np.random.default_rng(8).normal(size=(3, 20))
    found = paired_difference(values, values, resamples=200, seed=0)
    assert (found.mean, found.ci95_low, found.ci95_high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert not found.excludes_zero


def test_a_constant_gain_excludes_zero_whatever_the_rounding() -> None:
    values = np.random.default_rng(9).normal(30, 10, size=50)
    found = paired_difference(values + 0.3, values, resamples=999, seed=0)
    assert (found.mean, found.ci95_low, found.ci95_high) == (0.3, 0.3, 0.3)
    assert found.p == pytest.approx(2 / 1000)


def test_difference_changes_sign_with_the_order() -> None:
    generator = np.random.default_rng(10)
    a, b = generator.normal(31, 5, size=(3, 40)), generator.normal(30, 5, size=(2, 40))
    forward, backward = paired_difference(a, b, resamples=500, seed=3), paired_difference(b, a, resamples=500, seed=3)
    assert forward.mean == -backward.mean
    assert forward.ci95_low == pytest.approx(-backward.ci95_high)
    assert forward.p == backward.p


def test_seeds_share_the_resampled_videos() -> None:
    values = np.random.default_rng(11).normal(30, 10, size=60)
    opposite = np.stack([values, 60 - values])  # their mean is 30 for every video: only shared resamples give no width
    found = bootstrap_interval(opposite, resamples=300, seed=0)
    assert (found.ci95_low, found.mean, found.ci95_high) == (30.0, 30.0, 30.0)


def test_same_seed_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(12).normal(size=30)
    first, again, other = (bootstrap_interval(values, resamples=300, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_resample_counts_draw_as_many_videos_as_there_are() -> None:
    counts = resample_counts(17, resamples=300, seed=0)
    assert counts.shape == (300, 17)
    assert (counts.sum(axis=1) == 17).all()
    assert counts.mean() == pytest.approx(1.0)


@pytest.mark.parametrize("values", [[], [[]], 3.0, [1.0, float("nan")]])
def test_values_that_cannot_be_resampled_are_refused(values: object) -> None:
    with pytest.raises(ValueError, match="values"):
        bootstrap_interval(values, resamples=10, seed=0)  # type: ignore[arg-type]


def test_rows_on_different_videos_are_refused() -> None:
    with pytest.raises(ValueError, match="same videos"):
        paired_difference([1.0, 2.0], [1.0, 2.0, 3.0], resamples=10, seed=0)
