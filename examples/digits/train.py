"""Trains a small convolutional network that reads handwritten digits, and saves it as one HDF5 file.

python examples/digits/train.py --out /tmp/digits
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it once, at import

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

ARTIFACT = "handwritten_digit_recognition_model.h5"


def images() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 digits of scikit-learn as FP32 images [n, 28, 28, 1] in 0..1, and their labels [n]."""
    digits = load_digits()
    small = (digits.images / 16.0).astype("float32")[..., np.newaxis]
    large = keras.ops.convert_to_numpy(keras.ops.image.resize(small, (28, 28), interpolation="bilinear"))
    # Three decimals lose nothing that matters, and keep a request in JSON short.
    return large.clip(0, 1).round(3), digits.target


def network() -> keras.Model:
    """Conv32-Conv64-Conv64-Dense128-Dense10, 130,890 weights; answers ten probabilities."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1), name="image"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )


def shifted(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each image moved by up to two pixels: nobody writes a digit in the same spot twice, and 1,347 images are few."""
    return np.stack([np.roll(image, random.integers(-2, 3, size=2), axis=(0, 1)) for image in pixels])


def train(out: Path, epochs: int = 16) -> None:
    """Writes the `.h5` file and `truth.json` (a request, the in-process answer, the true digits) into `out`."""
    keras.utils.set_random_seed(7)
    random = np.random.default_rng(7)
    pixels, labels = images()
    x, held_out, y, held_out_labels = train_test_split(pixels, labels, random_state=0, stratify=labels)
    model = network()
    steps = epochs * -(-len(x) // 32)
    falling = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(falling), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for epoch in range(epochs):
        history = model.fit(shifted(x, random), y, batch_size=32, verbose=0)
        print(f"digits: epoch {epoch + 1} of {epochs}, loss {history.history['loss'][0]:.3f}", flush=True)
    _, accuracy = model.evaluate(held_out, held_out_labels, verbose=0)
    print(f"digits: accuracy on {len(held_out)} held-out images: {accuracy:.3f}")

    asked = held_out[:3]
    # Open Inference Protocol v2: the pixels in one row-major list, short as the numbers were written.
    data = [round(float(pixel), 3) for pixel in asked.ravel()]
    request = {"inputs": [{"name": "image", "shape": list(asked.shape), "datatype": "FP32", "data": data}]}
    truth = {
        "artifact": ARTIFACT,
        "request": request,
        "predictions": model.predict(asked, verbose=0).tolist(),
        "truth": held_out_labels[:3].tolist(),
    }
    out.mkdir(parents=True, exist_ok=True)
    model.save(out / ARTIFACT)
    (out / "truth.json").write_text(json.dumps(truth) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help=f"folder for {ARTIFACT} and truth.json")
    parser.add_argument("--epochs", type=int, default=16, help="passes over the training images (default: 16)")
    arguments = parser.parse_args()
    train(arguments.out, arguments.epochs)
