"""Seconds and bytes of a request: whatever takes longer, or is more, has an answer that says so."""

import asyncio
import json
import time
from collections.abc import MutableMapping
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from pipeline.inference import serving
from pipeline.inference.asked import AskedError, read_asked
from pipeline.inference.served import FOLDER_VARIABLE, SECONDS_VARIABLE, Summariser
from pipeline.inference.serving import limited
from pipeline.inference.summarise import Summary


def answered(parts: list[bytes], *, endless: bool = False, wait: float = 0.0) -> tuple[int, dict[str, Any]]:
    """Status and answer to a request whose body comes in `parts`; the application behind is never reached."""
    sent: list[MutableMapping[str, Any]] = []
    left = list(parts)

    async def app(*_: Any) -> None:
        raise AssertionError("it is reached")

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(wait)
        part = left[0] if endless else left.pop(0)
        return {"type": "http.request", "body": part, "more_body": endless or bool(left)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost:5000"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": headers}
    asyncio.run(limited(app, Path())(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_body_without_a_length_is_cut_off_where_it_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "LARGEST_BODY", 5 << 20)
    status, answer = answered([b"x" * (1 << 20)], endless=True)
    assert (status, answer["message"]) == (413, "the request has more than 5 MB; name a path instead of sending the bytes")


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.3)
    started = time.monotonic()
    status, answer = answered([b"x"], endless=True, wait=0.05)
    assert status == 408 and "has not arrived" in answer["message"] and time.monotonic() - started < 5


def test_who_waits_too_long_for_others_is_told_to_try_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(SECONDS_VARIABLE, "0.2")
    monkeypatch.chdir(tmp_path)
    Path("film.mp4").write_bytes(b"x")
    model = Summariser()
    model.turn = Lock()
    with model.turn, pytest.raises(MlflowException, match="others are being served; try again") as raised:
        model.predict(None, pd.DataFrame([{"text": "add this", "video": "film.mp4"}]))
    assert raised.value.get_http_status_code() == 503


def test_texts_and_files_have_a_largest_size(tmp_path: Path) -> None:
    with (tmp_path / "large.mp4").open("wb") as stream:
        stream.truncate((2 << 30) + 1)
    for record, reason in (
        ({"video": "large.mp4", "text": "a"}, "'large.mp4' has 2048 MB, more than 2048"),
        ({"video": "large.mp4", "text": "a" * ((1 << 20) + 1)}, "text has 1048577 characters, more than 1048576"),
        ({"video_base64": "A" * (65 << 20), "text": "a"}, "video_base64 has 48 MB, more than 48; send a path"),
    ):
        with pytest.raises(AskedError, match=reason):
            read_asked([record], tmp_path)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "films"
    inside.mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (inside / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(AskedError, match="is not in the folder whose videos are served"):
        read_asked([{"video": "link.mp4", "text": "a"}], inside)
    (inside / "itself.mp4").symlink_to("itself.mp4")
    with pytest.raises(AskedError, match=r"'itself\.mp4' is no path"):
        read_asked([{"video": "itself.mp4", "text": "a"}], inside)


def test_a_film_that_grows_while_it_is_served_has_no_summary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"x")

    def work(trained: object, path: Path, *_: object) -> Summary:
        path.write_bytes(b"xx")
        return Summary("half", 6, "", "", {})

    monkeypatch.setattr("pipeline.inference.summarise.summarise_video", work)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    model = Summariser()
    model.turn, model.trained, model.params = Lock(), None, None
    with pytest.raises(MlflowException, match="record 0: the file has changed while it was read"):
        model.predict(None, pd.DataFrame([{"text": "add this", "video": "film.mp4"}]))
