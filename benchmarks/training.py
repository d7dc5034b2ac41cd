"""Videos that training works through a second and core, against the version before: `python -m benchmarks.training`

Both versions train the row `clipsum` of the kitchen study over all its seeds, each with its own code, settings and mini BART,
on the videos and features that lie here. They take turns, so that a slow moment of the machine meets both. The time is that of
the whole command, from the start of Python to the published models: imports, validation and idle cores count.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.base.files import read_json
from pipeline.base.paths import CORPUS, WEIGHTS
from pipeline.corpus.table import read_corpus

BEFORE = "11618f1"  # the last version that pretrained its mini models in every demo
ROW = "clipsum"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", default=BEFORE, help="a commit to compare with")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    videos = int((read_corpus(CORPUS, ("split",))["split"] == "train").sum())
    with tempfile.TemporaryDirectory() as folder:
        now, before = Path(folder) / "now", Path(folder) / "before"
        try:
            _check_out("HEAD", now)
            _check_out(arguments.against, before)
            shutil.copytree(WEIGHTS, now / WEIGHTS)
            shutil.copytree(WEIGHTS, before / WEIGHTS, ignore=shutil.ignore_patterns("bart"))
            _run(before, "stages.weights", "--name", "bart")
            rates: dict[str, list[float]] = {"now": [], "before": []}
            for _ in range(arguments.rounds):
                for place in (before, now):
                    rates[place.name].append(_rate(place, videos))
                    print(f"{place.name}: {rates[place.name][-1]:.1f} videos a second and core", flush=True)
        finally:
            for place in (now, before):
                subprocess.run(["git", "worktree", "remove", "--force", place], check=False, capture_output=True)
    new, old = (statistics.median(rates[name]) for name in ("now", "before"))
    print(f"{ROW}: {new:.1f} videos a second and core, {old:.1f} at {arguments.against}: {new / old:.2f} times as many")


def _check_out(revision: str, place: Path) -> None:
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", place, revision], check=True)
    for name in ("corpus", "features", "frames"):
        shutil.copytree(Path("data") / name, place / "data" / name)


def _rate(place: Path, videos: int) -> float:
    """Train the row from nothing; videos a second and core."""
    for name in (".scratch", "models"):
        shutil.rmtree(place / name, ignore_errors=True)
    started = time.perf_counter()
    _run(place, "stages.train", "--row", ROW)
    seconds = time.perf_counter() - started
    histories = [read_json(path) for path in (place / "models" / ROW).glob("*/history.json")]
    return videos * sum(len(history) for history in histories) / seconds / len(os.sched_getaffinity(0))


def _run(place: Path, module: str, *options: str) -> None:
    environment = os.environ | {"DVC_ROOT": str(place), "MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db"}
    command = [sys.executable, "-m", module, *options]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{place.name}: {' '.join(command)} failed:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
