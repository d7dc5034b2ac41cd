"""What is put to a chat endpoint, and when no more is: refusals that would meet every question, and what it may cost."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.corpus.asking import Asking, Call, Question, ask_all
from pipeline.corpus.chat import generate_summaries
from tests.corpus.chat_peer import SECRET, Peer, chat, complain, completion, generate


def test_a_reasoning_model_is_asked_in_its_own_way(peer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def act(peer: Peer) -> None:
        if "max_tokens" in peer.asked[-1]:
            peer.say(complain("'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."), 400)
        else:
            peer.say(completion("Fry bread."))

    Peer.act = act
    steps = {"a": ["fry bread"], "b": ["bake bread"], "c": ["cut bread"]}
    settings = chat(peer, temperature=None)
    assert generate_summaries(steps, tmp_path / "summaries.jsonl", settings=settings, cache=tmp_path / "cache") == {}
    assert [asked.get("max_completion_tokens") for asked in Peer.asked] == [None, 50, 50, 50], "it is refused once"
    assert not any("temperature" in asked for asked in Peer.asked)
    assert "toy refuses max_tokens" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("complaint", "advice"),
    [
        (
            "'temperature' does not support 0.0 with this model. Only the default (1) value is supported.",
            r"toy refuses temperature 0.0; set dataset\.chat\.temperature: null, which sends none",
        ),
        (
            "At most 1 image(s) may be provided in one prompt.",
            r"lower that, or start vLLM with --limit-mm-per-prompt '\{\"image\": N\}'",
        ),
        ("toy is not a multimodal model", "toy takes no images"),
        (f"{'x' * 180} {SECRET}: At most 2 images may be provided.", "takes fewer images"),
    ],
)
def test_what_would_meet_every_question_ends_it_with_what_to_do(peer: str, tmp_path: Path, complaint: str, advice: str) -> None:
    Peer.act = lambda peer: peer.say(complain(complaint), 400)
    steps = {str(number): [f"fry bread {number}"] for number in range(20)}
    with pytest.raises(RuntimeError, match=advice) as ended:
        generate_summaries(steps, tmp_path / "summaries.jsonl", settings=chat(peer), cache=tmp_path / "cache")
    assert len(Peer.asked) < 20, "no more is sent"
    assert SECRET[:8] not in str(ended.value), "no part of the key, where the message is cut"


@pytest.mark.parametrize(
    "complaint",
    [
        "The decoder prompt is longer than the maximum model length of 4096: text tokens plus multimodal tokens",
        "You uploaded an unsupported image. Please make sure your image is valid.",
        "Image exceeds the limit of 20 MB",
    ],
)
def test_what_may_be_one_question_s_alone_is_its_reason(peer: str, tmp_path: Path, complaint: str) -> None:
    Peer.act = lambda peer: peer.say(complain(complaint), 400)
    assert complaint[:40] in generate(tmp_path, chat(peer))["a"]


def test_nobody_there_and_an_unknown_model_end_it(peer: str, tmp_path: Path) -> None:
    steps = {str(number): [f"fry bread {number}"] for number in range(30)}
    path, cache = tmp_path / "summaries.jsonl", tmp_path / "cache"
    nobody = r"http://127\.0\.0\.1:9/v1 cannot be reached; start the endpoint, or set dataset\.chat\.base_url"
    with pytest.raises(RuntimeError, match=nobody):
        generate_summaries(steps, path, settings=chat("http://127.0.0.1:9/v1"), cache=cache)
    Peer.act = lambda peer: peer.say(complain("The model `toy` does not exist."), 404)
    with pytest.raises(RuntimeError, match=r"knows no model toy, or is no endpoint \(.*\); set dataset.chat.model"):
        generate_summaries(steps, path, settings=chat(peer), cache=cache)
    assert len(Peer.asked) < 5


def test_without_counts_of_tokens_the_estimate_stands_in_for_them(
    peer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uncounted = json.dumps(json.loads(completion("Fry bread.")) | {"usage": None}).encode()
    Peer.act = lambda peer: peer.say(uncounted)
    generate(tmp_path, chat(peer))
    assert "of 1 answers the endpoint counted no tokens: estimated" in capsys.readouterr().out


def test_the_estimate_is_made_anew_from_what_ten_answers_cost(
    peer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Peer.act = lambda peer: peer.say(completion("Fry bread."))  # 100 tokens in and 10 out each, more than was estimated
    steps = {f"{number:02d}": [f"fry {number}"] for number in range(40)}
    path, cache = tmp_path / "summaries.jsonl", tmp_path / "cache"
    with pytest.raises(
        ValueError, match=r"max_cost: 0\.003 is less than the 0\.01 that all 40 .* by the 10 answered so far"
    ) as stopped:
        generate_summaries(steps, path, settings=chat(peer, max_tokens=5, max_cost=0.003), cache=cache)
    assert "these are kept, and no more was sent" in str(stopped.value)
    asked = len(Peer.asked)
    assert 10 <= asked < 15 and len(list(cache.glob("*.json"))) == asked
    assert "by the first 10 answers, all 40 will cost about 0.01" in capsys.readouterr().out
    assert generate_summaries(steps, path, settings=chat(peer, max_tokens=5), cache=cache) == {}
    assert len(Peer.asked) == 40, "nothing is paid twice"


def questions(count: int) -> dict[int, Question]:
    return {number: Question(f"{number:016x}", lambda: "Fry bread.", 2) for number in range(count)}


def test_no_more_is_sent_than_is_under_way_however_slowly_calls_are_told_of(peer: str, tmp_path: Path) -> None:
    Peer.act = lambda peer: peer.say(completion("Fry bread."))
    told: list[Call] = []

    def slowly(call: Call) -> None:
        time.sleep(0.05)
        told.append(call)

    asking = Asking(chat(peer, max_tokens=1, max_cost=0.003, concurrency=2), "", "summaries", "video", tmp_path, told=slowly)
    with pytest.raises(ValueError, match="by the 10 answered so far"):
        ask_all(questions(60), asking)
    assert len(Peer.asked) <= 12 and len(told) == len(Peer.asked), "and every call is told of"


def test_what_two_ask_at_once_and_what_is_asked_twice_is_paid_once(peer: str, tmp_path: Path) -> None:
    def slow(peer: Peer) -> None:
        time.sleep(0.05)
        peer.say(completion("Fry bread."))

    Peer.act = slow
    asking = Asking(chat(peer, concurrency=3), "", "summaries", "video", tmp_path)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(ask_all, questions(6) | {"again": questions(1)[0]}, asking) for _ in range(2)]
        found = [each.result() for each in both]
    assert len(Peer.asked) == 6
    assert all(len(each.answers) == 7 and each.spent.tokens_in == 600 for each in found)
