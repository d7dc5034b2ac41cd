"""Rows of a chat model at a local endpoint: the form of what is sent, what each row shows, what is kept, and what never comes."""

import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from openai.types.chat import ChatCompletionUserMessageParam
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from pipeline.base.chat_params import CHAT_ROWS
from pipeline.base.files import write_json
from pipeline.base.params import load_params
from pipeline.base.scratch import file_sha256
from pipeline.base.tracking_store import Tracker
from pipeline.corpus.table import Video, write_corpus
from pipeline.evaluation.chat import chat_row
from pipeline.evaluation.chat_message import KINDS
from pipeline.frames.store import SCHEMA
from pipeline.scoring.predictions import read_predictions
from pipeline.scoring.record import RowRecord, read_record
from tests.corpus.chat_peer import SECRET, Peer, completion, serve
from tests.parameters import edit, write_parameters

VIDEOS = {"a": "onion", "b": "leek", "c": "rice"}
PUBLISHED = TypeAdapter(CompletionCreateParamsNonStreaming)
MESSAGE = TypeAdapter(ChatCompletionUserMessageParam)
Start = Callable[..., None]


def picture(video: str, place: int) -> bytes:
    return f"jpeg {video} {place}".encode()


def write_store(folder: Path, videos: list[str]) -> None:
    rows = [
        {"video_id": video, "frame_index": 10 * place, "pts_seconds": place / 2, "image": picture(video, place)}
        for video in videos
        for place in range(6)
    ]
    folder.mkdir(parents=True)
    with pq.ParquetWriter(folder / "00000.parquet", SCHEMA) as writer:
        for start in range(0, len(rows), 6):
            writer.write_table(pa.Table.from_pylist(rows[start : start + 6], schema=SCHEMA))
    write_json(
        folder / "summary.json",
        {
            "keep": True, "count": 6, "short_side": 96, "sha256": {"00000.parquet": file_sha256(folder / "00000.parquet")},
            "videos": [{"video_id": video, "status": "ok", "shard": "00000.parquet"} for video in videos],
        },
    )  # fmt: skip


def answer(peer: Peer) -> None:
    """A summary that tells what was shown: the text, and of which videos there were pictures."""
    asked = peer.asked[-1]
    content = asked["messages"][0]["content"]
    text = content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
    shown = {base64.b64decode(url).split()[1].decode() for url in urls(content)}
    peer.say(completion(f"{'text' if 'chop this' in text else 'none'} {' '.join(VIDEOS[video] for video in sorted(shown))}"))


