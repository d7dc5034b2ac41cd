"""Which videos a worker is at: told in a file beside what it writes, so that they can be named when the worker dies."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from pipeline.base.engines.engine import WorkerDiedError
from pipeline.base.owners import owner_in

_SUFFIX = ".current"


class AtWork:
    """The videos that a process has begun and not ended; threads may share it. `path` is the temporary name of what it writes."""

    def __init__(self, path: Path) -> None:
        self._marker = path.with_name((path.name.rpartition(".tmp")[0] or f".{path.stem}") + _SUFFIX)
        self._lock = Lock()

    @contextmanager
    def at(self, video_id: str) -> Iterator[None]:
        """Around the work on a video."""
        self._add("begins", video_id)
        try:
            yield
        finally:
            self._add("ends", video_id)

    def done(self) -> None:
        self._marker.unlink(missing_ok=True)

    def _add(self, what: str, video_id: str) -> None:
        with self._lock, self._marker.open("a", encoding="utf-8") as marker:
            marker.write(f"{what} {video_id}\n")


@contextmanager
def naming_videos(folder: Path, *, doing: str) -> Iterator[None]:
    """Around work on the shards of the scratch folder `folder`: a process that dies is a `RuntimeError` that names its videos.

    When this process itself has died, the next run says where.
    """
    left = [marker for marker in _markers(folder) if _is_left(marker)]
    if videos := _videos(left):
        print(f"the last run ended while it {doing} one of these videos: {', '.join(videos)}", flush=True)
    for marker in left:
        marker.unlink()
    try:
        yield
    except WorkerDiedError as error:
        raise RuntimeError(
            f"a worker process died while it {doing} one of these videos: {', '.join(_videos(_markers(folder))) or 'unknown'}. "
            "Either the file crashes the decoder (repair it or take it out of the dataset) or memory ran out "
            "(lower runtime.workers). "
            "Finished shards are kept: the next run resumes from there."
        ) from error


def _markers(folder: Path) -> list[Path]:
    return list(folder.glob(f".*{_SUFFIX}"))


def _is_left(marker: Path) -> bool:
    """Whether its process has ended, for all that is known: those of other hosts may be at work."""
    owner = owner_in(marker.name.removesuffix(_SUFFIX))
    return owner is None or owner.pid == os.getpid() or owner.is_gone()


def _videos(markers: Sequence[Path]) -> list[str]:
    return sorted(video for marker in markers for video in _begun(marker))


def _begun(marker: Path) -> Iterator[str]:
    """What was begun and not ended. The last line may be half a line."""
    open_ones: Counter[str] = Counter()
    for what, _, video_id in (line.partition(" ") for line in marker.read_text(encoding="utf-8").splitlines()):
        open_ones[video_id] += {"begins": 1, "ends": -1}.get(what, 0)
    return (video_id for video_id, count in open_ones.items() if count > 0)
