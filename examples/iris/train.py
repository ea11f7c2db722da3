"""Trains a scaled classifier that answers with the names of iris species, and writes down what it answers here.

python examples/iris/train.py --out /tmp/iris
"""

import argparse
import json
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def train(out: Path) -> None:
    """Writes `iris.joblib` and `truth.json` (a request, the in-process answer, the true values) into `out`."""
    data = load_iris(as_frame=True)
    # Trained on the species' names: the served model answers "setosa", and no client needs a table of codes.
    species = data.target.map(dict(enumerate(data.target_names.tolist()))).astype(object)
    rows, held_out, target, held_out_target = train_test_split(data.data, species, random_state=0, stratify=species)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows, target)
    print(f"iris: accuracy on {len(held_out)} held-out rows: {model.score(held_out, held_out_target):.3f}")

    asked = held_out.loc[held_out_target.drop_duplicates().index]  # one flower of each species
    truth = {
        "artifact": "iris.joblib",
        # Protocol v1: one object a row, by the names of the columns.
        "request": {"instances": asked.to_dict(orient="records")},
        "predictions": model.predict(asked).tolist(),
        "truth": held_out_target.loc[asked.index].tolist(),
    }
    out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, out / "iris.joblib")
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for iris.joblib and truth.json")
    train(parser.parse_args().out)
