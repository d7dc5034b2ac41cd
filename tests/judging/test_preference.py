"""Preference, errors and agreement: by hand where it can be reckoned by hand, and right in how often intervals hold the truth."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from pipeline.judging.answers import Answer, Judge
from pipeline.judging.preference import agreement, marks, preference
from pipeline.judging.questions import Choice, Mark
from pipeline.judging.sheet import Compared, Key
from pipeline.judging.votes import votes
from pipeline.scoring.statistics import Floats, detectable_difference

DOCS = Path(__file__).parents[2] / "docs" / "judging.md"


def key_of(videos: int) -> Key:
    row = Compared(row="a", title="A row", trained_seed=0, predictions_sha256="")
    first_is = {f"v{number}": "A" if number % 3 else "B" for number in range(videos)}
    return Key.model_validate(
        {"sheet": "s", "seed": 0, "first": row, "second": row, "first_is": first_is, "asked": videos, "equal": 0, "unseen": 0}
    )


def judge_of(name: str, key: Key, values: list[float], marked: dict[str, list[Mark]] | None = None) -> Judge:
    """`values`: 1 where the first row is chosen, 0 where the second, a half for neither, NaN for no answer."""
    given = {}
    for (video, first_is), value in zip(key.first_is.items(), values, strict=True):
        other: Choice = "B" if first_is == "A" else "A"
        choice: Choice = "same" if value == 0.5 else first_is if value else other
        if not np.isnan(value):
            given[video] = Answer(chosen={"faithful": choice}, errors={first_is: marked[video]} if marked else {})
    return Judge(sheet="s", judge=name, kind="person", answers=given)


def test_answers_become_votes_for_the_first_row_whichever_side_it_had() -> None:
    key = key_of(4)
    judge = judge_of("Ada", key, [1, 0, 0.5, np.nan])
    assert [answer.chosen["faithful"] for answer in judge.answers.values()] == ["B", "B", "same"]
    assert np.array_equal(votes([judge], key, "faithful"), [[1, 0, 0.5, np.nan]], equal_nan=True)
    assert np.isnan(votes([judge], key, "useful")).all()


def test_a_tie_is_half_and_every_judge_counts_alike() -> None:
    key = key_of(4)
    judges = [judge_of("Ada", key, [1, 1, 0.5, 0]), judge_of("Ben", key, [1, np.nan, np.nan, np.nan])]
    found = preference(judges, key, "faithful", resamples=500)
    assert found is not None
    assert found.share.estimate.mean == pytest.approx(100 * (2.5 / 4 + 1) / 2)
    assert (found.wins, found.ties, found.losses) == (3, 1, 1)
    assert (found.share.judges, found.share.videos, found.share.over) == (2, 4, "videos and judges")
    alone = preference(judges[:1], key, "faithful", resamples=500)
    assert alone is not None and alone.share.over == "videos"
    assert preference(judges, key, "useful", resamples=500) is None


def test_one_judge_has_the_interval_and_the_exact_p_of_any_row() -> None:
    from pipeline.scoring.statistics import bootstrap_interval

    key, values = key_of(8), [1.0, 1, 1, 1, 1, 1, 1, 0.5]
    found = preference([judge_of("Ada", key, values)], key, "faithful", resamples=1000)
    assert found is not None
    assert found.share.estimate == bootstrap_interval([100 * value for value in values], resamples=1000, seed=0)
    assert found.share.p_randomisation == pytest.approx(2 / 2**7), "seven of seven on one side, in all ways of swapping"


def test_intervals_hold_the_true_share_about_as_often_as_they_say() -> None:
    generator, key, truth, held = np.random.default_rng(3), key_of(60), 0.7, 0
    for _ in range(150):
        values = list((generator.random(60) < truth).astype(float))
        found = preference([judge_of("Ada", key, values)], key, "faithful", resamples=400)
        assert found is not None
        held += found.share.estimate.ci95_low <= 100 * truth <= found.share.estimate.ci95_high
    assert 0.88 <= held / 150 <= 0.99


def test_three_judges_who_differ_tell_of_others_and_one_does_not() -> None:
    """Videos and judges lean either way; every tenth answer is missing. The truth is the share of all judges and videos."""
    generator, key = np.random.default_rng(1), key_of(60)

    def chosen(judges: int, videos: int) -> Floats:
        leaning = 0.6 + generator.normal(0, 0.5, (judges, 1)) + generator.normal(0, 1, (1, videos))
        answers = (generator.random((judges, videos)) < expit(leaning)).astype(float)
        answers[generator.random((judges, videos)) < 0.1] = np.nan
        return answers

    truth = 100 * float(np.nanmean(chosen(2000, 2000)))
    held = {}
    for number in (1, 3):
        held[number] = 0
        for _ in range(100):
            judges = [judge_of(str(n), key, list(values)) for n, values in enumerate(chosen(number, 60))]
            found = preference(judges, key, "faithful", resamples=200)
            assert found is not None
            held[number] += found.share.estimate.ci95_low <= truth <= found.share.estimate.ci95_high
    assert held[3] >= 90, held
    assert held[1] <= 85, "its interval is over videos alone, and says so"


def test_judges_who_differ_widen_the_interval() -> None:
    key = key_of(40)
    alike = [judge_of(name, key, [1.0, 0.0] * 20) for name in "abc"]
    differ = [judge_of(name, key, values) for name, values in zip("abc", ([1.0] * 40, [0.0] * 40, [1.0, 0.0] * 20), strict=True)]
    narrow, wide = (preference(judges, key, "faithful", resamples=500) for judges in (alike, differ))
    assert narrow is not None and wide is not None
    assert narrow.share.estimate.mean == wide.share.estimate.mean == 50
    assert wide.share.estimate.ci95_high > narrow.share.estimate.ci95_high + 20
    lean = [
        judge_of(name, key, values) for name, values in zip("abc", ([1.0] * 40, [1.0] * 40, [0.0] * 10 + [1.0] * 30), strict=True)
    ]
    found = preference(lean, key, "faithful", resamples=500)
    assert found is not None and found.share.p_bootstrap > found.share.p_randomisation, "three judges say little about others"


def test_marks_are_counted_of_the_row_whose_summary_was_marked() -> None:
    key = key_of(4)
    marked: dict[str, list[Mark]] = {"v0": ["absent"], "v1": ["absent", "order"], "v2": [], "v3": []}
    found = marks([judge_of("Ada", key, [1, 1, 1, np.nan], marked)], key, "absent", resamples=500)
    assert (found.first, found.second) == (pytest.approx(200 / 3), 0)
    assert found.difference.estimate.mean == pytest.approx(200 / 3) and found.difference.videos == 3


def test_alpha_is_krippendorffs() -> None:
    """The example of his "Computing Krippendorff's Alpha-Reliability", 2011, section C: nominal data, any number of observers."""
    n = np.nan
    answers = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, n, n, n],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, n, 3],
            [n, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, n],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, n],
        ]
    )
    found = agreement(answers)
    assert found.alpha == pytest.approx(0.743, abs=5e-4) and found.reason == ""


def test_where_alpha_is_not_defined_the_reason_is_told() -> None:
    alone = agreement(np.array([[1, 0, np.nan], [np.nan, np.nan, 1]]))
    assert (alone.alpha, alone.equal, alone.reason) == (None, None, "no video was judged twice")
    constant = agreement(np.array([[1.0, 1, 0], [1, 1, np.nan]]))
    assert (constant.alpha, constant.equal) == (None, 100) and "all answers are the same" in constant.reason


def test_the_guide_says_which_share_so_many_videos_show() -> None:
    lines = re.findall(r"(?m)^\| (\d+) \| (\d+) % \|", DOCS.read_text())
    assert len(lines) >= 5
    for videos, share in lines:
        assert int(share) == round(50 + detectable_difference(50 / int(videos) ** 0.5))
