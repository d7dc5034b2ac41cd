"""Train one row of `dvc.yaml` over all seeds. `python -m stages.train --row clipsum`"""

import argparse

from pipeline.base.params import load_params
from pipeline.training.table_row import declared_row
from pipeline.training.train_row import train_row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", required=True, help="an entry of train or train_text in dvc.yaml")
    params = load_params()
    row = declared_row(parser.parse_args().row, encoder=params.encoder)
    for result in train_row(row, params):
        print(
            f"{row.name}, seed {result['seed']}: best of {result['epochs']} epochs is {result['best_epoch']}, "
            f"validation {params.current.train.select} {result['val_score']:.2f}"
        )


if __name__ == "__main__":
    main()
