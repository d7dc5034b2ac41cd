"""Align and score a row of somebody else's outputs: an entry of `external` in the study's file, named in params.yaml.

python -m stages.external --row theirs
"""

from pipeline.base.params import load_params
from pipeline.base.row_names import check_external_names
from pipeline.evaluation.external import external_row
from stages import item_of_stage, run


def main() -> None:
    name = item_of_stage(__doc__, "row", meaning="an entry of `external` in the study's file")
    params = load_params()
    check_external_names(params)
    print(external_row(name, params).in_short)


if __name__ == "__main__":
    run(main)
