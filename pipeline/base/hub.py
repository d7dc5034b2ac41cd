"""Files of a hub repository: from a local folder, or from the hub through its own client, at the commit that `pins` has."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.base.bounded import bounded
from pipeline.base.pins import LOCAL, pin_of

# The client's own limits are for the time between two bytes; these are in all.
ANSWER_SECONDS = 120.0  # until the hub has said what a file is, its retries included
LOWEST_RATE = 50_000.0  # bytes a second, the mean over a file
MOST_BYTES = 20_000_000_000  # of a file; the largest that is pinned has a fifteenth


def fetch_files(repository: str, required: Sequence[tuple[str, ...]], *, optional: Sequence[str] = ()) -> dict[str, Path]:
    """Files of one commit by name; each of `required` is the names that a file may have, the usual one first.

    They come from `data/inputs/weights/<repository>/` if any of them lies there, else from the hub. Only what is not in that
    folder, or not published, counts as absent: then the next name is tried, and an optional file left out. Every other failure is
    an error, of optional files too. One `RuntimeError` names all files that cannot be had, and says where to put them.
    """
    folder = LOCAL / repository
    wanted = [*required, *((name,) for name in optional)]
    source = _Folder(folder) if any((folder / name).exists() for names in wanted for name in names) else _Hub(repository)
    paths: dict[str, Path] = {}
    failures = {}
    for names in wanted:
        try:
            path = next((found for name in names if (found := source.get(name))), None)
        except OSError as error:
            failures[names[0]] = _reason(error)
            continue
        if path:
            paths[path.name] = path
        elif names in required:
            failures[names[0]] = source.absent
    if failures:
        listed = ", ".join(f"{repository}/{name} ({reason})" for name, reason in failures.items())
        places = ", ".join(f"{folder / names[0]}" for names in required)
        also = f"; beside them, where the repository has them, {', '.join(optional)}" if optional else ""
        raise RuntimeError(f"weights {listed} cannot be fetched. {source.advice} {places}{also}")
    return paths


def revision_of(path: Path) -> str:
    """The commit a file of the hub client's cache belongs to; "local" for a file from the local folder."""
    return path.parent.name if path.parent.parent.name == "snapshots" else "local"


class _Folder:
    """A local folder in place of a repository: what is not there is absent, and the hub is not asked."""

    absent = "not in the folder"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.advice = f"{folder} is taken as it is. Remove it to have all files from the hub, or complete it:"

    def get(self, file: str) -> Path | None:
        return self.folder / file if (self.folder / file).exists() else None


class _Hub:
    """A repository at one commit: the pinned one, else that of the first file. The client's cache answers where it can."""

    absent = "not published at this commit"
    advice = "Either connect to the hub (HF_ENDPOINT and HF_HOME are honoured), or put all files there:"

    def __init__(self, repository: str) -> None:
        pin = pin_of(repository)
        self.repository = repository
        self.revision = pin.revision if pin else None
        self.reachable = True

    def get(self, file: str) -> Path | None:
        """A file in the client's cache, fetched if need be; `None` if the repository has none of this name. Raises `OSError`."""
        from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

        try:
            path = self._download(file)
        except LocalEntryNotFoundError as error:
            if try_to_load_from_cache(self.repository, file, revision=self.revision) is _CACHED_NO_EXIST:
                return None  # the hub said so when it could be reached
            if not self.reachable:
                raise OSError("not in the client's cache") from error
            # The client waits long before it gives up. So a hub that gives no answer at all is not asked for the next files.
            self.reachable = isinstance(error.__cause__, HfHubHTTPError)
            raise
        except EntryNotFoundError:
            return None
        except OSError:
            raise
        except Exception as error:  # a transfer that broke off: the client lets through what its own HTTP library raises
            raise OSError(_reason(error)) from error
        if self.revision not in (None, revision_of(path)):
            raise OSError(f"commit {self.revision} was asked for, {revision_of(path)} came")
        self.revision = revision_of(path)
        return path

    def _download(self, file: str) -> Path:
        """Ask what the file is, then for the file itself. The client goes on with a part that it has of it."""
        from huggingface_hub import hf_hub_download

        wanted: dict[str, Any] = {"revision": self.revision, "local_files_only": not self.reachable}
        try:
            known = bounded(lambda: hf_hub_download(self.repository, file, dry_run=True, **wanted), ANSWER_SECONDS)
        except TimeoutError as error:
            self.reachable = False
            raise OSError(f"no answer in {ANSWER_SECONDS:.0f} seconds") from error
        size = known.file_size or MOST_BYTES
        if size > MOST_BYTES:
            raise OSError(f"has {size} bytes, more than {MOST_BYTES}")
        wanted["tqdm_class"] = _counting(size)
        try:
            return Path(bounded(lambda: hf_hub_download(self.repository, file, **wanted), ANSWER_SECONDS + size / LOWEST_RATE))
        except TimeoutError as error:
            raise OSError(f"slower than {LOWEST_RATE:.0f} bytes a second") from error


def _counting(most: int) -> type[Any]:
    """A progress bar for the client that ends a transfer of more than `most` bytes."""
    from huggingface_hub.utils.tqdm import tqdm

    class Counting(tqdm):
        received = 0

        def update(self, n: float | None = 1) -> bool | None:
            self.received += int(n or 0)
            if self.received > most:
                raise OSError(f"sends more than the {most} bytes that it declares")
            return super().update(n)

    return Counting


def _reason(error: Exception) -> str:
    """What went wrong, in a few words: the client wraps the cause in its advice to check the connection."""
    if type(error) is OSError:
        return str(error)
    cause = error.__cause__ or error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    return type(cause).__name__ + (f", status {status}" if status else "")
