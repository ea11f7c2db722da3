"""Builds the native kernel into wheels and editable installations; without a C compiler they come without it."""

import importlib.util
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelHook(BuildHookInterface[Any]):
    """A wheel with the kernel is for one platform and every Python from 3.11 on; one without is for all."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        spec = importlib.util.spec_from_file_location("kernel", Path(self.root, "modelmoor_server/native/build.py"))
        assert spec is not None
        assert spec.loader is not None
        kernel = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(kernel)
        try:
            built = kernel.build()
        except kernel.CannotBuildError as error:
            self.app.display_warning(
                f"modelmoor-server is installed without its native kernel: {error}\n"
                "The answers are the same then, but far slower.\n"
                "Later: python -m modelmoor_server.native.build"
            )
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data.update(pure_python=False, tag=f"cp311-abi3-{platform}")
        build_data["artifacts"] += [f"/{module.relative_to(self.root)}" for module in built]
