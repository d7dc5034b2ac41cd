"""Published weights: from a local folder, from a hub (a local server with its layout), or an error that says what to do."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import save_file

from pipeline import weights
from pipeline.encoders import ENCODERS, build_clip, build_tower, load_encoder
from tests import toys

CLIP = ENCODERS["clip_vit_b32", "full"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The published CLIP tower, shrunk; the current folder is empty."""
    spec = toys.TOWER
    monkeypatch.setitem(
        ENCODERS, ("clip_vit_b32", "full"), type(spec)(**(vars(spec) | {"repository": CLIP.repository, "file": CLIP.file}))
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_local_folder_is_used_before_the_hub(small: Path) -> None:
    torch.manual_seed(3)
    clip = build_clip(ENCODERS["clip_vit_b32", "full"])
    path = small / weights.LOCAL / CLIP.repository / CLIP.file
    path.parent.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in clip.state_dict().items()}, path)
    source = weights.fetch_encoder("clip_vit_b32", small / "weights" / "clip_vit_b32")["source"]
    assert source == f"{CLIP.repository}/{CLIP.file} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    loaded = load_encoder(small / "weights" / "clip_vit_b32").module.state_dict()
    assert loaded.keys() == clip.visual.state_dict().keys()  # type: ignore[operator,union-attr]
    assert all(torch.equal(loaded[name], tensor) for name, tensor in clip.visual.state_dict().items())  # type: ignore[operator,union-attr]


def test_weights_of_another_model_are_refused(small: Path) -> None:
    path = small / weights.LOCAL / CLIP.repository / CLIP.file
    path.parent.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in build_tower(toys.TOWER).state_dict().items()}, path)
    with pytest.raises(RuntimeError, match="Missing key"):
        weights.fetch_encoder("clip_vit_b32", small / "out")
    assert not (small / "out").exists()


class Hub(BaseHTTPRequestHandler):
    """The two requests a hub client makes for a file."""

    files: dict[str, bytes]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        content = self.files.get(self.path)
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    folder = toys.text_model(tmp_path / "bart")
    (folder / "vocab.json").write_text(json.dumps({"<s>": 0}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    Hub.files = {f"/{weights.TEXT_MODEL}/resolve/main/{path.name}": path.read_bytes() for path in folder.iterdir()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def fetch(folder: Path, endpoint: str, call: str) -> subprocess.CompletedProcess[str]:
    """Run `call` of `pipeline.weights` in a process of its own: the hub client reads its address when imported."""
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hub"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment |= {"HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}
    for name in ("HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY"):
        environment.pop(name, None)
    code = f"from pathlib import Path; from pipeline.weights import *; {call}"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_bart_comes_from_a_hub_with_a_digest_per_file(hub: str, tmp_path: Path) -> None:
    done = fetch(tmp_path, hub, "fetch_text_model(Path('out'))")
    assert done.returncode == 0, done.stderr[-2000:]
    source = json.loads((tmp_path / "out" / "source.json").read_text())
    assert source["repository"] == "facebook/bart-base"
    assert {"config.json", "model.safetensors", "vocab.json", "merges.txt"} <= source["sha256"].keys()
    for name, digest in source["sha256"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", ["clip_vit_b32", "resnet152"])
def test_without_a_hub_the_error_names_the_weight_and_how_to_supply_it(tmp_path: Path, name: str) -> None:
    spec = ENCODERS[name, "full"]
    done = fetch(tmp_path, "http://127.0.0.1:9", f"fetch_encoder({name!r}, Path('out'))")
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert f"weights {spec.repository}/{spec.file} cannot be fetched" in error
    assert f"data/inputs/weights/{spec.repository}/{spec.file}" in error
    assert "HF_ENDPOINT" in error
    assert not (tmp_path / "out").exists()
