"""FastAPI by hand for a Keras model, as somebody writes it who knows that `model.predict` is slow: tf.function."""

import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from fastapi import FastAPI
from pydantic import BaseModel

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
app = FastAPI()
model = keras.saving.load_model(os.environ["MODEL"])
call = tf.function(
    lambda pictures: model(pictures, training=False), input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32)]
)
concrete = call.get_concrete_function()


class Pictures(BaseModel):
    instances: list[list[list[list[float]]]]


@app.post("/v1/models/{name}:predict")
def predict(name: str, body: Pictures) -> dict[str, Any]:
    return {"predictions": concrete(tf.constant(np.array(body.instances, np.float32))).numpy().tolist()}
