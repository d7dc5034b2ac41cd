"""Intervals and tests against known answers: coverage on simulated data, exact permutation, degenerate cases."""

import itertools
import math
import time

import numpy as np
import pytest

from pipeline.scoring import statistics
from pipeline.scoring.statistics import (
    Floats,
    Resampled,
    bootstrap_interval,
    compare,
    detectable_difference,
    randomisation_p,
    resample_counts,
)


def test_interval_covers_the_true_mean_about_95_times_in_100() -> None:
    generator = np.random.default_rng(5)
    trials, covered = 400, 0
    for _ in range(trials):
        found = bootstrap_interval(generator.gamma(2.0, 10.0, size=80), resamples=400, seed=0)  # skewed, true mean 20
        covered += found.ci95_low <= 20.0 <= found.ci95_high
    assert 0.90 <= covered / trials <= 0.98


def simulated(generator: np.random.Generator, seeds: int) -> Floats:
    """Scores `[seeds, 60]` with effects of the video, of the training seed, and of both; true mean 30."""
    return (
        30
        + generator.normal(0, 4, size=60)
        + generator.normal(0, 1.5, size=(seeds, 1))
        + generator.normal(0, 3, size=(seeds, 60))
    )


@pytest.mark.parametrize(("seeds", "least"), [(2, 0.87), (3, 0.90), (8, 0.92)])
def test_interval_over_videos_and_seeds_covers_where_one_over_videos_does_not(seeds: int, least: float) -> None:
    generator = np.random.default_rng(15)
    trials, both, videos_only = 300, 0, 0
    for _ in range(trials):
        values = simulated(generator, seeds)
        found = bootstrap_interval(values, resamples=400, seed=0)
        narrow = bootstrap_interval(values.mean(axis=0), resamples=400, seed=0)
        both += found.ci95_low <= 30.0 <= found.ci95_high
        videos_only += narrow.ci95_low <= 30.0 <= narrow.ci95_high
    assert least <= both / trials <= 0.99
    assert videos_only < both - 0.1 * trials


@pytest.mark.parametrize("seeds", [2, 3, 8])
def test_models_trained_alike_differ_as_often_as_the_level_says(seeds: int) -> None:
    """Rows that differ by their training seeds alone: p holds the level, where models taken as fixed do not."""
    generator = np.random.default_rng(16)
    found = []
    for _ in range(200):
        videos = generator.normal(0, 4, size=100)
        a, b = (videos + generator.normal(0, 1.5, size=(seeds, 1)) + generator.normal(0, 3, size=(seeds, 100)) for _ in range(2))
        found.append(compare(a, b, resamples=400, seed=0))
    rejected = {level: np.mean([each.p < level for each in found]) for level in (0.05, 0.2)}
    assert rejected[0.05] <= 0.10
    assert 0.08 <= rejected[0.2] <= 0.28
    assert np.mean([each.p_randomisation < 0.05 for each in found]) > 0.4, "of these models alone, and that is what it is for"


def test_p_and_interval_agree_on_zero() -> None:
    generator = np.random.default_rng(17)
    for gain in np.linspace(0, 4, 40):
        base = generator.normal(30, 4, size=80)
        a, b = (base + generator.normal(0, 1, size=(3, 1)) + generator.normal(0, 3, size=(3, 80)) for _ in range(2))
        found = compare(a + gain, b, resamples=2000, seed=0)
        if abs(found.p_bootstrap - 0.05) > 0.01:
            assert found.excludes_zero == (found.p_bootstrap < 0.05)


def test_degrees_of_freedom_by_hand() -> None:
    figures = np.array([-2.0, 2.0])  # variance 4
    assert Resampled(figures).freedom == math.inf
    assert Resampled(figures, ((4.0, 2),)).freedom == pytest.approx(2)  # all of it from three seeds
    assert Resampled(figures, ((1.0, 2), (1.0, 2))).freedom == pytest.approx(16)
    narrow, wide = Resampled(figures), Resampled(figures, ((4.0, 2),))
    assert narrow.stretched() == pytest.approx(figures)
    assert wide.stretched() == pytest.approx(figures * 4.3027 / 1.9600, rel=1e-3)  # Student's t and normal, 97.5 %


def test_one_resample_is_no_division_by_zero() -> None:
    rng = np.random.default_rng(0)
    found = compare(rng.normal(size=(3, 20)), rng.normal(size=(3, 20)), resamples=1, seed=0)
    assert math.isfinite(found.p_bootstrap) and found.ci95_low == found.ci95_high


def test_p_values_are_small_for_a_real_difference_and_uniform_without_one() -> None:
    generator = np.random.default_rng(6)
    base = generator.normal(30, 10, size=100)
    real = compare(base + generator.normal(3, 5, size=100), base, resamples=1000, seed=0)
    assert real.excludes_zero
    assert max(real.p_bootstrap, real.p_randomisation) < 0.01
    null = [compare(base + generator.normal(0, 5, size=100), base, resamples=400, seed=0) for _ in range(300)]
    for ps in ([found.p_bootstrap for found in null], [found.p_randomisation for found in null]):
        assert 0.02 <= np.mean(np.array(ps) < 0.05) <= 0.10
        assert 0.4 <= float(np.mean(ps)) <= 0.6


