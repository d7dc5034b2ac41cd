"""Which test videos a page shows, where there are more than it can hold."""

import hashlib
from collections.abc import Sequence


def shown_places(video_ids: Sequence[str], most: int) -> list[int]:
    """Places of at most so many of the videos, in their order: those whose ids have the smallest hashes.

    So neither a result nor the order of the ids has a say, and two stages that know other videos, too, choose alike.
    """
    by_hash = sorted(range(len(video_ids)), key=lambda place: hashlib.sha256(f"shown {video_ids[place]}".encode()).digest())
    return sorted(by_hash[:most])
