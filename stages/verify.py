"""Compare the results in the work tree with those that are committed. `make verify`

python -m stages.verify                    row by row, with one verdict; fails if it is "differs"
python -m stages.verify --against HEAD~3   with those of another commit
python -m stages.verify --accept           put the work tree's table into README.md
"""

import argparse
import sys
from pathlib import Path

from pipeline.base.paths import REPORTS
from pipeline.evaluation.reproduction import compare_with, overall
from pipeline.report.readme import put_table
from pipeline.report.reproduction import reproduction_text
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", default="HEAD", help="a commit with results")
    parser.add_argument("--accept", action="store_true", help="take the work tree's table into README.md")
    arguments = parser.parse_args()
    if arguments.accept:
        put_table(REPORTS / "summary.md", Path("README.md"))
        print("README.md has the table of this machine; look at `git diff` and commit what you want to keep")
        return
    try:
        lines = compare_with(arguments.against)
    except (RuntimeError, ValueError, FileNotFoundError) as error:
        sys.exit(f"verify: {error}")
    print(reproduction_text(lines, against=arguments.against))
    sys.exit(1 if overall(lines) == "differs" else 0)


if __name__ == "__main__":
    run(main)