def test_randomisation_is_exact_on_few_videos() -> None:
    difference = np.array([1.0, 2.0, -0.5, 3.0, 0.25])
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, difference, strict=True)))
        for signs in itertools.product((1, -1), repeat=5)
    ]
    expected = sum(value >= abs(difference.sum()) - 1e-12 for value in sums) / 32
    assert randomisation_p(difference, resamples=32, seed=0) == expected
    # all of one sign: only the sample itself and its mirror image are as extreme
    assert randomisation_p(np.array([1.0, 2.0, 3.0, 4.0]), resamples=1000, seed=0) == 2 / 16


def test_random_signs_come_close_to_all_signs() -> None:
    difference = np.random.default_rng(3).normal(0.6, 1.0, size=12)
    exact = randomisation_p(difference, resamples=4096, seed=0)
    assert randomisation_p(difference, resamples=4095, seed=0) == pytest.approx(exact, abs=0.02)


def test_detectable_difference_is_detected_four_times_in_five() -> None:
    assert detectable_difference(1.0) == pytest.approx(2.8016, abs=1e-3)
    found = compare(np.random.default_rng(2).normal(0, 10, size=100), np.zeros(100), resamples=4000, seed=0)
    assert found.detectable() == pytest.approx(2.8016, rel=0.15)
    generator = np.random.default_rng(4)
    ps = [
        compare(generator.normal(2.8016, 10, size=100), np.zeros(100), resamples=400, seed=0).p_randomisation for _ in range(300)
    ]
    assert 0.72 <= np.mean(np.array(ps) < 0.05) <= 0.88


def test_equivalence_is_the_t_tests_own() -> None:
    """Two one-sided tests: on one seed, the bootstrap's p values come close to Student's."""
    from scipy.stats import ttest_1samp

    generator = np.random.default_rng(11)
    values = generator.normal(0.4, 3.0, 400)
    found = compare(values, np.zeros(400), resamples=20_000, seed=1)
    for margin in (0.5, 0.7, 0.9):
        below = ttest_1samp(values, margin, alternative="less").pvalue
        above = ttest_1samp(values, -margin, alternative="greater").pvalue
        assert found.p_equal(margin) == pytest.approx(max(below, above), rel=0.2, abs=0.004)
    assert found.p_equal(2.0) < 0.001 < found.p_equal(0.5)


def test_equivalence_errs_as_often_as_its_level_says() -> None:
    """Rows whose true difference is the margin itself are called equal at most in one of twenty cases, seeds and videos drawn
    anew.
    """
    generator = np.random.default_rng(12)
    called = 0
    for _ in range(300):
        a = generator.normal(2.0, 6.0, (3, 80)) + generator.normal(0, 1.0, (3, 1))
        b = generator.normal(0.0, 6.0, (3, 80)) + generator.normal(0, 1.0, (3, 1))
        called += compare(a, b, resamples=300, seed=2).p_equal(2.0) < 0.05
    assert called / 300 < 0.08


def test_identical_rows_are_equal_within_any_margin() -> None:
    values = np.random.default_rng(1).normal(50, 10, (3, 30))
    assert compare(values, values, resamples=500, seed=0, same_checkpoints=True).p_equal(0.1) < 0.01


def test_an_interval_at_a_stricter_level_is_wider() -> None:
    generator = np.random.default_rng(4)
    found = compare(generator.normal(1, 4, (3, 60)), generator.normal(0, 4, (3, 60)), resamples=4000, seed=0)
    assert found.interval(0.05) == (found.ci95_low, found.ci95_high)
    low, high = found.interval(0.05 / 8)
    assert low < found.ci95_low and found.ci95_high < high
    assert found.detectable(0.05 / 8) > found.detectable()


def test_effect_size_by_hand() -> None:
    found = compare([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], resamples=100, seed=0)
    assert found.effect_size == pytest.approx(2.0)
    assert compare([1.0, 1.0], [0.0, 0.0], resamples=10, seed=0).effect_size == math.inf


def test_interval_shrinks_with_more_videos_and_encloses_the_mean() -> None:
    values = np.random.default_rng(7).normal(50, 10, size=400)
    few, many = (bootstrap_interval(values[:n], resamples=1000, seed=0) for n in (25, 400))
    assert few.ci95_low < few.mean < few.ci95_high
    assert many.ci95_high - many.ci95_low < (few.ci95_high - few.ci95_low) / 2


def test_one_video_and_equal_values_give_no_width() -> None:
    for values in ([37.5], [0.1] * 7, [[0.1] * 7] * 3):
        found = bootstrap_interval(values, resamples=200, seed=0)
        assert found.ci95_low == found.mean == found.ci95_high


