"""The doors for JSON over HTTP: Open Inference Protocol v2 and v1, health and metrics, at the paths that KServe has.

payload.py   JSON in, bounded before it is parsed
v2.py v1.py  the two protocols: a request's JSON -> inference -> an answer's JSON
calls.py     one prediction on its way: counted, timed, answered
answers.py   everything that is answered at once: health, metadata, lists, metrics
routes.py    where a path leads
"""
