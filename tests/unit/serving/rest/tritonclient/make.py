"""Writes the requests beside this file, as tritonclient makes them: `python make.py`, where tritonclient[http] is.

They were made with tritonclient 2.73.0. A file's ending is its Inference-Header-Content-Length; json: it has none.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http as triton

VALUES: dict[str, tuple[Any, list[Any]]] = {
    "BOOL": (np.bool_, [True, False, True]),
    "UINT8": (np.uint8, [0, 1, 2**8 - 1]),
    "UINT16": (np.uint16, [0, 1, 2**16 - 1]),
    "UINT32": (np.uint32, [0, 1, 2**32 - 1]),
    "UINT64": (np.uint64, [0, 1, 2**64 - 1]),
    "INT8": (np.int8, [-(2**7), 0, 2**7 - 1]),
    "INT16": (np.int16, [-(2**15), 0, 2**15 - 1]),
    "INT32": (np.int32, [-(2**31), 0, 2**31 - 1]),
    "INT64": (np.int64, [-(2**63), 0, 2**63 - 1]),
    "FP16": (np.float16, [-1.5, 0.0999755859375, 65504.0]),
    "FP32": (np.float32, [-1.5, 0.10000000149011612, 3.4028234663852886e38]),
    "FP64": (np.float64, [-1.5, 0.1, 1.7976931348623157e308]),
    "BYTES": (np.object_, ["", "Zürich", "日本"]),
}
ROWS = [[0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 0.5, 2.0]]


def tensor(name: str, datatype: str, array: Any, binary: bool = True) -> Any:
    return triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array, binary_data=binary)


def every_datatype(binary: bool) -> list[Any]:
    chosen = {name: made for name, made in VALUES.items() if binary or name != "FP16"}
    return [tensor(name.lower(), name, np.array(data, dtype), binary) for name, (dtype, data) in chosen.items()]


def output(name: str, **form: Any) -> Any:
    return triton.InferRequestedOutput(name, **form)


def write(name: str, inputs: list[Any], **more: Any) -> None:
    body, size = triton.InferenceServerClient.generate_request_body(inputs, **more)
    Path(__file__).with_name(f"{name}.{'json' if size is None else size}").write_bytes(body)


rows = tensor("x", "FP32", np.array(ROWS, np.float32))
shared = triton.InferInput("x", [2, 4], "FP32")
shared.set_shared_memory("region", 32)
named = [output("int8", binary_data=False), output("bytes", binary_data=False), output("uint64", binary_data=True)]
scores, labels = output("predict_proba", binary_data=True), output("predict", binary_data=False)
write("every-datatype-binary", every_datatype(True), request_id="42")
write("every-datatype-json", every_datatype(False), request_id="42", outputs=named)
write("iris-outputs", [rows], outputs=[scores, labels], parameters={"mine": "1"}, priority=3, timeout=5000)
write("iris-classes", [rows], outputs=[output("predict_proba", binary_data=True, class_count=2)])
write("iris-no-rows", [tensor("x", "FP32", np.zeros((0, 4), np.float32))])
write("iris-shared-memory", [shared])
