"""Files of answers: those of the sheet are read; of any other the error names the file and what is wrong in it."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.judging.answers import read_judges
from pipeline.judging.sheet import Sheet
from tests.judging.studies import always_a, always_first, answers, results, sheet_of, written


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    return sheet_of(results(tmp_path_factory.mktemp("results")), videos=3)


def test_several_judges_are_read_in_the_order_of_their_files(sheet: Sheet, tmp_path: Path) -> None:
    changed = {sheet.items[1].video: ["useful"]}
    files = [
        written(tmp_path / "b.json", answers(sheet, " Ben\t B. ", always_a)),
        written(tmp_path / "a.json", answers(sheet, "Ada", always_first)),
        written(tmp_path / "c.json", answers(sheet, "chat:toy", always_a, kind="chat", order_decided=changed)),
    ]  # fmt: skip
    found = read_judges(files, sheet.key)
    assert [(judge.judge, judge.kind) for judge in found] == [("Ben B.", "person"), ("Ada", "person"), ("chat:toy", "chat")]
    assert found[0].answers[sheet.items[0].video].chosen == {"faithful": "A", "useful": "A"}


def of(value: dict[str, Any], video: str, **changes: Any) -> dict[str, Any]:
    return value | {"answers": {video: value["answers"][video] | changes}}


def test_what_does_not_fit_is_refused_with_file_and_item(sheet: Sheet, tmp_path: Path) -> None:
    good, video = answers(sheet, "Ada", always_a), sheet.items[0].video
    wrong = {
        r"has answers to sheet 'ffff', not to": good | {"sheet": "ffff"},
        r"judge: String should have at least 1 character": good | {"judge": " \t"},
        r"judge: Field required": {key: value for key, value in good.items() if key != "judge"},
        r"sheet: Field required": {key: value for key, value in good.items() if key != "sheet"},
        r"item 'other' is not on sheet": good | {"answers": {"other": {"chosen": {}}}},
        rf"answers.{video}.chosen.faithful: Input should be 'A', 'B' or 'same'": of(good, video, chosen={"faithful": "C"}),
        rf"answers.{video}.chosen.nice": of(good, video, chosen={"nice": "A"}),
        rf"answers.{video}.errors.A.0: Input should be 'absent'": of(good, video, errors={"A": ["typo"]}),
        rf"item '{video}': an error of B is marked twice": of(good, video, errors={"B": ["order", "order"]}),
        rf"answers.{video}.seconds: Extra inputs": of(good, video, seconds=3),
        r"judge 'Ada' has answered nothing": good | {"answers": {}},
        r"judge 'chat:toy' is not of the kind 'person'": good | {"judge": "chat:toy"},
        r"judge 'Ada' is not of the kind 'chat'": good | {"kind": "chat"},
    }
    for reason, value in wrong.items():
        file = written(tmp_path / "answers.json", value)
        with pytest.raises(ValueError, match=rf"answers\.json: .*{reason}"):
            read_judges([file], sheet.key)


def test_a_judge_who_comes_twice_and_files_that_are_no_answers_are_refused(sheet: Sheet, tmp_path: Path) -> None:
    one = written(tmp_path / "one.json", answers(sheet, "Ada", always_a))
    two = written(tmp_path / "two.json", answers(sheet, "ada", always_first))
    with pytest.raises(ValueError, match=r"two\.json: judge 'ada' has answers in .*one\.json, too"):
        read_judges([one, two], sheet.key)
    twice = tmp_path / "twice.json"
    twice.write_text(one.read_text().replace('"judge": "Ada"', '"judge": "Ada", "judge": "Eve"'))
    with pytest.raises(ValueError, match=r"twice\.json: .*the key 'judge' is given twice"):
        read_judges([twice], sheet.key)
    (tmp_path / "cut.json").write_text(one.read_text()[:-20])
    with pytest.raises(ValueError, match=r"cut\.json: not valid JSON"):
        read_judges([tmp_path / "cut.json"], sheet.key)
    with pytest.raises(ValueError, match=r"none\.json is no file"):
        read_judges([tmp_path / "none.json"], sheet.key)
    with pytest.raises(ValueError, match="no files of answers"):
        read_judges([], sheet.key)
