"""Trains a pipeline of text and number columns, some of them empty, that tells a flat's monthly rent.

python examples/rents/train.py --out /tmp/rents
"""

import argparse
import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

DISTRICTS = {"Harbour": 17.5, "Old Town": 16.0, "Station": 12.5, "Hillside": 14.0, "Riverbank": 13.0}  # euros a m2
HEATING = {"district": 0.0, "gas": -25.0, "electric": -70.0, "heat pump": 40.0}  # euros a month
TEXT = ["district", "heating"]
NUMBERS = ["area", "rooms", "floor", "built"]


def flats(count: int, seed: int = 7) -> tuple[pd.DataFrame, pd.Series]:
    """`count` flats of a made-up town: columns of TEXT and NUMBERS, and the rent in euros a month.

    Every eighth or so misses its heating or its year, as in real listings.
    """
    random = np.random.default_rng(seed)
    area = random.uniform(22, 140, count).round(1)
    flat = pd.DataFrame(
        {
            "district": random.choice(list(DISTRICTS), count),
            "heating": random.choice(list(HEATING), count),
            "area": area,
            "rooms": np.clip((area / 28).round() + random.integers(-1, 2, count), 1, 6).astype(int),
            "floor": random.integers(0, 7, count),
            "built": random.integers(1890, 2025, count).astype(float),
        }
    )
    rent = (
        flat["area"] * flat["district"].map(DISTRICTS)
        + flat["heating"].map(HEATING)
        + 12 * flat["floor"]
        + 1.8 * (flat["built"] - 1890)
        + random.normal(0, 60, count)
    )
    flat.loc[random.random(count) < 0.12, "heating"] = np.nan
    flat.loc[random.random(count) < 0.12, "built"] = np.nan
    return flat, rent.round()


def pipeline() -> Pipeline:
    """Text becomes one-hot columns, an empty number the median: the model takes listings as they are written."""
    text = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="unknown"), OneHotEncoder(handle_unknown="ignore")
    )
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer([("text", text, TEXT), ("numbers", numbers, NUMBERS)])
    return Pipeline([("columns", columns), ("rent", Ridge(alpha=1.0))])


def train(out: Path) -> None:
    """Writes `rents.joblib` and `truth.json` (a request, the in-process answer, the true values) into `out`."""
    rows, held_out, target, held_out_target = train_test_split(*flats(1200), random_state=0)
    model = pipeline().fit(rows, target)
    print(f"rents: R2 on {len(held_out)} held-out rows: {model.score(held_out, held_out_target):.3f}")

    # One complete listing, one without heating, one without its year: an empty field is sent as null.
    complete = held_out[held_out.notna().all(axis=1)].index[:1]
    no_heating = held_out[held_out["heating"].isna() & held_out["built"].notna()].index[:1]
    no_year = held_out[held_out["built"].isna() & held_out["heating"].notna()].index[:1]
    asked = held_out.loc[[*complete, *no_heating, *no_year]]
    records = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in asked.to_dict(orient="records")]
    truth = {
        "artifact": "rents.joblib",
        "request": {"instances": records},
        "predictions": model.predict(asked).tolist(),
        "truth": held_out_target.loc[asked.index].tolist(),
    }
    out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, out / "rents.joblib")
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for rents.joblib and truth.json")
    train(parser.parse_args().out)
