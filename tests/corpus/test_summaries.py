"""Reference summaries: the endpoint (a local server that speaks the protocol), the cache, corrections, the review page."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest

from pipeline.base.chat_params import Chat
from pipeline.corpus.chat import generate_summaries
from pipeline.corpus.summaries import read_lines, read_summaries, write_lines
from tests.corpus import chat_peer
from tests.corpus.chat_peer import SECRET, completion

STEPS = {f"video{number:02d}": [f"cut vegetable {number}", "fry it"] for number in range(12)}


class Endpoint(BaseHTTPRequestHandler):
    """Answers with the first words of the question; `trouble` maps a word of a question to what goes wrong, in order."""

    lock = Lock()
    asked: list[str]
    trouble: dict[str, list[Any]]
    running: int
    most: int
    delay: float

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = body["messages"][0]["content"]
        cls = type(self)
        with cls.lock:
            cls.asked.append(question)
            cls.running += 1
            cls.most = max(cls.most, cls.running)
            step = next((steps.pop(0) for word, steps in cls.trouble.items() if word in question and steps), None)
        time.sleep(2.0 if step == "stall" else cls.delay)
        finish, text = ("length" if step == "length" else "stop"), "" if step == "empty" else f"Summary: {question[-40:]}"
        if self.headers.get("Authorization") != f"Bearer {SECRET}":
            step = 401
        content = completion(text, finish)
        status = step if isinstance(step, int) else 200
        with cls.lock:
            cls.running -= 1
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Endpoint.asked, Endpoint.trouble, Endpoint.running, Endpoint.most, Endpoint.delay = [], {}, 0, 0, 0.0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def chat(base_url: str, **changes: object) -> Chat:
    return chat_peer.chat(base_url, **{"concurrency": 3, "retries": 2, "timeout_seconds": 0.8} | changes)


def generate(folder: Path, settings: Chat, steps: dict[str, list[str]] = STEPS) -> dict[str, str]:
    return generate_summaries(steps, folder / "summaries.jsonl", settings=settings, cache=folder / "cache")


def test_every_video_is_asked_about_once_and_nothing_twice(
    endpoint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert generate(tmp_path, chat(endpoint)) == {}
    assert read_summaries(tmp_path / "summaries.jsonl")["video03"] == "Summary: Shorten this: cut vegetable 3. fry it."
    assert Counter(Endpoint.asked).most_common(1)[0][1] == 1
    whole = (tmp_path / "summaries.jsonl").read_bytes()
    assert generate(tmp_path, chat(endpoint)) == {}
    assert len(Endpoint.asked) == len(STEPS)
    assert (tmp_path / "summaries.jsonl").read_bytes() == whole
    printed = "".join(capfd.readouterr())
    assert "12 of 12 videos to put to toy" in printed and "1200 tokens in, 120 out, 0.002 spent" in printed
    assert "0 of 12 videos to put to toy" in printed
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET.encode() not in written and SECRET not in printed


def test_trouble_is_retried_and_what_stays_wrong_is_a_reason(endpoint: str, tmp_path: Path) -> None:
    once = {1: 429, 2: 500, 3: "stall", 4: "length", 5: "empty"}
    Endpoint.trouble = {f"vegetable {number}.": [step] for number, step in once.items()} | {"vegetable 6.": [500] * 9}
    failed = generate(tmp_path, chat(endpoint))
    assert set(failed) == {"video04", "video05", "video06"}
    assert (
        "cut at max_tokens" in failed["video04"] and "empty" in failed["video05"] and "InternalServerError" in failed["video06"]
    )
    assert set(read_summaries(tmp_path / "summaries.jsonl")) == set(STEPS) - set(failed)
    Endpoint.trouble, before = {}, len(Endpoint.asked)
    assert set(generate(tmp_path, chat(endpoint))) == {"video04", "video05"}, "the same question would be answered so again"
    assert len(Endpoint.asked) == before + 1, "only what failed for the moment is asked again"
    assert generate(tmp_path, chat(endpoint, max_tokens=60)) == {}


def test_the_file_alone_is_enough_not_to_pay_twice(endpoint: str, tmp_path: Path) -> None:
    generate(tmp_path, chat(endpoint))
    whole = (tmp_path / "summaries.jsonl").read_bytes()
    shutil.rmtree(tmp_path / "cache")
    Endpoint.asked = []
    assert generate(tmp_path, chat(endpoint)) == {}
    assert Endpoint.asked == []
    assert (tmp_path / "summaries.jsonl").read_bytes() == whole
    generate(tmp_path, chat(endpoint), STEPS | {"video00": ["another first step"]})
    assert len(Endpoint.asked) == 1, "a changed source is another question"


def test_what_was_written_stays_when_another_question_fails(endpoint: str, tmp_path: Path) -> None:
    generate(tmp_path, chat(endpoint))
    before = read_lines(tmp_path / "summaries.jsonl")
    Endpoint.trouble = {"vegetable 6.": [500] * 9}
    failed = generate(tmp_path, chat(endpoint, prompt="Say shortly: {steps}"))
    assert list(failed) == ["video06"]
    assert "InternalServerError" in failed["video06"] and "for an earlier question" in failed["video06"]
    lines = read_lines(tmp_path / "summaries.jsonl")
    assert lines["video06"] == before["video06"]
    assert lines["video05"]["summary"].startswith("Summary: Say shortly")
    Endpoint.trouble, Endpoint.asked = {}, []
    assert generate(tmp_path, chat(endpoint, prompt="Say shortly: {steps}")) == {}
    assert len(Endpoint.asked) == 1, "it alone is asked again"


def test_concurrency_is_bounded(endpoint: str, tmp_path: Path) -> None:
    Endpoint.delay = 0.05
    generate(tmp_path, chat(endpoint, concurrency=2))
    assert Endpoint.most == 2


def test_corrections_survive_another_prompt_and_a_changed_source(
    endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(tmp_path, chat(endpoint))
    path = tmp_path / "summaries.jsonl"
    lines = read_lines(path)
    lines["video00"]["summary"] = "By hand."
    lines["video01"] = {"video_id": "video01", "summary": "From elsewhere."}
    write_lines(path, lines)
    generate(tmp_path, chat(endpoint, prompt="Say shortly: {steps}"), STEPS | {"video00": ["something else"]})
    summaries = read_summaries(path)
    assert (summaries["video00"], summaries["video01"]) == ("By hand.", "From elsewhere.")
    assert summaries["video02"].startswith("Summary: Say shortly")
    assert len(Endpoint.asked) == 12 + 10
    assert "the steps of video00 have changed" in capsys.readouterr().out


def test_a_wrong_key_a_missing_key_and_a_high_price_stop_before_anything_is_written(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"max_cost: 1e-05 is less than the estimate of 0\.01; nothing was sent"):
        generate(tmp_path, chat(endpoint, max_cost=1e-5))
    assert Endpoint.asked == []
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with pytest.raises(RuntimeError, match="refuses the key in OPENAI_API_KEY"):
        generate(tmp_path, chat(endpoint))
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="set OPENAI_API_KEY"):
        generate(tmp_path, chat(endpoint))
    assert not (tmp_path / "summaries.jsonl").exists()


def test_a_killed_run_never_pays_twice(endpoint: str, tmp_path: Path) -> None:
    Endpoint.delay = 0.3
    settings = chat(endpoint, concurrency=1)
    code = (
        "import json, sys; from pathlib import Path\n"
        "from pipeline.corpus.chat import generate_summaries; from pipeline.base.chat_params import Chat\n"
        "steps, settings = json.loads(sys.argv[1]), Chat(**json.loads(sys.argv[2]))\n"
        "generate_summaries(steps, Path('summaries.jsonl'), settings=settings, cache=Path('cache'))"
    )
    arguments = [sys.executable, "-c", code, json.dumps(STEPS), settings.model_dump_json()]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "cache").glob("[!.]*.json"))) < 3:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(0.5)
    kept, Endpoint.delay, Endpoint.asked = len(list((tmp_path / "cache").glob("[!.]*.json"))), 0.0, []
    assert generate(tmp_path, settings) == {}
    assert len(Endpoint.asked) == len(STEPS) - kept
    (tmp_path / "fresh").mkdir()
    generate(tmp_path / "fresh", settings)
    assert (tmp_path / "summaries.jsonl").read_bytes() == (tmp_path / "fresh" / "summaries.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: not valid JSON"),
        ("[]", "line 1: expected an object"),
        ('{"video_id": "a", "summary": " "}', "line 1: summary is missing, empty"),
        ('{"summary": "s"}', "line 1: video_id is missing"),
        ('{"video_id": "a", "summary": "s"}\n\n{"video_id": "a", "summary": "t"}', "line 3: video id 'a' occurs twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "summaries.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"summaries\.jsonl, {message}"):
        read_summaries(path)
