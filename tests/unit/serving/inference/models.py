"""Small models with the interface of a runtime, for what a real model cannot be made to do on demand."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from modelmoor_server.signature import Datatype, Field, Signature

SIGNATURE = Signature(
    inputs=(Field("x", Datatype.FP64, (-1, 1)),),
    outputs=(Field("predict", Datatype.FP64, (-1, 1)), Field("twice", Datatype.FP64, (-1, 1))),
)


@dataclass
class Scripted:
    """A model of one column that does what the test says. Its predict can be held, and raise anything."""

    act: Callable[[np.ndarray], np.ndarray] = field(default=lambda x: x * 2)
    format: str = "sklearn"
    framework: str = "scikit-learn 1.9.1"
    default_outputs: tuple[str, ...] = ("predict",)
    warnings: tuple[str, ...] = ()
    threads: list[str] = field(default_factory=list)
    signature: Signature = SIGNATURE

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.threads.append(threading.current_thread().name)
        return dict.fromkeys(outputs, self.act(inputs["x"]))

    def example(self) -> dict[str, np.ndarray]:
        return {"x": np.zeros((1, 1))}
