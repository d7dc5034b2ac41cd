"""What is kept of an answer: nothing of a model's reasoning, nothing that cannot be seen, and in time linear in its length."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.base.chat_params import Chat
from pipeline.corpus.answers import Answer, read_answer, scrubbed
from pipeline.corpus.chat import generate_summaries
from pipeline.corpus.endpoint import MOST_BYTES, ChatClient

KEY = "sk-secret-0123456789"
STEPS = {"a": ["cut the bread", "fry it"]}


def completion(content: object, **usage: object) -> Any:
    choice = SimpleNamespace(message=SimpleNamespace(content=content), finish_reason="stop")
    return SimpleNamespace(choices=[choice], usage=SimpleNamespace(**usage))


def answer(content: object, **usage: object) -> Answer:
    return read_answer(completion(content, **usage), key=KEY, where="", drawn=False)[0]


@pytest.mark.parametrize("unit", ["a", "word ", "<think>", "<think", "</think>", "<think>x</think>", "<", "s \u200b", "\x1b[1"])
def test_a_long_answer_is_read_in_one_pass(unit: str) -> None:
    content = unit * (MOST_BYTES // len(unit.encode()))
    start = time.process_time()
    answer(content)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "said", ["[THINK]bread?[/THINK] Fry it.", "◁think▷bread?◁/think▷ Fry it.", "<|channel|>analysis<|message|>bread? Fry it."]
)
def test_a_mark_of_a_model_s_own_is_refused(said: str) -> None:
    assert "a mark of the model's own" in answer(said).problem


@pytest.mark.parametrize("said", [f"Fry <|{KEY}|> it.", f"Fry \u25c1{KEY}\u25b7 it.", f"<think {KEY}>Fry"])
def test_a_problem_does_not_say_the_key(said: str) -> None:
    found = answer(said)
    assert found.problem and KEY not in found.problem + found.text


@pytest.mark.parametrize(("finish", "content", "final"), [("stop", "", False), ("stop", "Fry", True), ("error", "Fry", False)])
def test_what_may_come_out_otherwise_is_not_kept(finish: str, content: str, final: bool) -> None:
    said = completion(content)
    said.choices[0].finish_reason = finish
    assert read_answer(said, key=KEY, where="", drawn=True)[1] == final
    assert read_answer(said, key=KEY, where="", drawn=False)[1] == (finish == "stop"), "at temperature 0 it would be said again"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<seed:think>bread?</seed:think>Fry it.", "Fry it."),
        ("<reflection>bread?</reflection>Fry it.", "Fry it."),
        ("Fry it. <think>bread?</think>", "Fry it."),
        ("bread?</think>no, egg</think> Fry it.", "Fry it."),
        ("\x1b[31mFry\x1b[0m\x00 it.\n", "Fry it."),
        ("Fry \ud800 it.", "Fry ? it."),
    ],
)
def test_what_is_left_is_what_can_be_read(said: str, kept: str) -> None:
    assert (answer(said).text, answer(said).problem) == (kept, "")


@pytest.mark.parametrize("said", [KEY, KEY.upper(), " ".join(KEY), "\u200b".join(KEY), KEY.replace("-", "\n-")])
def test_a_key_is_found_however_it_is_written(said: str) -> None:
    assert scrubbed(f"It is {said}.", KEY) == "It is ***."


def test_a_number_of_tokens_without_end_is_a_number() -> None:
    found = answer("Fry it.", prompt_tokens=10**400, completion_tokens=3)
    settings = SimpleNamespace(price_in=0.5, price_out=1.5)
    assert found.cost(settings) > 0  # type: ignore[arg-type]
    assert found.tokens_out == 3


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    questions: list[str] = []

    def ask(self: ChatClient, question: str) -> Any:
        questions.append(question)
        return completion("Fry bread.", prompt_tokens=1, completion_tokens=1)

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(ChatClient, "ask", ask)
    return questions


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"text": null}', '{"uext": "x", "tokens_in": 1, "tokens_out": 1, "problem": ""}', '"\\ud800"',
     '{"text": "\\ud800", "tokens_in": 1, "tokens_out": 1, "problem": ""}', '{"text": '],
)  # fmt: skip
def test_a_damaged_answer_is_asked_for_again(tmp_path: Path, asked: list[str], content: str) -> None:
    settings = Chat(
        base_url="http://127.0.0.1:9", model="toy", prompt="Shorten: {steps}", temperature=0, max_tokens=9, concurrency=1,
        retries=0, timeout_seconds=1, price_in=0, price_out=0, max_cost=1,
    )  # fmt: skip
    path, cache = tmp_path / "summaries.jsonl", tmp_path / "cache"
    assert generate_summaries(STEPS, path, settings=settings, cache=cache) == {}
    path.unlink()
    assert generate_summaries(STEPS, path, settings=settings, cache=cache) == {}
    assert len(asked) == 1
    (kept,) = cache.glob("*.json")
    kept.write_text(content, encoding="utf-8")
    path.unlink()
    assert generate_summaries(STEPS, path, settings=settings, cache=cache) == {}
    assert len(asked) == 2
    assert json.loads(path.read_text())["summary"] == "Fry bread."
