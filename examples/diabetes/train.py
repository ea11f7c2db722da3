"""Trains a linear regression on the diabetes data set, and writes down what it answers here, to compare with later.

python examples/diabetes/train.py --out /tmp/diabetes
"""

import argparse
import json
from pathlib import Path

import joblib
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split


def train(out: Path) -> None:
    """Writes `diabetes.joblib` and `truth.json` (a request, the in-process answer, the true values) into `out`."""
    # In the units of the clinic (years, mmHg, mg/dl), so that a person can read a request.
    data = load_diabetes(as_frame=True, scaled=False)
    rows, held_out, target, held_out_target = train_test_split(data.data, data.target, random_state=0)
    model = LinearRegression().fit(rows, target)
    print(f"diabetes: R2 on {len(held_out)} held-out rows: {model.score(held_out, held_out_target):.3f}")

    # A table of its own, as a client or server builds it: a slice of the training table lies otherwise in memory, and
    # sums in another order may differ in their last bit.
    asked = pd.DataFrame(held_out.head(3).to_dict(orient="list"))
    # Open Inference Protocol v2: one tensor a column, by the column's name.
    request = {
        "inputs": [
            {"name": column, "shape": [len(asked)], "datatype": "FP64", "data": asked[column].tolist()}
            for column in asked.columns
        ]
    }
    truth = {
        "artifact": "diabetes.joblib",
        "request": request,
        "predictions": model.predict(asked).tolist(),
        "truth": held_out_target.head(3).tolist(),
    }
    out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, out / "diabetes.joblib")
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for diabetes.joblib and truth.json")
    train(parser.parse_args().out)
