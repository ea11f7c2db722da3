"""`modelmoor-server`: serve a model, fetch one, or look into one."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from modelmoor_server import facts, log, settings, threads
from modelmoor_server.errors import ModelError
from modelmoor_server.serve import serve, tell

EXAMPLES = """\
examples:
  modelmoor-server serve --model iris=./iris.joblib --http-port 8080
  modelmoor-server serve --model iris=./iris.joblib --model mnist=./mnist.keras
  modelmoor-server serve --model iris=https://models.example.com/iris.joblib
  modelmoor-server inspect ./iris.joblib

  curl localhost:8080/v2/models/iris
  curl localhost:8080/v2/models/iris/infer -d \\
    '{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}'
  curl localhost:8080/v1/models/iris:predict -d '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
"""
