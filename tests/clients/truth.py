"""Makes the models that the clients ask, and writes truth.json: inputs, and what each model answers in process.

python tests/clients/truth.py OUT
"""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
FLOWERS = [[5.1, 3.4, 1.5, 0.2], [5.5, 2.4, 3.7, 1.0], [7.2, 3.0, 5.8, 1.6], [6.1, 2.9, 4.7, 1.4], [6.3, 2.8, 5.1, 1.5]]
TEXTS = ["a good day", "a bad night", "café, naïve", ""]


def main(out: Path) -> None:
    truth = {"iris": iris(out), "rents": rents(out), "text": text(out), **keras_models(out)}
    (out / "truth.json").write_text(json.dumps(truth))


def iris(out: Path) -> dict[str, Any]:
    """Four numbers in named columns; answers with names and probabilities."""
    runpy.run_path(str(EXAMPLES / "iris" / "train.py"))["train"](out)
    model = joblib.load(out / "iris.joblib")
    rows = pd.DataFrame(FLOWERS, columns=model.feature_names_in_)
    halves = pd.DataFrame(np.array(FLOWERS, "float16").astype("float64"), columns=rows.columns)
    return {
        "names": rows.columns.tolist(),
        "rows": FLOWERS,
        "predict": model.predict(rows).tolist(),
        "predict_proba": model.predict_proba(rows).tolist(),
        "predict_proba_fp16": model.predict_proba(halves).tolist(),
    }


def rents(out: Path) -> dict[str, Any]:
    """Text and number columns. records: the rows of the example's request, two of them with a gap."""
    runpy.run_path(str(EXAMPLES / "rents" / "train.py"))["train"](out)
    records = json.loads((EXAMPLES / "rents" / "request.json").read_text())["instances"]
    model = joblib.load(out / "rents.joblib")
    whole = [
        {**record, "heating": record["heating"] or "gas", "built": record["built"] or 1950.0} for record in records
    ]
    return {
        "records": records,
        "predict": model.predict(pd.DataFrame(records)).tolist(),
        "columns": pd.DataFrame(whole).to_dict(orient="list"),
        "predict_columns": model.predict(pd.DataFrame(whole)).tolist(),
    }


def text(out: Path) -> dict[str, Any]:
    """One text a row; answers with numbers."""
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
        ["good day", "bad night", "café"] * 5, [1, 0, 2] * 5
    )
    joblib.dump(model, out / "text.joblib")
    return {
        "texts": TEXTS,
        "predict": model.predict(TEXTS).tolist(),
        "predict_proba": model.predict_proba(TEXTS).tolist(),
    }


def keras_models(out: Path) -> dict[str, Any]:
    """net: small pictures in float32. half: four numbers in float16, which JSON clients cannot send as such."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3, "softmax", name="classes")]
    net = keras.Sequential([keras.Input((6, 6, 1), name="image"), *layers])
    half = keras.Sequential(
        [keras.Input((4,), dtype="float16", name="numbers"), keras.layers.Dense(3, dtype="float16", name="sums")]
    )
    net.save(out / "net.keras")
    half.save(out / "half.keras")
    images = np.random.default_rng(0).random((3, 6, 6, 1), dtype="float32")
    numbers = np.array(FLOWERS, "float16")
    return {
        "net": {"images": images.tolist(), "classes": net.predict(images, verbose=0).tolist()},
        "half": {"numbers": numbers.tolist(), "sums": half.predict(numbers, verbose=0).tolist()},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