def test_seeds_that_differ_widen_the_interval() -> None:
    values = np.random.default_rng(11).normal(30, 10, size=60)
    alike, apart = np.stack([values] * 3), np.stack([values - 5, values, values + 5])
    narrow, wide = (bootstrap_interval(each, resamples=1000, seed=0) for each in (alike, apart))
    assert wide.mean == narrow.mean
    assert wide.ci95_high - wide.ci95_low > 1.3 * (narrow.ci95_high - narrow.ci95_low)


def test_a_control_shares_the_seeds_of_its_system() -> None:
    values = np.random.default_rng(13).normal(30, 10, size=(1, 40)) + np.array([[-5.0], [0.0], [5.0]])
    together = compare(values, values - 1, resamples=400, seed=0, same_checkpoints=True)
    apart = compare(values, values - 1, resamples=400, seed=0)
    assert (together.ci95_low, together.ci95_high) == (1.0, 1.0)
    assert apart.ci95_low < -1 < 3 < apart.ci95_high
    with pytest.raises(ValueError, match="same seeds"):
        compare(values, values[:2], resamples=10, seed=0, same_checkpoints=True)


def test_identical_rows_do_not_differ() -> None:
    values = np.random.default_rng(8).normal(size=(3, 20))
    found = compare(values, values, resamples=200, seed=0, same_checkpoints=True)
    assert (found.mean, found.ci95_low, found.ci95_high, found.effect_size) == (0.0, 0.0, 0.0, 0.0)
    assert (found.p_bootstrap, found.p_randomisation) == (1.0, 1.0)
    assert not found.excludes_zero


def test_a_constant_gain_excludes_zero_whatever_the_rounding() -> None:
    values = np.random.default_rng(9).normal(30, 10, size=50)
    found = compare(values + 0.3, values, resamples=999, seed=0)
    assert (found.mean, found.ci95_low, found.ci95_high) == (0.3, 0.3, 0.3)
    assert found.p_bootstrap == pytest.approx(2 / 1000)
    assert found.p_randomisation == pytest.approx(2 / 1000)


def test_difference_changes_sign_with_the_order() -> None:
    generator = np.random.default_rng(10)
    a, b = generator.normal(31, 5, size=40), generator.normal(30, 5, size=40)
    forward, backward = compare(a, b, resamples=500, seed=3), compare(b, a, resamples=500, seed=3)
    assert forward.mean == -backward.mean
    assert forward.ci95_low == pytest.approx(-backward.ci95_high)
    assert forward.p_bootstrap == backward.p_bootstrap
    assert forward.p_randomisation == backward.p_randomisation


def test_same_seed_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(12).normal(size=30)
    first, again, other = (bootstrap_interval(values, resamples=300, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_resample_counts_draw_as_many_videos_as_there_are() -> None:
    counts = resample_counts(17, resamples=300, seed=0)
    assert counts.shape == (300, 17)
    assert (counts.sum(axis=1) == 17).all()
    assert counts.mean() == pytest.approx(1.0)


def test_ten_thousand_resamples_of_all_rows_take_seconds() -> None:
    generator = np.random.default_rng(14)
    rows = [generator.normal(30, 10, size=(3, 232)) for _ in range(16)]
    started = time.process_time()
    for _ in range(3):  # metrics
        for row in rows[1:]:
            compare(row, rows[0], resamples=10_000, seed=0)
    assert time.process_time() - started < 10


@pytest.mark.parametrize("values", [[], [[]], 3.0, [1.0, float("nan")]])
def test_values_that_cannot_be_resampled_are_refused(values: object) -> None:
    with pytest.raises(ValueError, match="values"):
        bootstrap_interval(values, resamples=10, seed=0)  # type: ignore[arg-type]


def test_rows_on_different_videos_are_refused() -> None:
    with pytest.raises(ValueError, match="same videos"):
        compare([1.0, 2.0], [1.0, 2.0, 3.0], resamples=10, seed=0)


def test_working_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study with many videos is resampled part by part; the draws are those of one that is worked on as a whole."""
    generator = np.random.default_rng(0)
    a, b = generator.random((2, 3, 60))
    found = []
    for at_a_time in (statistics._AT_A_TIME, 60 * 7):
        monkeypatch.setattr(statistics, "_AT_A_TIME", at_a_time)
        resample_counts.cache_clear()
        one = compare(a, b, resamples=500, seed=3)
        found.append((one, resample_counts(60, resamples=500, seed=3), bootstrap_interval(a, resamples=500, seed=3)))
    (whole, counts, interval), (parted, same_counts, same_interval) = found
    assert (counts == same_counts).all() and len(statistics._parts(500, 60)) > 50
    assert (parted, same_interval) == (whole, interval) and parted.p_randomisation == whole.p_randomisation
