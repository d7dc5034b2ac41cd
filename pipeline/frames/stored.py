"""Sampled frames as they are stored, byte for byte: for whoever hands them on rather than looks at them."""

from pipeline.frames.store import FrameStore


class StoredFrames(FrameStore):
    """A store that gives the JPEG files themselves."""

    def jpegs(self, video_id: str) -> list[bytes]:
        """The sampled frames of a video, in presentation order."""
        files: list[bytes] = self._read(video_id, "image").to_pylist()
        return files
