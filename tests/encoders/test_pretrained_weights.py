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
import timm
import torch
from safetensors.torch import save_file

from pipeline.encoders import pretrained_weights as weights
from pipeline.encoders.encoder import MINI, EncoderSpec, build_clip, build_module, load_encoder
from pipeline.encoders.pretrained_specs import pretrained_spec
from tests import toys

TINY = "timm:resnet10t.c3_in1k"  # 5 million parameters, loaded as every encoder of timm is


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder: Path, spec: EncoderSpec, state: dict[str, torch.Tensor]) -> Path:
    path = folder / weights.LOCAL / spec.repository / spec.file
    path.parent.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def same(encoder: torch.nn.Module, state: dict[str, torch.Tensor], *, prefix: str = "") -> bool:
    return all(torch.equal(tensor, state[prefix + name]) for name, tensor in encoder.state_dict().items())


def test_clip_from_a_local_folder_is_its_image_encoder(small: Path) -> None:
    spec = pretrained_spec("clip_vit_b32")
    torch.manual_seed(3)
    state = build_clip(spec).state_dict()
    path = put(small, spec, state)
    source = weights.fetch_encoder("clip_vit_b32", small / "weights" / "clip_vit_b32")
    assert source == {
        "source": f"{spec.repository}/{spec.file}",
        "revision": "local",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert same(load_encoder(small / "weights" / "clip_vit_b32").module, state, prefix="visual.")


def test_a_classifier_is_taken_without_its_head(small: Path) -> None:
    spec = pretrained_spec(TINY)
    torch.manual_seed(3)
    state = timm.create_model(spec.architecture, pretrained=False).state_dict()
    assert "fc.weight" in state
    put(small, spec, state)
    weights.fetch_encoder(TINY, small / "out")
    encoder = load_encoder(small / "out").module
    assert same(encoder, state)
    assert "fc.weight" not in encoder.state_dict()


def test_blip_is_taken_without_its_text_model(small: Path) -> None:
    spec = pretrained_spec("blip_b16")
    torch.manual_seed(3)
    state = {f"vision_model.{name}": tensor for name, tensor in build_module(spec).state_dict().items()}
    put(small, spec, state | {"text_decoder.bias": torch.zeros(3)})
    weights.fetch_encoder("blip_b16", small / "out")
    assert same(load_encoder(small / "out").module, state, prefix="vision_model.")


def test_random_encoders_need_no_file_and_are_the_same_everywhere(small: Path) -> None:
    for out in ("a", "b"):
        weights.fetch_encoder("random_vit_b32", small / out)
    first, second = ((small / out / "encoder.safetensors").read_bytes() for out in ("a", "b"))
    assert first == second
    assert "never trained" in json.loads((small / "a" / "encoder.json").read_text())["source"]["source"]


def test_the_random_mini_encoder_has_the_mini_clip_encoder_s_shape(tmp_path: Path) -> None:
    for out in ("a", "b"):
        source = weights.write_random_encoder(MINI["random_vit_b32"], tmp_path / out)
    assert source == {"source": "random weights, seed 0: the architecture of clip_vit_b32 at scale mini, never trained"}
    assert (tmp_path / "a" / "encoder.safetensors").read_bytes() == (tmp_path / "b" / "encoder.safetensors").read_bytes()
    encoder = load_encoder(tmp_path / "a")
    assert {name: tensor.shape for name, tensor in encoder.module.state_dict().items()} == {
        name: tensor.shape for name, tensor in build_module(MINI["clip_vit_b32"]).state_dict().items()
    }


def test_weights_of_another_model_are_refused(small: Path) -> None:
    put(small, pretrained_spec(TINY), build_module(toys.ENCODER).state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        weights.fetch_encoder(TINY, small / "out")
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
    repository, _ = weights.TEXT_MODELS["bart"]
    Hub.files = {f"/{repository}/resolve/main/{path.name}": path.read_bytes() for path in folder.iterdir()}
    folder = toys.t5(tmp_path / "t5")
    (folder / "spiece.model").write_bytes(b"pieces")
    repository, _ = weights.TEXT_MODELS["t5"]
    Hub.files |= {f"/{repository}/resolve/main/{path.name}": path.read_bytes() for path in folder.iterdir()}
    spec = pretrained_spec(TINY)
    encoder = timm.create_model(spec.architecture, pretrained=False)
    encoder_file = tmp_path / "encoder.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}, encoder_file)
    Hub.files[f"/{spec.repository}/resolve/main/{spec.file}"] = encoder_file.read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def fetch(folder: Path, endpoint: str, call: str) -> subprocess.CompletedProcess[str]:
    """Run `call` in a process of its own: the hub client reads its address when imported."""
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hub"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment |= {"HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    for name in ("HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY"):
        environment.pop(name, None)
    code = f"from pathlib import Path; from pipeline.encoders.pretrained_weights import *; {call}"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "repository", "vocabulary"),
    [("bart", "facebook/bart-base", {"vocab.json", "merges.txt"}), ("t5", "google-t5/t5-base", {"spiece.model"})],
)
def test_a_text_model_comes_from_a_hub_with_a_digest_per_file(
    hub: str, tmp_path: Path, name: str, repository: str, vocabulary: set[str]
) -> None:
    done = fetch(tmp_path, hub, f"fetch_text_model({name!r}, Path('out'))")
    assert done.returncode == 0, done.stderr[-2000:]
    source = json.loads((tmp_path / "out" / "source.json").read_text())
    assert source["repository"] == repository
    assert source["revision"] == "0" * 40
    assert {"config.json", "model.safetensors", *vocabulary} <= source["sha256"].keys()
    for name, digest in source["sha256"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest


def test_an_encoder_comes_from_a_hub_with_revision_and_digest(hub: str, tmp_path: Path) -> None:
    done = fetch(tmp_path, hub, f"fetch_encoder({TINY!r}, Path('out'))")
    assert done.returncode == 0, done.stderr[-2000:]
    source = json.loads((tmp_path / "out" / "encoder.json").read_text())["source"]
    assert source["revision"] == "0" * 40
    assert source["sha256"] == hashlib.sha256((tmp_path / "encoder.safetensors").read_bytes()).hexdigest()


def test_without_a_hub_the_error_names_the_weight_and_how_to_supply_it(tmp_path: Path) -> None:
    name = "resnet152"
    spec = pretrained_spec(name)
    done = fetch(tmp_path, "http://127.0.0.1:9", f"fetch_encoder({name!r}, Path('out'))")
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert f"weights {spec.repository}/{spec.file} cannot be fetched" in error
    assert f"data/inputs/weights/{spec.repository}/{spec.file}" in error
    assert "HF_ENDPOINT" in error
    assert not (tmp_path / "out").exists()