def urls(content: Any) -> list[str]:
    parts = [] if isinstance(content, str) else content
    return [part["image_url"]["url"].partition("base64,")[2] for part in parts if part["type"] == "image_url"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """A project with three test videos, its endpoint answering; `values` are those of the study's block `chat`."""
    Peer.asked, Peer.act = [], answer
    server = serve(Peer)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    videos = [
        Video(
            video, "test", "v.mp4", transcript="chop this", transcript_origin="drawn", entities=[shown], summary=f"chop {shown}"
        )
        for video, shown in VIDEOS.items()
    ]
    write_corpus(videos, Path("data/corpus/corpus.parquet"))
    write_store(Path("data/frames"), list(VIDEOS))

    def make(*, user: str = "", tracked: bool = False, **values: Any) -> None:
        if not tracked:
            monkeypatch.setattr(Tracker, "attempt", lambda self, action: None)  # a store takes seconds to make

        def change(study: Any) -> None:
            address = f"http://{user}127.0.0.1:{server.server_port}/v1"
            study["chat"] |= {"base_url": address, "model": "org/toy", "retries": 0, "timeout_seconds": 5.0, **values}
            study["bootstrap_resamples"] = 100

        write_parameters(tmp_path, change)
        edit(Path("params.yaml"), Path("params.yaml"), lambda dials: dials.update(chat=["llm_text", "vlm"]))

    yield make
    server.shutdown()


def run(name: str) -> RowRecord:
    record = chat_row(name, load_params())
    assert read_record(Path(f"metrics/{name}.json")) == record
    return record


def said(name: str) -> dict[str, str]:
    summaries = read_predictions(Path(f"predictions/{name}.jsonl"))
    return dict(zip(summaries.videos, summaries.predictions[0], strict=True))


def test_requests_have_the_published_form_and_our_very_frames_in_order(start: Start) -> None:
    start(frames=4, detail="low", max_tokens=77)
    run("vlm")
    assert len(Peer.asked) == 3
    for asked in Peer.asked:
        assert {name.lower(): value for name, value in asked["headers"].items()}["authorization"] == f"Bearer {SECRET}"
        body = {key: value for key, value in asked.items() if key != "headers"}
        assert set(body) == {"messages", "model", "temperature", "max_tokens"}
        PUBLISHED.validate_python(body)
        (message,) = body["messages"]
        content = MESSAGE.validate_python(message)["content"]
        parts = list(content)
        assert parts == message["content"], "nothing that the schema does not know"
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("org/toy", 0.0, 77)
        assert [part["type"] for part in parts] == ["text", *["text", "image_url"] * 4]
        assert parts[0]["text"].startswith("Below is what is known") and "chop this" in parts[0]["text"]
        assert [part["text"] for part in parts[1::2]] == ["[0.0 s]", "[0.5 s]", "[1.5 s]", "[2.5 s]"]
        (video,) = {base64.b64decode(url).split()[1].decode() for url in urls(parts)}
        assert [base64.b64decode(url) for url in urls(parts)] == [picture(video, place) for place in (0, 1, 3, 5)]
        assert {part["image_url"]["detail"] for part in parts[2::2]} == {"low"}


def test_every_row_shows_what_its_name_says(start: Start) -> None:
    start(user="user:word@")
    records = {name: run(name) for name in ("llm_text", "vlm", "vlm_frames", "vlm_swapped")}
    assert said("llm_text") == dict.fromkeys(VIDEOS, "text")
    assert isinstance(Peer.asked[0]["messages"][0]["content"], str), "an endpoint without vision takes it"
    assert said("vlm") == {video: f"text {shown}" for video, shown in VIDEOS.items()}
    assert said("vlm_frames") == {video: f"none {shown}" for video, shown in VIDEOS.items()}
    swapped = said("vlm_swapped")
    assert all(swapped[video] != f"text {shown}" and swapped[video] != "text" for video, shown in VIDEOS.items())
    assert records["vlm"].metrics["entity_f1"].mean == 100.0 and records["vlm_swapped"].metrics["entity_f1"].mean == 0.0
    assert {record.kind for record in records.values()} == {"chat"} and records["vlm_swapped"].control_of == "vlm"
    assert records["vlm"].title == "toy (text and frames)" and records["vlm"].frames == "own"
    asked = records["vlm"].asked
    assert asked is not None and (asked.frames, asked.frames_asked_for, asked.failed, asked.questions) == (6, 16, {}, 3)
    assert (asked.tokens_in, asked.tokens_out) == (300, 30) and "word" not in asked.endpoint and "127.0.0.1" in asked.endpoint


def test_nothing_is_paid_twice(start: Start) -> None:
    start(frames=8)
    first = run("vlm")
    assert run("vlm_8").metrics == first.metrics, "the same questions under another name"
    for made in ("metrics/vlm.json", "predictions/vlm.jsonl"):
        Path(made).unlink()
    assert run("vlm") == first
    assert len(Peer.asked) == 3
    start(frames=2)
    run("vlm")
    assert len(Peer.asked) == 6, "other frames are another question"


def test_at_temperature_0_there_is_one_draw_and_above_it_one_a_seed(start: Start) -> None:
    start()
    assert run("vlm").seeds == [0] and len(Peer.asked) == 3
    start(temperature=0.7)
    record = run("vlm")
    assert record.seeds == [0, 1, 2] and len(Peer.asked) == 3 + 9
    assert record.asked is not None and record.asked.is_drawn
    assert all(asked["temperature"] == 0.7 for asked in Peer.asked[3:])


def test_a_failure_is_counted_shown_and_never_scored_as_text(start: Start) -> None:
    def lie(peer: Peer) -> None:
        shown = {base64.b64decode(url).split()[1] for url in urls(peer.asked[-1]["messages"][0]["content"])}
        if shown == {b"a"}:
            peer.say(completion("chop onion, and", "length"))
        else:
            answer(peer)

    Peer.act = lie
    start()
    with pytest.raises(RuntimeError, match=r"vlm \(the first: .*cut at max_tokens: raise chat\.max_tokens\): 1 of 3 failed"):
        run("vlm")
    assert not Path("predictions/vlm.jsonl").exists()
    start(max_failed_share=0.4)
    record = run("vlm")
    assert said("vlm") == {"a": "", "b": "text leek", "c": "text rice"}
    assert record.asked is not None and list(record.asked.failed) == ["a, seed 0"]
    assert record.metrics["entity_f1"].mean == pytest.approx(200 / 3, abs=0.001)
    assert len(Peer.asked) == 3, "what was cut would be cut again"


def test_a_video_without_frames_is_asked_about_by_its_text_or_not_at_all(start: Start) -> None:
    start(max_failed_share=0.5)
    for path in Path("data/frames").iterdir():
        path.unlink()
    Path("data/frames").rmdir()
    write_store(Path("data/frames"), ["a", "b"])
    record = run("vlm")
    assert said("vlm")["c"] == "text" and record.asked is not None and record.asked.without_frames == 1
    run("vlm_swapped")
    assert said("vlm_swapped") == {"a": "text leek", "b": "text onion", "c": "text"}, "partners are videos with frames"
    asked = run("vlm_frames").asked
    assert said("vlm_frames")["c"] == "" and asked is not None and asked.failed == {"c, seed 0": "it has no frames"}


def test_mlflow_has_a_trace_a_call_without_text_pictures_or_key(start: Start, tmp_path: Path) -> None:
    def refuse_one(peer: Peer) -> None:
        shown = {base64.b64decode(url).split()[1] for url in urls(peer.asked[-1]["messages"][0]["content"])}
        peer.say(b'{"error": {"message": "no"}}', 500) if shown == {b"a"} else answer(peer)

    Peer.act = refuse_one
    start(max_failed_share=0.4, tracked=True)
    run("vlm")
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("kitchen")
    assert experiment is not None
    (row,) = client.search_runs([experiment.experiment_id])
    assert row.data.tags["dvc.row"] == "vlm" and row.data.params["model"] == "org/toy"
    traces = client.search_traces(locations=[experiment.experiment_id], run_id=row.info.run_id)
    assert sorted(str(trace.info.state) for trace in traces) == ["ERROR", "OK", "OK"]
    good = next(trace for trace in traces if "OK" in str(trace.info.state))
    assert good.info.token_usage["total_tokens"] == 110 and good.info.execution_duration >= 0
    (span,) = good.data.spans
    expected = {hashlib.sha256(picture(video, 0)).hexdigest() for video in VIDEOS}
    assert len(span.inputs["frames_sha256"]) == 6 and span.inputs["frames_sha256"][0] in expected
    everything = json.dumps([trace.to_dict() for trace in traces], default=str)
    assert "chop this" not in everything and "base64" not in everything and SECRET not in everything
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "mlflow.db")
    assert SECRET.encode() not in written


