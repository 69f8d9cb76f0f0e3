// SPDX-License-Identifier: Apache-2.0
#include "commands/provenance.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/hash.hpp"
#include "base/hdf5.hpp"
#include "base/machine_use.hpp"
#include "base/utc.hpp"
#include "comm/cores.hpp"
#include "comm/devices.hpp"
#include "comm/job.hpp"
#include "comm/mpi_version.hpp"
#include "commands/version.hpp"
#include "train/surroundings.hpp"

namespace msn {
namespace {

using Json = nlohmann::ordered_json;

/// Beginnings of names: what a user sets, not what mpirun or a scheduler tells each job anew.
constexpr std::array<std::string_view, 16> kTuning{"OMP_",
                                                   "KMP_",
                                                   "MKL_",
                                                   "ONEDNN_",
                                                   "NCCL_",
                                                   "UCX_",
                                                   "FI_",
                                                   "CUBLAS_",
                                                   "CUDA_LAUNCH_",
                                                   "OMPI_MCA_pml",
                                                   "OMPI_MCA_btl",
                                                   "OMPI_MCA_mtl",
                                                   "OMPI_MCA_coll",
                                                   "OMPI_MCA_mpi_yield",
                                                   "OMPI_MCA_mpi_leave_pinned",
                                                   "MSN_TEST_"};
constexpr std::array<std::string_view, 4> kSecrets{"key", "token", "secret", "pass"};

bool may_be_secret(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::any_of(kSecrets, [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

Json tuning_of_environment() {
  std::map<std::string, std::string> set;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    const bool tunes = std::ranges::any_of(kTuning, [&](std::string_view begin) { return name.starts_with(begin); });
    if (tunes && name.size() < text.size() && !may_be_secret(name)) set.emplace(name, text.substr(name.size() + 1));
  }
  return set;
}

/// Runs of ranks on one host, of which the first one tells.
Json hosts_of(const std::vector<RankPlace>& places, const std::vector<std::string>& models) {
  Json hosts = Json::array();
  std::map<std::string, std::size_t> index;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    const RankPlace& place = places[rank];
    const auto [at, is_new] = index.try_emplace(place.machine + " " + place.host, hosts.size());
    if (is_new) {
      hosts.push_back({{"host", place.host},
                       {"ranks", 0},
                       {"processor", models[rank]},
                       {"device", place.device},
                       {"cores_of_a_rank", parse_ranges(place.cores).size()}});
    }
    Json& host = hosts[at->second];
    host["ranks"] = host["ranks"].get<int>() + 1;
  }
  return hosts;
}

}  // namespace

std::string settings_digest(const Config& config) {
  Config other = config;
  other.train.global_batch = 1;
  return hash_hex(to_toml(other));
}

Json provenance(const World& world, const Gpu* gpu, int threads) {
  const std::vector<RankPlace> places = gather_places(world, gpu);
  const std::vector<std::string> models = world.gather(processor_model());
  const StepSurroundings here = surroundings_here(world, threads, gpu == nullptr ? "" : gpu->name);
  const std::optional<JobId> job = job_of_environment();
  return {{"time", utc_text(std::chrono::system_clock::now())},
          {"version", program_version()},
          {"torch", here.torch},
          {"mpi", mpi_version()},
          {"hdf5", h5::library_version()},
          {"instruction_set", here.instruction_set},
          {"processor", here.processor},
          {"gemm", here.gemm},
          {"device", here.device},
          {"hosts", hosts_of(places, models)},
          {"ranks", world.size()},
          {"threads", threads},
          {"job", job ? job->scheduler + " " + job->id : ""},
          {"environment", tuning_of_environment()}};
}

}  // namespace msn
