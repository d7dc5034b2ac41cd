"""A Ray cluster of two nodes, one of which is lost half-way: the other one does its work, too."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.engines.engine import choose_engine
from pipeline.base.resumable import run_shards, split_into_shards
from pipeline.base.scratch import scratch_folder
from tests.base.engines import work

pytest.importorskip("ray", reason="Ray is not installed (extra ray)")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A head without cores, and two nodes with one core each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made
    made.shutdown()


def test_what_a_lost_node_had_begun_is_done_by_another(cluster: Any) -> None:
    first, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    shards = split_into_shards(list(range(24)), size=1, suffix=".txt")
    lost = []

    def lose() -> None:
        while len(list(Path(".scratch/s/k").glob("*.txt"))) < 6:
            time.sleep(0.1)
        cluster.remove_node(first, allow_graceful=False)
        lost.append(len(list(Path(".scratch/s/k").glob("*.txt"))))

    thread = threading.Thread(target=lose)
    thread.start()
    with scratch_folder("s", "k") as folder:
        engine = choose_engine(work.runtime("ray", shards_in_flight=6))
        summaries = run_shards(work.slowly, shards, folder=folder, workers=2, unit="item", title="work", engine=engine)
        files = {path.name: path.read_text() for path in folder.glob("*.txt")}
    thread.join()
    assert [summary["items"] for summary in summaries] == [1] * 24
    assert files == {f"{number:05d}.txt": f"{number}\n" for number in range(24)}
    assert lost and lost[0] < 24, "it was lost while there was work left"
