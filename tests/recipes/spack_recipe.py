#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs launch/spack/package.py with a Spack that only writes down what it is told, and holds it to what CMake demands:
spack_recipe.py SOURCE. Ends with 1 and a line for each difference."""

import os
import pathlib
import re
import sys
import types

source = pathlib.Path(sys.argv[1])
failures = []


def expect(true, text):
    if not true:
        failures.append(text)


class Package:
    """What CMakePackage gives a recipe."""

    def define(self, name, value):
        return (name, value)

    def define_from_variant(self, name, variant):
        expect(variant in variants, f"no variant {variant}")
        return (name, variant)


versions, variants, dependencies = [], [], []  # dependencies: (spec, when)
recipe = {
    "version": lambda name: versions.append(name),
    "license": lambda name: None,
    "variant": lambda name, default, description: variants.append(name),
    "depends_on": lambda spec, when="", type=None: dependencies.append((spec, when)),
    "join_path": os.path.join,
}
modules = {"spack.package": recipe, "spack_repo.builtin.build_systems.cmake": {"CMakePackage": Package, "generator": lambda name: None}}
for name, content in modules.items():
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(parts[i - 1]))
    sys.modules[name].__dict__.update(content)
    sys.modules[name].__all__ = list(content)

package = {"__name__": "package"}
file = source / "launch/spack/package.py"
exec(compile(file.read_text(), str(file), "exec"), package)


def least_of(name, when=""):
    """The least version that the recipe asks of a package, under one condition."""
    for spec, condition in dependencies:
        match = re.match(rf"{re.escape(name)}@([0-9.]+):", spec)
        if match and condition == when:
            return match.group(1)
    return None


def in_file(path, pattern):
    match = re.search(pattern, (source / path).read_text())
    expect(match, f"{path} has no {pattern}")
    return match.group(1) if match else ""


# --- versions: CMake is the one that refuses ----------------------------------------------------------------------------

cmake = "cmake/Dependencies.cmake"
minimums = {
    ("cmake", ""): in_file("CMakeLists.txt", r"cmake_minimum_required\(VERSION ([0-9.]+)"),
    ("hdf5", ""): in_file(cmake, r"HDF5_VERSION VERSION_LESS ([0-9.]+)\)"),
    ("py-torch", ""): in_file("cmake/FindLibTorch.cmake", r"LibTorch_VERSION VERSION_LESS ([0-9.]+)\)"),
    ("kokkos", ""): in_file("cmake/KokkosShim.cmake", r"Kokkos_VERSION VERSION_LESS ([0-9.]+)\)"),
    ("kokkos", "+cuda"): in_file("cmake/KokkosSources.cmake", r"set\(_oldest ([0-9.]+)\)"),
    ("kokkos", "+cuda ^cuda@13:"): in_file("cmake/KokkosSources.cmake", r"GREATER_EQUAL 13\)\s+set\(_oldest ([0-9.]+)\)"),
    ("nccl", "+cuda"): in_file(cmake, r"find_package\(NCCL ([0-9.]+) "),
    ("openmpi", ""): in_file("docs/design.md", r"Open MPI ([0-9.]+) or later"),
}
for (name, when), wanted in minimums.items():
    expect(least_of(name, when) == wanted, f"{name} {when}: CMake wants {wanted}, the recipe {least_of(name, when)}")
project = in_file("CMakeLists.txt", r"project\(msn VERSION ([0-9.]+)")
expect(versions == [project], f"versions {versions}, the project is {project}")

# --- dependencies: every library that CMake looks for -------------------------------------------------------------------

packages = {"MPI": "openmpi", "HDF5": "hdf5", "JPEG": "libjpeg-turbo", "PNG": "libpng", "spdlog": "spdlog",
            "nlohmann_json": "nlohmann-json", "CLI11": "cli11", "tomlplusplus": "tomlplusplus", "LibTorch": "py-torch",
            "NCCL": "nccl", "GTest": "googletest", "Kokkos": "kokkos", "CUDARuntime": "cuda", "xxhash": "xxhash"}
of_compiler = {"Threads", "OpenMP"}
looked_for = set(re.findall(r"find_package\((\w+)[^)]*REQUIRED", (source / cmake).read_text()))
looked_for |= set(re.findall(r"find_library\(\w+ (\w+)", (source / cmake).read_text())) | {"Kokkos"}
named = {re.match(r"[\w-]+", spec).group() for spec, _ in dependencies}
for library in sorted(looked_for - of_compiler):
    expect(library in packages, f"CMake looks for {library}, which this test knows no package of")
    expect(packages.get(library) in named, f"the recipe does not depend on {packages.get(library)} ({library})")
expect(named - {"c", "cxx", "cmake"} <= set(packages.values()), f"dependencies that CMake does not look for: {named}")
expect(("hdf5@1.10.7: ~mpi", "") in dependencies, "HDF5 is not the serial one")
expect(("googletest", "+tests") in dependencies, "the tests' library is not bound to the tests")
expect(("kokkos ~cuda", "~cuda") in dependencies, "a build without CUDA may get a Kokkos with it")

# --- what it tells CMake and the shell ----------------------------------------------------------------------------------

built = package["Msn"]()
torch = types.SimpleNamespace(package=types.SimpleNamespace(python_platlib="/platlib"))
built.spec = {"py-torch": torch}
options = (source / "CMakeLists.txt").read_text()
arguments = built.cmake_args()
expect(("Torch_ROOT", "/platlib/torch") in arguments, f"Torch_ROOT: {arguments}")
for name, _ in arguments:
    expect(name == "Torch_ROOT" or f"option({name} " in options, f"CMakeLists.txt has no option {name}")
variables = {}
built.setup_run_environment(types.SimpleNamespace(set=variables.__setitem__))
expect(variables == {"Torch_ROOT": "/platlib/torch"}, f"environment: {variables}")

for failure in failures:
    print(f"{file}: {failure}")
sys.exit(1 if failures else 0)
