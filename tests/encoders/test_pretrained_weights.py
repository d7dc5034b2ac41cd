"""Published weights from a hub (a local server with its layout) or a folder, as pinned, or an error that says what to do."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from pipeline.base import pins
from pipeline.base.encoder_names import ENCODERS
from pipeline.base.hub import fetch_files
from pipeline.encoders import pretrained_weights as weights
from pipeline.encoders.pretrained_specs import pretrained_spec
from pipeline.evaluation.bertscore import REPOSITORY
from tests import toys
from tests.encoders.local_weights import COMMIT, TINY, digest, pin, put

HEAD = "0" * 40


class Hub(BaseHTTPRequestHandler):
    """The two requests a hub client makes for a file: `/<repository>/resolve/<revision>/<file>`."""

    files: dict[str, bytes]
    status: dict[str, int]  # answers other than 200
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        repository, _, rest = self.path[1:].partition("/resolve/")
        revision, _, file = rest.partition("/")
        name = f"{repository}/{file}"
        self.asked.append(f"{name}@{revision}")
        status = self.status.get(name, 200 if name in self.files else 404)
        content = self.files[name] if status == 200 else b""
        self.send_response(status)
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", HEAD if revision == "main" else revision)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


def text_model(name: str, folder: Path) -> Path:
    """A folder as the hub has it: BART without, T5 with a configuration of its tokenizer."""
    if name == "bart":
        toys.text_model(folder)
        tokens = {token: number for number, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abcdef", "Ġ"])}
        tokenizer = Tokenizer(models.BPE(tokens, [], unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        (folder / "vocab.json").write_text(json.dumps(tokens))
        (folder / "merges.txt").write_text("#version: 0.2\n")
    else:
        toys.t5(folder)
        tokenizer = Tokenizer(models.Unigram([(token, -1.0) for token in ["<pad>", "</s>", "<unk>", *"abcdef", "▁"]], unk_id=2))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        (folder / "spiece.model").write_bytes(b"pieces")
        (folder / "tokenizer_config.json").write_text(json.dumps({"extra_ids": 0}))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    Hub.files, Hub.status, Hub.asked = {}, {}, []
    for name, (repository, _) in weights.TEXT_MODELS.items():
        Hub.files |= {f"{repository}/{path.name}": path.read_bytes() for path in text_model(name, tmp_path / name).iterdir()}
    spec = pretrained_spec(TINY)
    encoder = timm.create_model(spec.architecture, pretrained=False)
    encoder_file = tmp_path / "encoder.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}, encoder_file)
    Hub.files[f"{spec.repository}/{spec.file}"] = encoder_file.read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def fetch(folder: Path, endpoint: str, call: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `call` in a process of its own: the hub client reads its address when imported."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hub"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    settings |= {"HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    inherited = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY")}
    code = f"from pathlib import Path; from pipeline.encoders.pretrained_weights import *; {call}"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=inherited | settings | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "repository", "vocabulary"),
    [("bart", "facebook/bart-base", {"vocab.json", "merges.txt"}), ("t5", "google-t5/t5-base", {"spiece.model"})],
)
def test_a_text_model_comes_from_a_hub_at_the_pinned_commit_with_a_digest_per_file(
    hub: str, tmp_path: Path, name: str, repository: str, vocabulary: set[str]
) -> None:
    pin(tmp_path, repository, {"config.json": digest(tmp_path / name / "config.json")})
    done = fetch(tmp_path, hub, f"fetch_text_model({name!r}, Path('out'))")
    assert done.returncode == 0, done.stderr[-2000:]
    source = json.loads((tmp_path / "out" / "source.json").read_text())
    assert source["repository"] == repository
    assert source["revision"] == COMMIT
    assert source["as_pinned"] == ["config.json"]
    assert {"config.json", "model.safetensors", "tokenizer.json", *vocabulary} <= source["sha256"].keys()
    assert {asked.partition("@")[2] for asked in Hub.asked} == {COMMIT}
    for file, sha256 in source["sha256"].items():
        assert digest(tmp_path / "out" / file) == sha256
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*source["sha256"], "source.json"}
    assert not (tmp_path / ".out.tmp").exists()


def test_what_is_not_pinned_is_fetched_and_said_in_lines_that_pin_it(hub: str, tmp_path: Path) -> None:
    call = f"fetch_encoder({TINY!r}, Path('out'))"
    done = fetch(tmp_path, hub, call)
    assert done.returncode == 0, done.stderr[-2000:]
    source = json.loads((tmp_path / "out" / "encoder.json").read_text())["source"]
    assert source["revision"] == HEAD
    assert source["sha256"] == digest(tmp_path / "encoder.safetensors")
    assert source["as_pinned"] == "no digest is pinned"
    warning, *lines = done.stdout.splitlines()
    assert warning.startswith(f"warning: {pretrained_spec(TINY).repository}: neither its commit nor a digest is pinned")
    assert "pipeline/base/pinned.yaml" in warning
    path = tmp_path / pins.LOCAL / "pinned.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(["repositories:", *lines]))
    done = fetch(tmp_path, hub, call)
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads((tmp_path / "out" / "encoder.json").read_text())["source"] == source | {"as_pinned": "yes"}


def test_a_file_with_another_digest_than_the_pinned_one_is_refused(hub: str, tmp_path: Path) -> None:
    repository, _ = weights.TEXT_MODELS["t5"]
    expected = {"config.json": "a" * 64, "tokenizer.json": "b" * 64, "spiece.model": digest(tmp_path / "t5" / "spiece.model")}
    pin(tmp_path, repository, expected)
    error = last_line(fetch(tmp_path, hub, "fetch_text_model('t5', Path('out'))"))
    assert f"weights of {repository} are not the pinned ones" in error
    for file in ("config.json", "tokenizer.json"):
        assert f"has {digest(tmp_path / 't5' / file)}, pinned is {expected[file]}" in error
    assert digest(tmp_path / "t5" / "spiece.model") not in error
    assert "Delete what is named" in error and "pipeline/base/pinned.yaml" in error
    assert not (tmp_path / "out").exists()


def test_random_weights_are_not_taken_for_the_published_ones(small: Path) -> None:
    spec = pretrained_spec("resnet50")
    put(small, spec, {"fc.bias": torch.zeros(1)})
    with pytest.raises(RuntimeError, match="are not the pinned ones"):
        weights.fetch_encoder("resnet50", small / "out")


def test_an_optional_file_is_left_out_only_if_it_is_not_published(hub: str, tmp_path: Path) -> None:
    repository, _ = weights.TEXT_MODELS["bart"]
    pin(tmp_path, repository)
    call = "fetch_text_model('bart', Path('out'))"
    Hub.status[f"{repository}/generation_config.json"] = 501
    error = last_line(fetch(tmp_path, hub, call))
    assert f"weights {repository}/generation_config.json (HfHubHTTPError, status 501) cannot be fetched" in error
    del Hub.status[f"{repository}/generation_config.json"], Hub.files[f"{repository}/generation_config.json"]
    done = fetch(tmp_path, hub, call)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (tmp_path / "out" / "generation_config.json").exists()
    done = fetch(tmp_path, hub, call, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, "the client's cache remembers that the file is not published"


def test_all_files_that_are_missing_are_named_at_once(hub: str, tmp_path: Path) -> None:
    repository, _ = weights.TEXT_MODELS["t5"]
    pin(tmp_path, repository)
    for file in ("tokenizer.json", "model.safetensors", "spiece.model"):
        del Hub.files[f"{repository}/{file}"]
    error = last_line(fetch(tmp_path, hub, "fetch_text_model('t5', Path('out'))"))
    for file in ("tokenizer.json", "model.safetensors"):
        assert f"{repository}/{file} (not published at this commit)" in error
    assert f"{repository}/spiece.model" not in error and f"{repository}/config.json (" not in error
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        assert str(pins.LOCAL / repository / file) in error
    assert not (tmp_path / "out").exists()


def test_without_a_network_all_files_are_named_at_once(tmp_path: Path) -> None:
    repository, files = weights.TEXT_MODELS["t5"]
    error = last_line(fetch(tmp_path, "http://127.0.0.1:9", "fetch_text_model('t5', Path('out'))", HF_HUB_OFFLINE="1"))
    assert f"{repository}/config.json (OfflineModeIsEnabled)" in error
    assert all(f"{repository}/{file} (" in error for file in files)
    assert "HF_ENDPOINT" in error


def test_a_hub_that_does_not_answer_is_waited_for_once(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached_only = []

    def download(repository: str, file: str, *, revision: str | None, local_files_only: bool, dry_run: bool) -> str:
        cached_only.append(local_files_only)
        raise LocalEntryNotFoundError("check your connection") from TimeoutError()

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(RuntimeError, match=r"x/y/a \(TimeoutError\), x/y/b \(not in the client's cache\)"):
        fetch_files("x/y", [("a",), ("b",)])
    assert cached_only == [False, True]


def test_another_commit_than_the_pinned_one_is_refused(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(small, "x/y")
    known, path = SimpleNamespace(file_size=1), f"hub/snapshots/{HEAD}/a"
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, dry_run=False, **__: known if dry_run else path)
    with pytest.raises(RuntimeError, match=f"commit {COMMIT} was asked for, {HEAD} came"):
        fetch_files("x/y", [("a",)])


def test_without_a_hub_the_error_names_the_weight_and_how_to_supply_it(tmp_path: Path) -> None:
    name = "resnet152"
    spec = pretrained_spec(name)
    error = last_line(fetch(tmp_path, "http://127.0.0.1:9", f"fetch_encoder({name!r}, Path('out'))"))
    assert f"weights {spec.repository}/{spec.file} (ConnectError) cannot be fetched" in error
    assert f"data/inputs/weights/{spec.repository}/{spec.file}" in error
    assert "HF_ENDPOINT" in error
    assert not (tmp_path / "out").exists()


@pytest.fixture
def local_t5(small: Path) -> Path:
    """A local folder of T5, pinned without digests."""
    repository, _ = weights.TEXT_MODELS["t5"]
    pin(small, repository)
    return text_model("t5", small / pins.LOCAL / repository)


def test_a_local_text_model_needs_its_tokenizer_and_not_its_sentence_pieces(local_t5: Path, small: Path) -> None:
    for file in ("spiece.model", "generation_config.json"):
        (local_t5 / file).unlink()
    assert weights.fetch_text_model("t5", small / "out")["revision"] == "local"
    assert (small / "out" / "tokenizer.json").exists() and not (small / "out" / "spiece.model").exists()
    (local_t5 / "tokenizer.json").unlink()
    with pytest.raises(RuntimeError, match=r"weights google-t5/t5-base/tokenizer\.json \(not in the folder\) cannot be fetched"):
        weights.fetch_text_model("t5", small / "out")


@pytest.mark.parametrize(
    ("file", "change", "complaint"),
    [
        (
            "tokenizer.json",
            {"model": None},
            "transformers cannot read configuration and tokenizer from .*t5-base .*tokenizer.json",
        ),
        (
            "config.json",
            {"model_type": "nothing"},
            "transformers cannot read configuration and tokenizer from .*t5-base .*config.json",
        ),
        ("config.json", {"model_type": "bart"}, "config.json: model_type is 'bart', not 't5'; another model lies there"),
        ("config.json", {"vocab_size": 4}, "t5-base: tokenizer.json has 10 tokens, the model of config.json 4"),
    ],
)
def test_a_text_model_that_training_could_not_read_is_refused(
    local_t5: Path, small: Path, file: str, change: dict[str, object], complaint: str
) -> None:
    text = json.loads((local_t5 / file).read_text())
    (local_t5 / file).write_text(json.dumps(text | change))
    with pytest.raises(RuntimeError, match=complaint):
        weights.fetch_text_model("t5", small / "out")
    assert not (small / "out").exists() and not (small / ".out.tmp").exists()


def test_every_pin_is_of_a_file_that_is_fetched() -> None:
    files = {repository: set(names) for repository, names in weights.TEXT_MODELS.values()}
    for name in ENCODERS:
        spec = pretrained_spec(name)
        files.setdefault(spec.repository, set()).add(spec.file)
    pinned = pins.parse_yaml(pins.Pins, pins.PINNED).repositories
    heard = {"model.bin", "config.json", "tokenizer.json", "vocabulary.txt"}
    files |= {name: heard for name in pinned if "faster-whisper" in name}
    files[REPOSITORY] = set()  # no digest of its files is known here
    assert pinned.keys() <= files.keys()
    assert {"facebook/bart-base", "google-t5/t5-base", pretrained_spec("clip_vit_b32").repository} <= pinned.keys()
    assert all(pin.sha256.keys() <= files[repository] for repository, pin in pinned.items())


def test_a_pin_that_is_none_is_refused(small: Path) -> None:
    pin(small, "x/y", {"a": "A" * 64}, revision="main")
    with pytest.raises(ValueError, match=r"pinned\.yaml: repositories\.x/y\.revision: .*\n.*: repositories\.x/y\.sha256\.a: "):
        pins.pin_of("x/y")
