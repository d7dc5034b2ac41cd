"""Names of files as text: a file system takes any bytes for a name, a file of text and a line of a terminal do not."""


def writable(text: str) -> str:
    r"""`text` as UTF-8 can hold it. A byte of a name that is no character is written as `\xff`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def on_one_line(text: str) -> str:
    r"""`text` without what moves a cursor: line breaks and control characters are written as `\n` and `\x1b`."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in writable(text))
