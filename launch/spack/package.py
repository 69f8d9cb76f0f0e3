# SPDX-License-Identifier: Apache-2.0
"""Spack's recipe for msn, for Spack 1.0 or later (docs/clusters.md, "Spack")."""

from spack_repo.builtin.build_systems.cmake import CMakePackage, generator

from spack.package import *


class Msn(CMakePackage):
    """Pretrains Vision Transformers with Masked Siamese Networks on MPI clusters."""

    # Built from a checkout: spack dev-build msn@0.1.0
    version("0.1.0")

    license("Apache-2.0")

    variant("cuda", default=False, description="Train on NVIDIA GPUs")
    variant("tests", default=False, description="Build the tests")

    generator("ninja")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")

    depends_on("openmpi@4.1:")
    depends_on("hdf5@1.10.7: ~mpi")
    depends_on("libjpeg-turbo")
    depends_on("libpng")
    depends_on("tomlplusplus")
    depends_on("cli11")
    depends_on("nlohmann-json")
    depends_on("spdlog")
    depends_on("xxhash")
    depends_on("googletest", when="+tests")

    depends_on("py-torch@2.7:")
    depends_on("py-torch ~cuda", when="~cuda")
    depends_on("py-torch +cuda +nccl", when="+cuda")
    depends_on("nccl@2.18:", when="+cuda")
    depends_on("cuda", when="+cuda")

    depends_on("kokkos@3.4:5 +serial")
    # Its headers need nvcc. With it, ^kokkos+cuda cuda_arch=90, msn's own kernels run on the GPU.
    depends_on("kokkos ~cuda", when="~cuda")
    depends_on("kokkos@4.0:", when="+cuda")
    depends_on("kokkos@4.7.1:", when="+cuda ^cuda@13:")

    def torch_root(self):
        """The folder that holds include/ and lib/ of LibTorch."""
        return join_path(self.spec["py-torch"].package.python_platlib, "torch")

    def cmake_args(self):
        return [
            self.define("Torch_ROOT", self.torch_root()),
            self.define_from_variant("MSN_CUDA", "cuda"),
            self.define_from_variant("MSN_TESTS", "tests"),
        ]

    def setup_run_environment(self, env):
        # bin/msn looks for its LibTorch there.
        env.set("Torch_ROOT", self.torch_root())
