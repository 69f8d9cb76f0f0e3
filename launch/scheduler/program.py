# SPDX-License-Identifier: Apache-2.0
"""Where the program is that a bundle or a checkout has."""
from __future__ import annotations

import os
import shutil

from .refusal import Refusal


def find_program(root: str, gpus: bool, wanted: str | None) -> str:
    """`wanted`, by path or by name; without it that of the bundle or checkout `root`, else the one in PATH. Absolute."""
    if wanted:
        path = shutil.which(wanted)
        if not path:
            raise Refusal(f"no such program: {wanted}", "--msn", "give the path of msn")
        return os.path.abspath(path)
    build = "build/cuda/msn" if gpus else "build/release/msn"
    for path in ("bin/msn", build):
        if os.access(os.path.join(root, path), os.X_OK):
            return os.path.join(root, path)
    path = shutil.which("msn")
    if not path:
        raise Refusal(f"msn was not found in {root} ({build}) nor in PATH", "--msn", "build it, or name it")
    return os.path.abspath(path)
