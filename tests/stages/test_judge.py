"""From two rows to a sheet, from a judge's file to the tables: as they are typed."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from pipeline.judging.questions import MARKED
from pipeline.judging.sheet import read_key
from tests.judging.peer import SETTINGS, Peer, answer, serving
from tests.judging.studies import results, written


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import stages

    monkeypatch.setattr(stages, "end_with_dvc", lambda: None)
    monkeypatch.chdir(results(tmp_path))
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, stage: str, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [stage, *arguments])
    monkeypatch.delitem(sys.modules, f"stages.{stage}", raising=False)
    runpy.run_module(f"stages.{stage}", run_name="__main__")


def test_a_sheet_is_written_with_its_key_and_one_judge_is_enough(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "judge", "--videos", "9", "--", "clipsum", "bart")
    key_file, page = sorted((folder / "judging").iterdir(), key=lambda path: path.name.endswith("html"))
    key = read_key(key_file)
    assert (page.name, key_file.name) == (f"{key.sheet}.html", f"{key.sheet}.key.json")
    assert "9 videos of 9 asked for" in capsys.readouterr().out
    typed(monkeypatch, "judge", "--videos", "9", "--seed", "1", "--", "clipsum", "bart")
    assert len(list((folder / "judging").iterdir())) == 4, "another sheet replaces none"
    given = {video: {"chosen": {"faithful": side}, "errors": {}} for video, side in key.first_is.items()}
    answers = folder / "ada.json"
    answers.write_text(json.dumps({"sheet": key.sheet, "judge": "Ada", "kind": "person", "answers": given}))
    typed(monkeypatch, "judgements", str(key_file), str(answers), "--resamples", "200", "--json", "judged.json")
    told = capsys.readouterr().out
    assert "more faithful" in told and "9/0/0" in told and "100.0 [100.0, 100.0]" in told
    assert "more useful" not in told, "nobody was asked, or nobody answered"
    assert all(text in told for text in MARKED.values())
    (group,) = json.loads((folder / "judged.json").read_text())["groups"]
    assert group["preferences"][0]["share"]["estimate"]["mean"] == 100


def test_what_is_wrong_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"^error: row 'nobody': predictions/nobody.jsonl"):
        typed(monkeypatch, "judge", "clipsum", "nobody")
    with pytest.raises(SystemExit, match=r"^error: key.json is missing"):
        typed(monkeypatch, "judgements", "key.json", "ada.json")


def test_a_chat_model_answers_the_same_sheet(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("DVC_ROOT", str(folder))
    Peer.says = lambda a, b: answer("same" if min(a, b) < "F" else "A", "A" if a < b else "B")
    with serving() as address:
        settings = written(folder / "model.yaml", SETTINGS | {"base_url": address})
        typed(monkeypatch, "judge", "clipsum", "bart", "--videos", "6", "--chat", str(settings))
        assert len(Peer.asked) == 12
    (key,) = (folder / "judging").glob("*.key.json")
    (answers,) = (folder / "judging").glob("*.org_toy-*.json")
    assert "chat:org/toy answered 6 of 6 videos, each in both orders" in capsys.readouterr().out
    typed(monkeypatch, "judgements", str(key), str(answers), "--resamples", "200")
    told = capsys.readouterr().out
    assert "== chat:org/toy: chat:org/toy" in told and "Order decided" in told and "people" not in told
