"""Stage `check`: both files of parameters, before DVC removes or makes anything for them. `python -m stages.check`"""

from pathlib import Path

from pipeline.base.files import write_text
from pipeline.base.params import load_params

CHECKED = Path("data/checked.txt")


def main() -> None:
    load_params()
    # The same bytes whatever was checked, so that nothing else runs again because of it.
    write_text(CHECKED, "The parameters were checked before the first stage.\n")


if __name__ == "__main__":
    main()
