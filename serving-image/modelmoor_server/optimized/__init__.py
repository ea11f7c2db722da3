"""Optimized artifacts: the original model unchanged and, in `fast/`, a form of it that starts and answers faster.

manifest.py    what `fast/manifest.json` says, how it is written and when it may be believed
signatures.py  a signature as JSON and back
words.py       the help of the verb
verb.py        `modelmoor-server optimize SOURCE FOLDER`: one maker a format, all or nothing
flat.py        the maker for scikit-learn: arrays that are proven to answer as the estimator does

runtimes/onnx/convert.py is the maker for Keras and TensorFlow.
docs/decisions/0022-flat-artefacts.md says why the form lies beside its original.
"""

FAST = "fast"
MANIFEST = "manifest.json"
