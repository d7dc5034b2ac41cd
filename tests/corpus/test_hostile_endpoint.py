"""Chat endpoints that are slow, endless, send the client elsewhere, say the key aloud, or answer with more than a summary."""

import gzip
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.chat_params import Chat
from pipeline.corpus import endpoint as endpoint_module
from pipeline.corpus.summaries import read_summaries, write_review
from tests.corpus.chat_peer import SECRET, STEPS, Peer, chat, completion, generate, serve


def summary(folder: Path, settings: Chat) -> str:
    assert generate(folder, settings) == {}
    return read_summaries(folder / "summaries.jsonl")["a"]


def drip(peer: Peer) -> None:
    """A byte a tenth of a second, from the first header on."""
    peer.wfile.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    while True:
        peer.wfile.write(b"x")
        time.sleep(0.1)


def drip_body(peer: Peer) -> None:
    peer.send_response(200)
    peer.end_headers()
    while True:
        peer.wfile.write(b" ")
        time.sleep(0.1)


@pytest.mark.parametrize("act", [drip, drip_body])
def test_an_endpoint_that_sends_a_byte_now_and_then_is_given_up(peer: str, tmp_path: Path, act: Callable[[Peer], None]) -> None:
    Peer.act = act
    start, before = time.monotonic(), threading.enumerate()
    failed = generate(tmp_path, chat(peer, retries=1))
    assert time.monotonic() - start < 8.0
    assert "it has not answered in 1 seconds" in failed["a"]
    assert len(Peer.asked) == 2, "a slow try is worth another one"
    time.sleep(0.5)
    left = [thread for thread in threading.enumerate() if type(thread) is threading.Thread and thread not in before]
    assert left == [], "neither the client nor the server goes on"


def endless(peer: Peer) -> None:
    peer.send_response(200)
    peer.send_header("Content-Type", "application/json")
    peer.end_headers()
    for _ in range(4000):
        peer.wfile.write(b" " * (1 << 16))


def test_an_endless_answer_is_not_taken_into_memory(peer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "MOST_BYTES", 1 << 18)
    Peer.act = endless
    assert "the answer has more than 262144 bytes" in generate(tmp_path, chat(peer, timeout_seconds=30.0))["a"]


def test_a_compressed_answer_is_refused(peer: str, tmp_path: Path) -> None:
    Peer.act = lambda peer: peer.say(gzip.compress(completion("Fry it." + " " * 10_000_000)), Content_Encoding="gzip")
    assert "compressed (gzip), which was not asked for" in generate(tmp_path, chat(peer))["a"]
    assert Peer.asked[0]["headers"]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_client_is_not_sent_elsewhere_and_neither_is_the_key(peer: str, tmp_path: Path, status: int) -> None:
    class Other(Peer):
        asked: list[dict[str, Any]] = []  # noqa: RUF012
        act = staticmethod(lambda peer: peer.say(completion("From elsewhere.")))

    other = serve(Other)
    address = f"http://127.0.0.1:{other.server_port}/v1/{SECRET}"
    Peer.act = lambda peer: peer.say(b"", status, Location=address)
    with pytest.raises(RuntimeError, match=r"sends requests on to http://127\.0\.0\.1.*; set dataset\.chat\.base_url") as caught:
        generate(tmp_path, chat(peer))
    other.shutdown()
    assert Other.asked == [], "nothing was sent there"
    assert SECRET not in str(caught.value)
    assert not (tmp_path / "summaries.jsonl").exists()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<think>The key is bread.</think>Fry bread.", "Fry bread."),
        ("Fry <Thinking kind='long'>hm\nhm</thinking> bread.", "Fry bread."),
        ("<think>a <think>b</think> c</think> Fry bread.", "Fry bread."),
        ("The template has opened it. </think>\n\nFry bread.", "Fry bread."),
        ("Cook for <5 minutes> and I think that is all.", "Cook for <5 minutes> and I think that is all."),
    ],
)
def test_reasoning_is_no_part_of_a_summary(peer: str, tmp_path: Path, said: str, kept: str) -> None:
    Peer.act = lambda peer: peer.say(completion(said))
    assert summary(tmp_path, chat(peer)) == kept


@pytest.mark.parametrize(
    ("said", "finish", "reason"),
    [
        ("<think>Let me see. Bread", "stop", "reasoning that does not end"),
        ("<think>Let me see. Bread", "length", "cut at max_tokens"),
        ("<think>Nothing to say.</think>", "stop", "the answer is empty"),
        (None, "stop", "the answer is empty"),
        ("Fry", "content_filter", "ended for the reason 'content_filter', not 'stop'"),
        ("Fry", None, "ended for the reason None, not 'stop'"),
        ("Fry", f"{SECRET} " * 50, "ended for the reason '***"),
    ],
)
def test_what_is_no_whole_answer_is_a_reason(
    peer: str, tmp_path: Path, said: str | None, finish: str | None, reason: str
) -> None:
    Peer.act = lambda peer: peer.say(completion(said, finish))
    failed = generate(tmp_path, chat(peer))
    assert reason in failed["a"] and len(failed["a"]) < 300
    assert read_summaries(tmp_path / "summaries.jsonl") == {}


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'"text"', b'{"choices": [{}]}', b'{"choices": [null], "usage": 7}', b"<html>"]
)
def test_what_is_no_answer_at_all_is_a_reason(peer: str, tmp_path: Path, content: bytes) -> None:
    Peer.act = lambda peer: peer.say(content)
    assert "not an answer of a chat endpoint" in generate(tmp_path, chat(peer))["a"]


def test_counts_of_tokens_that_are_none_do_not_spoil_an_answer(peer: str, tmp_path: Path) -> None:
    value = json.loads(completion("Fry bread."))
    value["usage"] = {"prompt_tokens": "many", "completion_tokens": -5, "total_tokens": None}
    Peer.act = lambda peer: peer.say(json.dumps(value).encode())
    assert summary(tmp_path, chat(peer)) == "Fry bread."


def test_another_refusal_is_a_reason(peer: str, tmp_path: Path) -> None:
    Peer.act = lambda peer: peer.say(b'{"error": {"message": "the model toy does not exist"}}', 400)
    assert "the model toy does not exist" in generate(tmp_path, chat(peer))["a"]
    assert len(Peer.asked) == 1


def test_a_key_that_is_said_aloud_is_not_written_or_printed(
    peer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = SECRET[:9] + "<think>so</think>" + SECRET[9:]
    Peer.act = lambda peer: peer.say(completion(f"Fry {SECRET}, key={SECRET}!, {half}."))
    assert summary(tmp_path, chat(peer)) == "Fry ***, key=***!, ***."
    write_review(tmp_path / "summaries.jsonl", STEPS, tmp_path / "review.html")
    Peer.act = lambda peer: peer.say(json.dumps({"error": {"message": f"{'x' * 150} {SECRET}"}}).encode(), 400)
    failed = generate(tmp_path, chat(peer, model="other"))
    assert "***" in failed["a"] and SECRET[:6] not in failed["a"], "no part of it, where the message is cut"
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "***" in written and SECRET not in written
    assert SECRET not in "".join(capsys.readouterr())


def test_a_word_in_place_of_a_key_is_left_in_the_text(peer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    Peer.act = lambda peer: peer.say(completion("Fry bread, none burnt."))
    assert summary(tmp_path, chat(peer)) == "Fry bread, none burnt."
