"""Builds the native modules into wheels and editable installations, and compiles a request's way for wheels.

Without a C compiler they come without either.
"""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeHook(BuildHookInterface[Any]):
    """A wheel with native modules is for one platform and every Python from 3.11 on; one without is for all."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        spec = importlib.util.spec_from_file_location("native", Path(self.root, "modelmoor_server/native/build.py"))
        assert spec is not None
        assert spec.loader is not None
        native = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(native)
        try:
            built = native.build()
        except native.CannotBuildError as error:
            self.app.display_warning(
                f"modelmoor-server is installed without its native modules: {error}\n"
                "Trees go by scikit-learn itself then, gRPC by grpcio: the same answers, slower.\n"
                "Later: python -m modelmoor_server.native.build"
            )
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data.update(pure_python=False, tag=f"cp311-abi3-{platform}")
        build_data["artifacts"] += [f"/{each.relative_to(self.root)}" for each in built]
        if version == "editable":  # what is edited runs as Python until its owner compiles it (tools/venv.sh)
            return
        command = [sys.executable, "-m", "modelmoor_server.compiled.build"]
        plain = {**os.environ, "MODELMOOR_COMPILED": "Never"}
        done = subprocess.run(command, cwd=self.root, env=plain, capture_output=True, text=True, check=False)
        if done.returncode:
            self.app.display_warning(f"modelmoor-server is installed without compiled modules, slower: {done.stderr}")
            return
        build_data["artifacts"] += ["/modelmoor_server/compiled/*.so", "/modelmoor_server/compiled/*.sources"]
