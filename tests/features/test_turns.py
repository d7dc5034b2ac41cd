"""A video whose marker cannot be written keeps no other one waiting."""

import errno
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.features.fused_shard import _decode, _Turns


class FullDisk:
    def at(self, video_id: str) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_who_cannot_begin_lets_the_others_ask() -> None:
    turns = _Turns(2)
    item: Any = (0, {"video_id": "a", "video_path": str(Path("a.mp4"))})
    with pytest.raises(OSError, match="No space left"):
        _decode(item, turns=turns, at_work=FullDisk(), specs=[], count=1, short_side=8, threads=1)  # type: ignore[arg-type]
    answers: list[int] = []
    asking = Thread(target=lambda: answers.append(turns.asking(1, "b")("mp4/h264")), daemon=True)
    asking.start()
    asking.join(timeout=10)
    assert len(answers) == 1, "it waits for ever"
