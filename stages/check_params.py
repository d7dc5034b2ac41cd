"""Stage `check_params`: check all of `params.yaml` before any other stage works. `python -m stages.check_params`

What every stage checks for itself comes first here: an unknown study is named as such, not by a folder that is not there.
"""

from pathlib import Path

from pipeline.atomic import write_text
from pipeline.params import load_params

CHECKED = Path("data/checked.txt")


def main() -> None:
    load_params()
    # The same bytes whatever was checked, so that nothing else runs again because of it.
    write_text(CHECKED, "params.yaml was checked before the first stage.\n")


if __name__ == "__main__":
    main()