def test_without_a_block_or_above_the_price_nothing_is_sent(start: Start, tmp_path: Path) -> None:
    start(price_in=1e6, max_cost=0.01)
    with pytest.raises(ValueError, match=r"chat\.max_cost: 0\.01 is less than the estimate of \d+\.\d\d; nothing was sent"):
        run("vlm")
    assert Peer.asked == []
    edit(Path("studies/kitchen.yaml"), Path("studies/kitchen.yaml"), lambda study: study.update(chat=None))
    with pytest.raises(ValueError, match=r"params.yaml: chat: 'llm_text' asks a chat model, and studies/kitchen.yaml names none"):
        load_params()


@pytest.mark.parametrize(
    ("dial", "message"),
    [
        (["vlm_swapped"], "'vlm_swapped' is a control of 'vlm'; add that"),
        (["vlm", "vlm"], "vlm stands there twice"),
        (["vlm_7"], "must be 'llm_text', 'vlm'"),
    ],
)
def test_a_dial_that_cannot_be_is_refused(start: Start, dial: list[str], message: str) -> None:
    start()
    edit(Path("params.yaml"), Path("params.yaml"), lambda dials: dials.update(chat=dial))
    with pytest.raises(ValueError, match=message):
        load_params()


def test_predictions_alone_are_enough_to_score_a_row_anew(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse_one(peer: Peer) -> None:
        shown = {base64.b64decode(url).split()[1] for url in urls(peer.asked[-1]["messages"][0]["content"])}
        peer.say(b'{"error": {"message": "no"}}', 500) if shown == {b"a"} else answer(peer)

    Peer.act = refuse_one
    start(max_failed_share=0.4)
    before, written = run("vlm"), Path("predictions/vlm.jsonl").read_bytes()
    shutil.rmtree("data/answers")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert run("vlm") == before and Path("predictions/vlm.jsonl").read_bytes() == written
    assert len(Peer.asked) == 3
    assert "1 questions that failed before are not put again" in capsys.readouterr().out
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    Peer.act = answer
    record = run("vlm")
    assert record.asked is not None and record.asked.failed == {} and len(Peer.asked) == 4


def test_what_an_answer_costs_is_counted_once_and_also_where_it_is_none(start: Start) -> None:
    Peer.act = lambda peer: peer.say(completion("chop onion, and", "length"))
    start(max_failed_share=1.0, price_in=1.0, price_out=1.0)
    asked = run("llm_text").asked
    assert len(Peer.asked) == 1, "three videos with one text are one question"
    assert asked is not None and (asked.tokens_in, asked.tokens_out, len(asked.failed)) == (100, 10, 3)


def test_every_row_that_can_be_named_is_known() -> None:
    assert tuple(KINDS) == CHAT_ROWS
