"""The other floor: the bare call of a model in a process of its own, and what that process holds.

usage: in_process.py FILE INPUTS [ROWS...]     INPUTS: joblib of name -> array, or of a table. Prints one line of JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = 0.4  # seconds of calls a round
ROUNDS = 5


def loaded(file: str, inputs: str) -> tuple[Callable[[Any], Any], Any]:
    """The model's call, and all rows."""
    import joblib

    rows = joblib.load(inputs)
    if not file.endswith(".keras"):
        return joblib.load(file).predict, rows
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.saving.load_model(file)
    signature = [tf.TensorSpec(model.input_shape, tf.float32)]
    call = tf.function(lambda batch: model(batch, training=False), input_signature=signature).get_concrete_function()
    return lambda batch: call(tf.constant(batch)).numpy(), rows


def microseconds(call: Callable[[Any], Any], rows: Any) -> float:
    """Processor time of a call: the median of some rounds."""
    call(rows)
    found = []
    for _ in range(ROUNDS):
        count, begun = 0, time.process_time()
        while (spent := time.process_time() - begun) < CALLS:
            call(rows)
            count += 1
        found.append(1e6 * spent / count)
    return sorted(found)[ROUNDS // 2]


def main() -> None:
    call, rows = loaded(sys.argv[1], sys.argv[2])
    call(rows[:1])
    pss = next(line for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
    costs = {count: microseconds(call, rows[: int(count)]) for count in sys.argv[3:]}
    print(json.dumps({"memory": int(pss.split()[1]) * 1024 / 1e6, "microseconds": costs}))


if __name__ == "__main__":
    main()
