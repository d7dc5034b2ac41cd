"""A local page to drop a video into: pick a row, see its frames, what is said, the summary and what was attended to.

Gradio, an optional package, makes the form; below it stands the page that `summarise --html` writes. Nothing is asked of any
other machine: `pipeline.inference.gate` sees to that.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.base.params import Params
from pipeline.base.templates import ROOMS, render
from pipeline.base.tracking_server import CLOSING_SECONDS, HOST
from pipeline.inference.asked import LARGEST_FILE, AskedError
from pipeline.inference.chosen import choose_seed
from pipeline.inference.dropped import Answer, Desk, rows_offered
from pipeline.inference.gate import gated
from pipeline.inference.listening import open_ear
from pipeline.inference.trained import MINI

WAITING = 8  # videos in the queue; more are told to come back
_UPLOADS_STAY = (60, 3600)  # seconds between two looks at uploads, and their age when they go
_TEMPLATES = ROOMS / "inference" / "templates"


def serve_app(row: str, params: Params, *, port: int, listen: bool = False) -> None:
    """Serve the page on this machine alone until the process is told to stop (SIGINT, SIGTERM); `row` is the one picked first.

    A video without a text is listened to where the study has `speech`, or if `listen` says so.

    Uploads lie in a temporary folder, which goes at the end. Raises what `choose_seed` says of the row, `RuntimeError` if gradio
    is not installed, and `OSError` for a port that is taken.
    """
    choose_seed(row, params)
    desk = Desk(params, open_ear(params, listen=listen))
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn sends on to it what has stopped it: the folder has to go
    with TemporaryDirectory(prefix="app-") as folder:
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}  # of this process, which does nothing else
        app = _application(row, params, desk, port)
        import uvicorn

        print(f"app: http://{HOST}:{port}", flush=True)
        config = uvicorn.Config(
            gated(app, Path(folder)),
            host=HOST,
            port=port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=CLOSING_SECONDS,
        )
        uvicorn.Server(config).run()


def _application(row: str, params: Params, desk: Desk, port: int) -> Any:
    try:
        import gradio
    except ImportError as error:
        how = "`make setup` installs it, or `uv pip install gradio 'pillow<13'`"
        raise RuntimeError(f"the page needs gradio ({error}): {how}") from error
    from fastapi import FastAPI

    titles, reasons = rows_offered(params)
    form = _form(gradio, row, desk, titles, reasons)
    return gradio.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        form,
        path="/",
        server_name=HOST,
        server_port=port,
        footer_links=[],
        run_history=False,
        max_file_size=LARGEST_FILE,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css_paths=_TEMPLATES / "app.css",
    )


def _form(gradio: Any, row: str, desk: Desk, titles: Mapping[str, str], reasons: Mapping[str, str]) -> Any:
    with gradio.Blocks(title="A video and its summary", analytics_enabled=False, delete_cache=_UPLOADS_STAY) as form:
        gradio.HTML(
            _words("app_head.html.jinja", study=desk.params.study, caution=MINI if desk.params.current.scale == "mini" else "")
        )
        with gradio.Row():
            files = gradio.File(label="Video (and its .txt, .vtt or .srt)", file_count="multiple", height=200, elem_id="files")
            with gradio.Column():
                picked = gradio.Dropdown(
                    [(f"{title} ({name})", name) for name, title in titles.items()], value=row, label="Row", filterable=False
                )
                text = gradio.Textbox(
                    label="What is said in it",
                    lines=4,
                    max_lines=8,
                    placeholder="Empty: the text that is dropped with it, or the study's own",
                )
        button = gradio.Button("Summarise", variant="primary")
        told = gradio.HTML(elem_id="told")
        summary = gradio.Textbox(label="Summary", interactive=False, visible=False, lines=2, elem_id="summary", buttons=["copy"])
        script = (_TEMPLATES / "app.js").read_text(encoding="utf-8")
        frame = '<iframe sandbox="allow-scripts" title="Frames, text, summary and attention" hidden></iframe>'
        page = gradio.HTML(elem_id="page", html_template=frame, js_on_load=script)
        if reasons:
            with gradio.Accordion(f"Rows that are not offered ({len(reasons)})", open=False):
                gradio.HTML(_words("app_rows.html.jinja", reasons=reasons))
        button.click(
            _answering(gradio, desk), [files, picked, text], [told, summary, page],
            api_visibility="private", concurrency_limit=1, show_progress_on=told,
        )  # fmt: skip
    return form.queue(max_size=WAITING, default_concurrency_limit=1)


def _answering(gradio: Any, desk: Desk) -> Callable[[Sequence[str] | None, str, str], tuple[Any, ...]]:
    """What the button does. A refusal is said in the page, and what an earlier video has left there goes."""

    def answer(files: Sequence[str] | None, row: str, text: str) -> tuple[Any, ...]:
        try:
            found: Answer = desk.answer([Path(file) for file in files or ()], row, text or "")
        except AskedError as error:
            return _words("app_told.html.jinja", reason=str(error), answer=None), gradio.Textbox(value="", visible=False), None
        told = _words("app_told.html.jinja", reason="", answer=found)
        return told, gradio.Textbox(value=found.summary, visible=True), {"html": found.page}

    return answer


def _words(template: str, **values: Any) -> str:
    return render(f"inference/templates/{template}", **values)
