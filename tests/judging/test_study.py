"""A whole study on small results: people and a chat judge, tables, JSON, and metrics that agree with judges or do not."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.base.files import read_json
from pipeline.judging.answers import read_judges
from pipeline.judging.automatic import against, always_one_row, differences
from pipeline.judging.sheet import Sheet
from pipeline.judging.study import Group, as_json, as_text, reckon
from pipeline.scoring.metrics import METRICS
from tests.judging.studies import always_a, answers, results, sheet_of, written
from tests.report_inputs import change_lines, rescore

ROUGE1 = next(metric for metric in METRICS if metric.key == "rouge1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def sheet(folder: Path) -> Sheet:
    return sheet_of(folder)


@pytest.fixture(scope="module")
def groups(folder: Path, sheet: Sheet, tmp_path_factory: pytest.TempPathFactory) -> list[Group]:
    """Two people who prefer what ROUGE-1 prefers, one of whom does not say what is useful of most videos; and a model, which
    prefers A and lets the order decide twice.
    """
    place, gains = tmp_path_factory.mktemp("answers"), differences(sheet.key, root=folder)["rouge1"]
    preferred = {
        video: side if gain > 0 else "BA"["AB".index(side)] if gain < 0 else "same"
        for (video, side), gain in zip(sheet.key.first_is.items(), gains, strict=True)
    }

    def like_rouge(video: str, first_is: str) -> tuple[str, str]:
        return preferred[video], preferred[video]

    second = answers(sheet, "Ben", like_rouge)
    for video in list(second["answers"])[5:]:
        del second["answers"][video]["chosen"]["useful"]
    changed = {video: ["faithful"] for video in list(sheet.key.first_is)[:2]}
    chat = answers(sheet, "chat:toy", always_a, kind="chat", order_decided=changed)
    files = [
        written(place / f"{n}.json", value) for n, value in enumerate((answers(sheet, "Ada", like_rouge), chat, second))
    ]  # fmt: skip
    return reckon(read_judges(files, sheet.key), sheet.key, resamples=500, root=folder)


def test_people_are_together_and_a_chat_judge_is_alone(groups: list[Group]) -> None:
    people, chat = groups
    assert (people.name, [judge.judge for judge in people.judges]) == ("people", ["Ada", "Ben"])
    assert (chat.name, [judge.judge for judge in chat.judges]) == ("chat:toy", ["chat:toy"])
    assert people.order_decided == {} and chat.order_decided == {"faithful": 2, "useful": 0}
    assert people.with_people == {} and set(chat.with_people) == {"faithful", "useful"}


def test_a_metric_that_judges_follow_agrees_with_them_wholly(groups: list[Group]) -> None:
    people, chat = groups
    by_metric = {found.metric.key: found for found in people.metrics["faithful"]}
    assert by_metric["rouge1"].share is not None and by_metric["rouge1"].share.mean == 100
    assert by_metric["rouge1"].tau is not None and by_metric["rouge1"].tau > 0.4
    assert {"entity_f1", "content_f1", "meteor", "rougeLsum"} <= set(by_metric) and "bleu4" not in by_metric
    assert "cider" in by_metric and "repetition" not in by_metric, "nothing is better for repeating more or less"
    follows_a = next(found for found in chat.metrics["faithful"] if found.metric.key == "rouge1")
    assert follows_a.share is not None and follows_a.share.mean < 100
    assert people.preferences[0].agreement.alpha == pytest.approx(1)


def test_errors_that_everybody_marks_of_b_are_shared_by_both_rows(groups: list[Group], sheet: Sheet) -> None:
    order = next(found for found in groups[0].marks if found.mark == "order")
    second_is_b = 100 * sum(side == "A" for side in sheet.key.first_is.values()) / len(sheet.key.first_is)
    assert order.second == pytest.approx(second_is_b) and order.first == pytest.approx(100 - second_is_b)


def test_all_of_it_can_be_read_and_written(groups: list[Group], sheet: Sheet) -> None:
    text = as_text(groups, sheet.key)
    for part in (
        "== people: Ada, Ben",
        "== chat:toy",
        "Order decided",
        "Alpha with people",
        "always prefers one row",
        "first:  ClipSum (clipsum, seed 0)",
    ):
        assert part in text, part
    value: dict[str, Any] = json.loads(json.dumps(as_json(groups, sheet.key), allow_nan=False))
    assert [group["name"] for group in value["groups"]] == ["people", "chat:toy"]
    assert value["groups"][0]["preferences"][0]["over"] == "videos and judges"
    assert {line["metric"] for line in value["groups"][0]["metrics"]["useful"]} >= {"rouge1", "meteor"}


def test_differences_are_of_the_judged_seed_and_those_of_the_record(folder: Path) -> None:
    sheet = sheet_of(folder, trained_seed=1)
    found = differences(sheet.key, root=folder)
    scores = {}
    for row in ("clipsum", "bart"):
        recorded = read_json(folder / "metrics" / f"{row}.json")["per_video"]
        scores[row] = dict(
            zip(
                recorded["videos"],
                zip(recorded["scores"]["entity_f1"][1], recorded["scores"]["rouge1"][1], strict=True),
                strict=True,
            )
        )
    for place, video in enumerate(sheet.key.first_is):
        for n, metric in enumerate(("entity_f1", "rouge1")):
            assert math.isclose(found[metric][place], scores["clipsum"][video][n] - scores["bart"][video][n], abs_tol=1e-6)


def test_what_depends_on_all_references_is_scored_among_all_videos(folder: Path) -> None:
    few, many = (sheet_of(folder, videos=videos) for videos in (5, 20))
    by_sheet = [dict(zip(sheet.key.first_is, differences(sheet.key, root=folder)["cider"], strict=True)) for sheet in (few, many)]
    shared = by_sheet[0].keys() & by_sheet[1].keys()
    assert len(shared) > 2 and all(by_sheet[0][video] == by_sheet[1][video] != 0 for video in shared)


def test_agreement_with_a_metric_by_hand() -> None:
    votes = np.array([[1.0, 1, 0, 0.5, 1], [1.0, 0, 0, 0.5, np.nan]])
    found = against(votes, np.array([2.0, 1, 3, 1, 0]), ROUGE1, resamples=500)
    assert found.videos == 3, "judges are at odds over one, and see no difference in another"
    assert found.share is not None and found.share.mean == 50, "right, wrong, and a metric that sees no difference"
    assert always_one_row(votes) == pytest.approx(200 / 3), "two of the three are for the first row"
    assert always_one_row(np.full((1, 3), 0.5)) is None
    undecided = against(np.full((1, 3), 0.5), np.arange(3.0), ROUGE1, resamples=500)
    assert (undecided.share, undecided.videos, undecided.tau) == (None, 0, None)


def test_summaries_that_have_changed_since_are_refused(tmp_path: Path) -> None:
    folder = results(tmp_path)
    sheet = sheet_of(folder)
    change_lines(folder, "bart", lambda lines: lines[0].update(prediction="Something else."))
    with pytest.raises(ValueError, match="row 'bart': its summaries or scores are no longer those that were judged"):
        differences(sheet.key, root=folder)
    rescore(folder, "bart")
    with pytest.raises(ValueError, match="row 'bart': its summaries or scores are no longer"):
        differences(sheet.key, root=folder)
