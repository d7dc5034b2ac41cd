"""The local page in a real browser, on a drawn video; and what it refuses to whoever asks without one."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.params import load_params
from pipeline.inference import app
from pipeline.inference.files import Texts
from pipeline.inference.summarise import summarise_video
from pipeline.inference.trained import open_row
from tests.base.served import free_port
from tests.inference.trained_project import PARAMS, ROOT, trained_project, video

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(find_spec("gradio") is None, reason="gradio, an optional package, is not installed")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to open the page in")
TEXT = "now add this and stir it well"


@dataclass(frozen=True)
class Running:
    """The command on a project of its own, and the temporary folder to which it may write."""

    address: str
    project: Path
    temporary: Path
    process: "subprocess.Popen[bytes]"
    log: Path

    def ask(self, path: str, content: bytes | None = None, **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(f"{self.address}{path}", content, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = trained_project(tmp_path_factory.mktemp("project"))
    video(project / "film.mp4")
    (project / "broken.mp4").write_bytes(b"no video at all")
    temporary = tmp_path_factory.mktemp("temporary")
    port, log = free_port(), project / "app.log"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "stages.app", "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=project, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )  # fmt: skip
        found = Running(f"http://127.0.0.1:{port}", project, temporary, process, log)
        try:
            _wait(found)
            yield found
        finally:
            process.kill()
            process.wait()


def _wait(running: Running) -> None:
    for _ in range(240):
        assert running.process.poll() is None, running.log.read_text()
        try:
            if running.ask("/")[0] == 200:
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(running.log.read_text())


@pytest.fixture
def page(running: Running) -> Iterator[Any]:
    """The page; a request to anywhere else, or a complaint of the browser, fails the test."""
    from playwright.sync_api import sync_playwright

    troubles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(60_000)
        own = (f"{running.address}/", "data:", "blob:", "about:srcdoc")
        opened.on("request", lambda request: None if request.url.startswith(own) else troubles.append(request.url))
        opened.on("response", lambda answer: troubles.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
        opened.on("pageerror", lambda error: troubles.append(str(error)))
        opened.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        opened.goto(running.address)
        opened.get_by_role("button", name="Summarise").wait_for()
        yield opened
        browser.close()
    assert troubles == []


def drop(page: Any, *files: Path) -> None:
    if page.get_by_label("Clear").count():
        page.get_by_label("Clear").click()
    page.set_input_files("input[type=file]", files)
    for file in files:
        page.get_by_text(file.stem, exact=False).first.wait_for()
    page.wait_for_function("() => !document.querySelector('.uploading, .progress-bar')")


def summarise(page: Any, told: str) -> str:
    """Press the button, wait until the page tells something with `told` in it, and give that."""
    page.get_by_role("button", name="Summarise").click()
    page.locator("#told p", has_text=told).wait_for()
    return str(page.inner_text("#told"))


def pick(page: Any, row: str) -> None:
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(300)  # the list closes when the page is scrolled
    page.get_by_role("combobox", name="Row").click()
    page.get_by_role("option", name=row).click()


def expected(running: Running, row: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(running.project)
        film = Path("film.mp4")
        return summarise_video(open_row(row, PARAMS), film, Texts(None).of(film), PARAMS).text


@needs_chromium
def test_a_video_is_dropped_and_its_summary_frames_and_attention_are_shown(page: Any, running: Running) -> None:
    assert "drawn kitchens" in page.inner_text("body")
    drop(page, running.project / "film.mp4", running.project / "film.txt")
    told = summarise(page, "seed 1; 6 frames")
    assert "decode" in told and "generate" in told
    assert page.locator("#summary textarea").input_value() == expected(running, "clipsum")
    shown = page.frame_locator("#page iframe")
    assert shown.locator(".shots img").count() == 6
    assert shown.locator(".shots li").first.inner_text().strip() == "0.0 s"
    assert shown.locator(".text").inner_text().split() == TEXT.split()
    word = shown.locator(".summary button").first
    word.click()
    assert word.get_attribute("aria-pressed") == "true"
    assert any(float(share) > 0 for share in json.loads(word.get_attribute("data-frames")))
    coloured = "nodes => nodes.filter(node => node.style.borderColor).length"
    assert shown.locator(".shots li").evaluate_all(coloured) > 0
    height, inside = page.locator("#page iframe").bounding_box()["height"], shown.locator("html").bounding_box()["height"]
    assert abs(height - inside) < 3, "the frame is as tall as its page"

    pick(page, "BART (bart)")
    told = summarise(page, "Row bart")
    assert page.locator("#summary textarea").input_value() == expected(running, "bart")
    shown.get_by_text("This row sees no frames.").wait_for()
    pick(page, "ClipSum (clipsum)")
    assert "load the row" not in summarise(page, "Row clipsum"), "it has been kept"


@needs_chromium
def test_what_is_wrong_is_said_in_the_page_which_goes_on(page: Any, running: Running) -> None:
    summarise(page, "No summary: drop a video first")
    drop(page, running.project / "film.mp4")
    summarise(page, "No summary: film.mp4: no text. Write what is said in it")
    page.get_by_label("What is said in it").fill("{{value}} ${1+1} <img src=x onerror=document.title='hacked'>")
    summarise(page, "Row clipsum")
    assert "<img src=x" in page.frame_locator("#page iframe").locator(".text").inner_text()
    assert page.title() == "A video and its summary"
    drop(page, running.project / "broken.mp4")
    summarise(page, "No summary: broken.mp4: not a video")
    assert page.locator("#summary").count() == 0 or page.locator("#summary").is_hidden()
    assert page.locator("#page iframe").is_hidden(), "nothing of the video before stays"
    page.get_by_role("button", name="Rows that are not offered").click()
    page.get_by_text("`dvc exp run -S study=kitchen --glob 'train*@resnet152'` trains it").wait_for()


@needs_chromium
@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_its_window(page: Any, running: Running, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    drop(page, running.project / "film.mp4", running.project / "film.txt")
    summarise(page, "Row clipsum")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    inside = page.frame_locator("#page iframe").locator("html")
    assert inside.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_its_first_page_names_no_script_font_or_style_of_elsewhere(running: Running) -> None:
    status, first = running.ask("/")
    assert status == 200
    assert re.findall(r'<(?:link|script|iframe|img)\b[^>]*(?:src|href)="(?:https?:)?//', first) == []
    assert "@import" not in running.ask("/theme.css")[1]
    config = json.loads(running.ask("/config")[1])
    assert config["analytics_enabled"] is False


def test_no_file_and_no_other_server_is_reached_through_it(running: Running) -> None:
    for path in (
        "/gradio_api/file=/etc/passwd",
        f"/gradio_api/file={running.project / 'params.yaml'}",
        "/gradio_api/file=params.yaml",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:9/",
        "/static/..%2f..%2f..%2f..%2fetc/passwd",
        "/assets/..%2f..%2f..%2f..%2fetc/passwd",
        "/static/%2e%2e/%2e%2e/version.txt",
        "/gradio_api/runs",
        "/gradio_api/openapi.json",
        "/docs",
    ):
        status, answer = running.ask(path)
        assert status in (403, 404), (path, status)
        assert "root:" not in answer and "study:" not in answer


def test_a_question_about_a_file_that_was_not_uploaded_is_refused(running: Running) -> None:
    (dependency,) = json.loads(running.ask("/config")[1])["dependencies"]
    film = str(running.project / "film.mp4")
    for path in (film, "/etc/passwd", "film.mp4", "http://127.0.0.1:9/film.mp4", f"{running.temporary}/app-x/../../film.mp4"):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        question = {"data": [[file], "clipsum", TEXT], "fn_index": dependency["id"], "session_hash": "abcdefgh"}
        status, answer = running.ask(
            "/gradio_api/queue/join", json.dumps(question).encode(), **{"Content-Type": "application/json"}
        )
        assert (status, answer) == (403, "ask about files that were uploaded here, and about no others"), path


def test_pages_of_elsewhere_are_refused(running: Running) -> None:
    for host in ("evil.example", "evil.example:5000", "127.0.0.1.evil.example", ""):
        assert running.ask("/", Host=host)[0] == 400
    assert running.ask("/", Host="localhost:5000")[0] == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert running.ask("/gradio_api/upload", b"x", Origin=origin)[0] == 403
    assert running.ask("/gradio_api/upload", b"x", Origin=running.address)[0] == 400, "no form, but its own page"
    assert running.ask("/gradio_api/queue/join", b"x", **{"Content-Length": str(3 << 30)})[0] == 413


def test_it_needs_gradio_and_says_so(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(running.project)
    monkeypatch.setitem(sys.modules, "gradio", None)
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")  # it sets them for its process
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(RuntimeError, match="`make setup` installs it, or `uv pip install gradio 'pillow<13'`"):
            app.serve_app("clipsum", load_params(), port=free_port())
    finally:
        signal.signal(signal.SIGTERM, handler)


def test_a_row_that_is_not_trained_and_a_port_that_is_taken_are_told(running: Running) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    port = running.address.rpartition(":")[2]
    for arguments, told in (
        (["--row", "resnet152"], "row resnet152 has never been trained here"),
        (["--row", "nothing"], "'nothing' is none of"),
        (["--port", port], f"app: port {port} cannot be had (Address already in use); try another with PORT={int(port) + 1}"),
    ):
        command = [sys.executable, "-m", "stages.app", *arguments]
        done = subprocess.run(command, cwd=running.project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and told in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_told_to_stop_it_takes_its_uploads_along(running: Running) -> None:
    """The last test here: it stops the server."""
    (folder,) = running.temporary.glob("app-*")
    form = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\ncontent\r\n--x--\r\n'
    status, answer = running.ask("/gradio_api/upload", form, **{"Content-Type": "multipart/form-data; boundary=x"})
    (kept,) = json.loads(answer)
    assert status == 200 and Path(kept).is_relative_to(folder) and Path(kept).read_text() == "content"
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(timeout=30)
    assert list(running.temporary.glob("app-*")) == []
    assert running.log.read_text() == f"app: {running.address}\n", "nothing has gone wrong on the way"
