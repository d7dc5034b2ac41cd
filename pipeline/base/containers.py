"""Containers that count as videos, and the file suffixes by which each is looked for. Who opens or finds videos reads this."""

# FFmpeg's name of the container -> suffixes. Where two files could be one video, the suffix that stands first here wins.
CONTAINERS = {
    "mov,mp4,m4a,3gp,3g2,mj2": (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v"),
    "matroska,webm": (".mkv", ".webm"),
    "avi": (".avi", ".divx"),
    "mpegts": (".ts", ".m2ts", ".mts", ".m2t"),
    "mpeg": (".mpg", ".mpeg", ".vob", ".m2p"),
    "flv": (".flv",),
    "asf": (".wmv", ".asf"),
    "ogg": (".ogv", ".ogm", ".ogg"),
}
VIDEO_SUFFIXES = tuple(suffix for suffixes in CONTAINERS.values() for suffix in suffixes)
