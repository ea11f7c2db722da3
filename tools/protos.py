"""serving-image/protos/*.proto -> the descriptors that the server's gRPC door reads. `--check` only compares."""

import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
PROTOS = ROOT / "serving-image/protos"
DESCRIPTORS = ROOT / "serving-image/modelmoor_server/grpc/descriptors.binpb"


def compiled() -> bytes:
    """The descriptor set of every .proto file, imports included; no comments, no positions."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    with resources.as_file(resources.files("grpc_tools") / "_proto") as known, tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.binpb"
        words = ["protoc", f"-I{PROTOS}", f"-I{known}", "--include_imports", f"--descriptor_set_out={out}", *sources]
        if protoc.main(words) != 0:
            raise SystemExit("protos: protoc failed")
        return out.read_bytes()


def main() -> int:
    """The command line."""
    wanted = compiled()
    if sys.argv[1:] != ["--check"]:
        DESCRIPTORS.write_bytes(wanted)
        return 0
    if DESCRIPTORS.is_file() and DESCRIPTORS.read_bytes() == wanted:
        return 0
    print("protos: descriptors.binpb is not what serving-image/protos says: run `make generate`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
