"""What several tests of this folder share."""

from collections.abc import Iterator

import pytest

from tests.corpus.chat_peer import SECRET, Peer, serve


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Peer.asked = []
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    server = serve(Peer)
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
