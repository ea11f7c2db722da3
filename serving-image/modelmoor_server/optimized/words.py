"""The help of `modelmoor-server optimize`, which every start of the command reads: nothing is imported for it."""

DESCRIPTION = """\
Writes an optimized artifact: a new folder with the model unchanged and, in fast/, a form of it that the server starts
from in a fraction of the time and memory. Serve, fetch or upload the folder like any model. Every server that does not
know the form, or may not use it (MODELMOOR_ENGINE=Library), serves the original in it.

The fast form is compared with the original before it is kept, and a model that cannot be answered equally is refused.
Linear models, decision trees, forests and gradient boosting of scikit-learn, also behind scalers, become flat arrays,
which give scikit-learn's answers bit for bit without importing it. Networks of Keras 3, Keras 2 and TensorFlow's
SavedModel are converted for ONNX Runtime, which answers within 1e-5 without importing TensorFlow; text and operations
without a counterpart are not. For these install modelmoor-server[tensorflow,onnx,optimize].

The model is loaded for this: run it only on files that you trust, as you would unpickle them."""
EXAMPLES = """\
examples:
  modelmoor-server optimize iris.joblib iris-fast
  modelmoor-server optimize iris.joblib iris-fast --json
  modelmoor-server optimize mnist.keras mnist-fast
  modelmoor-server serve --model iris=./iris-fast
"""
