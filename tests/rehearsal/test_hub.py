"""The stand-in for the hub, asked by the hub's own client."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import requests
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

from pipeline.rehearsal.hub import head_commit, serve_hub

REPOSITORY = "someone/some-model"
CONTENT = bytes(range(256)) * 5000
PINNED = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("hub")
    (folder / REPOSITORY).mkdir(parents=True)
    (folder / REPOSITORY / "model.safetensors").write_bytes(CONTENT)
    (folder / REPOSITORY / "config.json").write_text("{}")
    (folder / "secret.txt").write_text("beside the repositories")
    with serve_hub(folder) as address:
        yield address


def test_a_file_arrives_whole_under_the_commit_of_main(address: str, tmp_path: Path) -> None:
    path = Path(hf_hub_download(REPOSITORY, "model.safetensors", endpoint=address, cache_dir=tmp_path))
    assert path.read_bytes() == CONTENT
    assert path.parent.name == head_commit(REPOSITORY)
    assert path.resolve().name == sha256(CONTENT).hexdigest(), "the client names what it keeps by the ETag"


def test_a_pinned_commit_is_the_one_that_was_asked_for(address: str, tmp_path: Path) -> None:
    path = Path(hf_hub_download(REPOSITORY, "config.json", revision=PINNED, endpoint=address, cache_dir=tmp_path))
    assert path.parent.name == PINNED


def test_what_is_missing_is_told_apart(address: str, tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(REPOSITORY, "generation_config.json", endpoint=address, cache_dir=tmp_path)
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("someone/else", "config.json", endpoint=address, cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download(REPOSITORY, "config.json", revision="v9", endpoint=address, cache_dir=tmp_path)


def test_a_repository_lists_its_files(address: str) -> None:
    about = HfApi(endpoint=address).model_info(REPOSITORY)
    assert about.sha == head_commit(REPOSITORY)
    assert [file.rfilename for file in about.siblings or []] == ["config.json", "model.safetensors"]


def test_a_download_that_broke_off_goes_on(address: str) -> None:
    url = f"{address}/{REPOSITORY}/resolve/main/model.safetensors"
    rest = requests.get(url, headers={"Range": "bytes=1000-"}, timeout=10)
    assert rest.status_code == 206 and rest.content == CONTENT[1000:]
    assert rest.headers["Content-Range"] == f"bytes 1000-{len(CONTENT) - 1}/{len(CONTENT)}"


@pytest.mark.parametrize("path", ["/secret.txt", f"/{REPOSITORY}/resolve/main/../../secret.txt", "/someone/../secret.txt", "/"])
def test_nothing_but_files_of_repositories_is_served(address: str, path: str) -> None:
    prepared = requests.Request("GET", address).prepare()
    prepared.url = address + path  # as it stands, dots included
    with requests.Session() as session:
        assert session.send(prepared, timeout=10).status_code == 404
