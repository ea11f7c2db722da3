"""`make soak`: answers to many clients at once, each compared with the in-process one, and memory under a long load.

models.py    the models that are served, rows to ask for, and the in-process answer to each row
doors.py     the ways to ask: each turns a question into a request and an answer into arrays
binary.py    those of them whose tensors are bytes: v2 with binary data, and gRPC
load.py      connections that ask: as fast as they are answered, or at a given rate
__main__.py  the run, its goals and its table
"""
