"""Which test videos a page shows, where there are more than it can hold."""

import hashlib
from collections.abc import Collection, Sequence


def shown_places(video_ids: Sequence[str], most: int, *, first: Collection[str] = ()) -> list[int]:
    """Places of at most so many of the videos, in their order: those whose ids have the smallest hashes.

    So neither a result nor the order of the ids has a say. Those that are `first`, because they have pictures, go before others.
    """

    def rank(place: int) -> tuple[bool, bytes]:
        return video_ids[place] not in first, hashlib.sha256(f"shown {video_ids[place]}".encode()).digest()

    return sorted(sorted(range(len(video_ids)), key=rank)[:most])
