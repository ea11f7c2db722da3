"""Triton's own binary from the wheel nvidia-pytriton, with a model repository for its Python backend."""

from pathlib import Path

from bench.models import Model

_TYPES = {"float64": "TYPE_FP64", "float32": "TYPE_FP32", "int64": "TYPE_INT64", "object": "TYPE_STRING"}
_MODEL = Path(__file__).with_name("peers") / "triton_model.py"


def command(
    model: Model, python: Path, folder: Path, http: int, grpc: int, metrics: int
) -> tuple[list[str], dict[str, str]]:
    """Command line and environment. Its stub is the one that is linked to the environment's Python."""
    site = python.parents[1] / "lib"
    packages = next(site.glob("python3.*")) / "site-packages"
    wheel = packages / "pytriton" / "tritonserver"
    backend = folder / "backends" / "python"
    backend.mkdir(parents=True, exist_ok=True)
    stub = wheel / "python_backend_stubs" / packages.parent.name.removeprefix("python") / "triton_python_backend_stub"
    for file in (*(wheel / "backends" / "python").iterdir(), stub):
        (backend / file.name).unlink(missing_ok=True)
        (backend / file.name).symlink_to(file)
    repository = folder / "models"
    (repository / model.name / "1").mkdir(parents=True, exist_ok=True)
    (repository / model.name / "1" / "model.py").write_text(_MODEL.read_text())
    (repository / model.name / "config.pbtxt").write_text(config(model))
    words = [str(wheel / "bin" / "tritonserver"), f"--model-repository={repository}", f"--http-port={http}"]
    words += [f"--backend-directory={folder / 'backends'}", f"--grpc-port={grpc}", f"--metrics-port={metrics}"]
    words += ["--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--log-info=false"]
    environment = {"LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"), "PACKAGES": str(packages)}
    return words, environment


def config(model: Model) -> str:
    """config.pbtxt: batches of up to 64 rows, gathered without waiting."""
    inputs = ", ".join(
        f'{{ name: "{name}" data_type: {_TYPES[values.dtype.name]} dims: {list(values.shape[1:] or (1,))} }}'
        for name, values in model.inputs.items()
    )
    return f"""name: "{model.name}"
backend: "python"
max_batch_size: 64
input [ {inputs} ]
output [ {{ name: "answers" data_type: {_TYPES[model.answers.dtype.name]} dims: [1] }} ]
dynamic_batching {{ }}
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
parameters {{ key: "file" value: {{ string_value: "{model.file}" }} }}
parameters {{ key: "table" value: {{ string_value: "{int(model.table)}" }} }}
"""
