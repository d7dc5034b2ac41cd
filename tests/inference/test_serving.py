"""A served row: real requests, wrong ones, and eight at once. The server is another process, as a user would have it."""

import base64
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.paths import CORPUS, metrics_file
from pipeline.inference import serving
from pipeline.inference.files import Texts
from pipeline.inference.registered import register
from pipeline.inference.summarise import summarise_video
from pipeline.inference.trained import open_row
from pipeline.scoring.record import read_record
from tests.base.conftest import DVC_AND_MLFLOW
from tests.inference.trained_project import PARAMS, ROOT, trained_project, video

TEXT = "now add this and stir it well"


class Server:
    """A port of this machine at which a row is served, and the folder whose videos it may read."""

    def __init__(self, port: int, videos: Path) -> None:
        self.address, self.videos = f"http://127.0.0.1:{port}", videos

    def post(self, body: Any, **headers: str) -> tuple[int, str]:
        """Status and answer. What is no bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/invocations", content, {"Content-Type": "application/json"} | headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ask(self, *records: Any) -> tuple[int, str]:
        return self.post({"dataframe_records": list(records)})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        for name in DVC_AND_MLFLOW:
            patch.delenv(name, raising=False)
        patch.setenv("DVC_ROOT", str(folder))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.chdir(folder)
        trained_project(folder)
        CORPUS.parent.mkdir(parents=True)
        CORPUS.write_bytes(b"the corpus")
        register("clipsum", PARAMS, read_record(metrics_file("clipsum")))
        videos = folder / "films"
        videos.mkdir()
        video(videos / "a b.mp4")
        video(folder / "outside.mp4")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "stages.serve", "--port", str(port), "--videos", "films"]
        with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                found = Server(port, videos)
                _wait(found, process, folder / "log")
                yield found
            finally:
                process.terminate()


def _wait(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{server.address}/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def expected(server: Server) -> str:
    folder = server.videos.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        film = server.videos / "a b.mp4"
        source = Texts(str(film.with_suffix(".txt"))).of(film)
        return summarise_video(open_row("clipsum", PARAMS), film, source, PARAMS).text


def test_a_path_or_the_bytes_of_a_video_give_the_summary_of_the_row(server: Server) -> None:
    content = base64.b64encode((server.videos / "a b.mp4").read_bytes()).decode()
    status, answer = server.ask({"video": "a b.mp4", "text": TEXT}, {"video_base64": content, "text": TEXT})
    assert status == 200, answer
    summaries = json.loads(answer)["predictions"]
    assert [each["summary"] for each in summaries] == [expected(server)] * 2
    assert summaries[0]["frames"] == 6 and "drawn kitchens" in summaries[0]["caution"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"video": "a b.mp4"}, "record 0: text is missing"),
        ({"video": "a b.mp4", "text": "  "}, "record 0: text is missing"),
        ({"text": TEXT}, "record 0: give either video, a path, or video_base64"),
        ({"text": TEXT, "video": "a b.mp4", "video_base64": "AA=="}, "record 0: give either video"),
        ({"text": TEXT, "video": "gone.mp4"}, "'gone.mp4' is no file in the folder"),
        ({"text": TEXT, "video": "../outside.mp4"}, "'../outside.mp4' is not in the folder"),
        ({"text": TEXT, "video": "/etc/hostname"}, "is not in the folder"),
        ({"text": TEXT, "video": "a\u0000b"}, "is no path"),
        ({"text": TEXT, "video": "a b.txt"}, "record 0: not a video"),
        ({"text": TEXT, "video": 5}, "record 0: video is not a text"),
        ({"text": TEXT, "video_base64": "no base64"}, "video_base64 is not base64"),
        ({"text": TEXT, "video_base64": ""}, "video_base64 is empty"),
        ({"text": TEXT, "video_base64": base64.b64encode(b"no video").decode()}, "record 0: not a video"),
        ({"text": TEXT, "vidoe": "a b.mp4"}, "unknown key 'vidoe'; known are text, video, video_base64"),
        ("a b.mp4", "record 0: not an object"),
    ],
)
def test_a_wrong_record_is_a_400_that_says_what_is_wrong(server: Server, record: Any, reason: str) -> None:
    status, answer = server.ask(record)
    assert status == 400 and reason in json.loads(answer)["message"], answer


def test_a_wrong_request_is_refused_with_a_reason(server: Server) -> None:
    good = {"dataframe_records": [{"video": "a b.mp4", "text": TEXT}]}
    for body, headers, status, reason in (
        (b"{", {}, 400, "the request is not JSON"),
        (b"\xff\xfe", {}, 400, "the request is not JSON"),
        (b"[" * 100_000, {}, 400, "the request is not JSON"),
        ([], {}, 400, "the request is no list of records"),
        ({"inputs": [1]}, {}, 400, "the request is no list of records"),
        ({"dataframe_records": []}, {}, 400, "0 records; send 1 to 8"),
        ({"dataframe_records": good["dataframe_records"] * 9}, {}, 400, "9 records; send 1 to 8"),
        (good, {"Content-Type": "text/plain"}, 415, "send JSON"),
        (good, {"Host": "elsewhere.example"}, 400, "this server answers to 127.0.0.1 and localhost alone"),
    ):
        found, answer = server.post(body, **headers)
        assert found == status and reason in json.loads(answer)["message"], answer
    assert server.post(good)[0] == 200, "it goes on"


def test_a_request_that_is_too_large_is_refused_before_it_is_read(server: Server) -> None:
    connection = HTTPConnection(server.address.removeprefix("http://"), timeout=30)
    with closing(connection):
        connection.putrequest("POST", "/invocations")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(serving.LARGEST_BODY + 1))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413 and "the request has more than 72 MB" in answer.read().decode()


def test_eight_at_once_get_the_same_summary(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.ask({"video": "a b.mp4", "text": TEXT}), range(8)))
    assert [status for status, _ in answers] == [200] * 8
    assert {json.loads(answer)["predictions"][0]["summary"] for _, answer in answers} == {expected(server)}


def test_a_row_that_nobody_has_registered_is_an_error_that_says_what_registers_it(server: Server) -> None:
    command = [sys.executable, "-m", "stages.serve", "--row", "bart"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "DVC_ROOT": str(server.videos.parent)}
    done = subprocess.run(command, cwd=server.videos.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no model clipsum-kitchen-bart is registered" in done.stderr
    assert "Traceback" not in done.stderr and "evaluate*@bart" in done.stderr
