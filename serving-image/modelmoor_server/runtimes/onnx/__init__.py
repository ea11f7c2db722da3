"""Networks of Keras and TensorFlow answered by ONNX Runtime: converted once by a command, loaded without TensorFlow.

model.py    the loaded model, and for which values it may answer
convert.py  a Keras file or SavedModel -> the files of the fast form; the maker of `modelmoor-server optimize`
gate.py     the comparison with TensorFlow's answers, without which there is no fast form
rows.py     the synthetic rows that are compared

docs/decisions/0021-keras-by-onnx-runtime.md says what is promised, and what is not.
"""

import os
from pathlib import Path

from modelmoor_server import threads
from modelmoor_server.errors import cause_name
from modelmoor_server.inspection import Inspection
from modelmoor_server.optimized.manifest import Manifest, Unusable
from modelmoor_server.runtimes.base import Policy
from modelmoor_server.runtimes.onnx.model import Domain, OnnxModel, Stated, Unequal, load
from modelmoor_server.runtimes.versions import minor

__all__ = ["open_form"]


def open_form(folder: Path, manifest: Manifest, found: Inspection, policy: Policy) -> OnnxModel:
    """The model of a fast form whose files are whole. Raises Unusable."""
    import onnxruntime

    made = manifest.made_with.get("onnxruntime", "")
    if (minor(made) or (1 << 20, 0)) > (minor(onnxruntime.__version__) or (0, 0)):
        raise Unusable("it was compared by a newer ONNX Runtime than this image has")
    try:
        stated = Stated(
            manifest.format,
            manifest.framework,
            manifest.signature,
            manifest.default_outputs,
            manifest.independence,
            Domain.from_json(manifest.model["domain"]),
            tuple(str(name) for name in manifest.model["signatures"]),
        )
        return load(folder, stated, threads.count(os.environ))
    except Unequal as error:
        raise Unusable(str(error)) from None
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise Unusable(f"its files do not hold what its manifest says ({cause_name(error)})") from None
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no class in common
        raise Unusable(f"ONNX Runtime cannot load it ({cause_name(error)})") from None
