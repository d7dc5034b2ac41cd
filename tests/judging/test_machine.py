"""A chat model as a judge, at a local endpoint: both orders, what the order decides, what is no answer, and what it may cost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.judging.answers import read_judges
from pipeline.judging.machine import ChatJudge, in_both_orders, judge_by_chat, read_chat_judge, read_said
from pipeline.judging.sheet import Sheet
from tests.judging.peer import SECRET, SETTINGS, Peer, answer, serving
from tests.judging.studies import results, sheet_of, written


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    return sheet_of(results(tmp_path_factory.mktemp("results")), videos=5)


def settings(address: str, **changes: Any) -> ChatJudge:
    return ChatJudge.model_validate(SETTINGS | {"base_url": address} | changes)


def longer_is_faithful_and_a_is_useful(a: str, b: str) -> str:
    """Looks at the texts for one question, and at the place alone for the other; marks the shorter, and what is first."""
    longer = "A" if (len(a), a) > (len(b), b) else "B"
    shorter = "B" if longer == "A" else "A"
    marked = {"A": ["fluency"], "B": []}
    marked[shorter] = [*marked[shorter], "misses"]
    return f"<think>so</think> ```json\n{answer(longer, 'A', **marked)}\n```"


def test_both_orders_are_asked_and_what_the_order_decides_is_a_tie(address: str, sheet: Sheet, tmp_path: Path) -> None:
    Peer.says = longer_is_faithful_and_a_is_useful
    judge, reasons = judge_by_chat(sheet, settings(address), cache=tmp_path)
    assert reasons == {} and len(Peer.asked) == 10
    for item in sheet.items:
        a, b = (item.summaries[side] for side in ("A", "B"))
        longer, shorter = ("A", "B") if (len(a), a) > (len(b), b) else ("B", "A")
        assert judge.answers[item.video].chosen == {"faithful": longer, "useful": "same"}
        assert judge.answers[item.video].errors == {longer: [], shorter: ["misses"]}, "what is only said of the first is not held"
    assert judge.order_decided == {item.video: ["useful"] for item in sheet.items}
    file = written(tmp_path / "toy.json", judge.model_dump())
    assert read_judges([file], sheet.key) == [judge] and judge.judge == "chat:org/toy"


def test_frames_stand_in_order_between_what_is_asked_and_the_texts(address: str, sheet: Sheet, tmp_path: Path) -> None:
    Peer.says = longer_is_faithful_and_a_is_useful
    judge_by_chat(sheet, settings(address), cache=tmp_path / "two")
    by_text = {body["messages"][0]["content"][-1]["text"]: body["messages"][0]["content"] for body in Peer.asked}
    item = sheet.items[0]
    parts = next(parts for text, parts in by_text.items() if item.text in text)
    assert [part["type"] for part in parts] == ["text", "image_url", "image_url", "text"]
    urls = [part["image_url"]["url"] for part in parts[1:3]]
    frames = [f"data:image/jpeg;base64,{frame}" for frame in item.frames]
    assert set(urls) <= set(frames) and frames.index(urls[0]) < frames.index(urls[1])
    Peer.asked.clear()
    judge_by_chat(sheet, settings(address, frames=0), cache=tmp_path / "none")
    assert all(len(body["messages"][0]["content"]) == 2 for body in Peer.asked) and len(Peer.asked) == 10


def test_nothing_is_paid_twice_and_no_file_has_the_key(address: str, sheet: Sheet, tmp_path: Path) -> None:
    Peer.says = lambda a, b: answer("A", "B") + f" {SECRET}"
    first = judge_by_chat(sheet, settings(address), cache=tmp_path)
    assert judge_by_chat(sheet, settings(address), cache=tmp_path) == first
    assert len(Peer.asked) == 10
    kept = [path.read_text() for path in tmp_path.glob("*.json")]
    assert len(kept) == 10 and not any(SECRET in text for text in kept) and "***" in kept[0]
    judge_by_chat(sheet, settings(address, model="other"), cache=tmp_path)
    assert len(Peer.asked) == 20


def test_nothing_is_sent_above_the_estimate_or_without_a_key(
    address: str, sheet: Sheet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"max_cost: 0.001 is less than the estimate of 0.0\d; nothing was sent"):
        judge_by_chat(sheet, settings(address, max_cost=0.001), cache=tmp_path)
    assert "10 of 10 questions to put to org/toy" in capsys.readouterr().out
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="set OPENAI_API_KEY in the environment"):
        judge_by_chat(sheet, settings(address), cache=tmp_path)
    assert Peer.asked == []


def test_what_is_no_answer_is_told_and_not_guessed_at(address: str, sheet: Sheet, tmp_path: Path) -> None:
    odd = sheet.items[0]
    Peer.says = lambda a, b: "I like the first." if odd.summaries["A"] == a else answer("A", "same")
    judge, reasons = judge_by_chat(sheet, settings(address), cache=tmp_path / "odd")
    assert set(reasons) == {odd.video} and "no JSON object: 'I like the first.'" in reasons[odd.video]
    assert set(judge.answers) == {item.video for item in sheet.items[1:]}
    Peer.says = lambda a, b: "Neither."
    with pytest.raises(ValueError, match=r"org/toy gave no answer that can be used; the first: .*'Neither.'"):
        judge_by_chat(sheet, settings(address), cache=tmp_path / "none")


def test_a_refused_key_ends_it_without_saying_the_key(address: str, sheet: Sheet, tmp_path: Path) -> None:
    Peer.says, Peer.status = (lambda a, b: ""), 401
    with pytest.raises(RuntimeError, match="refuses the key in OPENAI_API_KEY") as error:
        judge_by_chat(sheet, settings(address), cache=tmp_path)
    assert SECRET not in str(error.value)
    Peer.status = 500
    with pytest.raises(ValueError, match="gave no answer that can be used") as error:
        judge_by_chat(sheet, settings(address), cache=tmp_path)
    assert SECRET not in str(error.value) and "***" in str(error.value)


def test_an_answer_is_read_strictly_and_turned_round() -> None:
    one = read_said(answer("A", "same", A=["order"]), swapped=True)
    assert one.chosen == {"faithful": "B", "useful": "same"} and one.errors == {"B": ["order"]}
    for text, reason in {
        answer("C", "A"): "chosen.faithful: Input should be",
        '{"chosen": {"faithful": "A"}, "errors": {}}': "does not say which is more useful",
        '{"chosen": {"faithful": "A", "faithful": "B", "useful": "A"}}': "given twice",
        answer("A", "A", A=["typo"]): "errors.A.0",
        "} {": "no JSON object",
    }.items():
        with pytest.raises(ValueError, match=reason):
            read_said(text, swapped=False)
    same, differ = in_both_orders(read_said(answer("same", "A"), swapped=False), read_said(answer("A", "A"), swapped=False))
    assert same.chosen == {"faithful": "same", "useful": "A"} and differ == ["faithful"]


def test_settings_are_read_from_a_file_and_bad_keys_named(tmp_path: Path) -> None:
    file = written(tmp_path / "model.yaml", SETTINGS | {"base_url": "http://localhost:1/v1"})
    found = read_chat_judge(file)
    assert (found.frames, found.model) == (2, "org/toy")
    assert (
        found.file_name.startswith("org_toy-") and found.file_name != settings("http://localhost:1/v1", model="org_toy").file_name
    )
    with pytest.raises(ValueError, match=r"model.yaml: .*frames"):
        read_chat_judge(written(tmp_path / "model.yaml", SETTINGS | {"base_url": "x", "frames": -1}))
    with pytest.raises(ValueError, match=r"none.yaml is no file; docs/judging.md shows one"):
        read_chat_judge(tmp_path / "none.yaml")


def test_the_settings_that_the_guide_shows_can_be_read(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "judging.md").read_text()
    (tmp_path / "model.yaml").write_text(guide.partition("```yaml\n")[2].partition("```")[0])
    assert read_chat_judge(tmp_path / "model.yaml").model == "a-model"
