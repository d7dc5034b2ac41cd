"""One item's exception is that item's reason; the same one item after item is a fault of ours."""

_LONGEST = 500  # characters of a reason
ALIKE = 8  # unforeseen exceptions of one type and text, one after the other, that end a stage


class ItemErrors:
    """Counts the unforeseen exceptions of a run over items.

    What one file provokes is told in its row. What every file provokes comes from the code, and a table full of one sentence
    would hide it. So the `ALIKE`th of a kind, one after the other, is raised again.
    """

    def __init__(self) -> None:
        self._latest = ""
        self._alike = 0

    def reason(self, error: Exception) -> str:
        """What the item's row says. Raises the error itself when memory ran out, and a `RuntimeError` when the fault is ours."""
        if isinstance(error, MemoryError):
            raise error
        text = f"{type(error).__name__}: {error}".rstrip(": ").encode("utf-8", "replace").decode()
        reason = " ".join(text.split())[:_LONGEST]
        self._alike = self._alike + 1 if reason == self._latest else 1
        self._latest = reason
        if self._alike == ALIKE:
            raise RuntimeError(f"{ALIKE} items one after the other ended with {reason}; that is no fault of theirs") from error
        return reason

    def passed(self) -> None:
        """An item ended well, or with a reason that was foreseen."""
        self._alike = 0
