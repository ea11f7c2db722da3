"""The doors over HTTP: Open Inference Protocol v2, v1 and TensorFlow Serving, MLflow, health and metrics.

payload.py         JSON in, bounded before it is parsed
v2.py v1.py tfs.py the protocols: a request's JSON -> inference -> an answer's JSON
mlflow.py          MLflow's /invocations
frame.py table.py  its data frames, as JSON and as CSV
values.py          what v1, TensorFlow Serving and MLflow share: base64 objects, NaN as a word
calls.py           one prediction on its way: counted, timed, answered
coding.py packed.py  compressed bodies, both ways
answers.py         everything that is answered at once: health, metadata, lists, metrics
openapi.py schemas.py  /openapi.json for the models that are served
page/              the page at /docs
cors.py            pages of other origins
routes.py          where a path leads
"""
