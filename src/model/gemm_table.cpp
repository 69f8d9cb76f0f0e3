// SPDX-License-Identifier: Apache-2.0
#include "model/gemm_table.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"

namespace msn {

using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kRemedy = "write it anew with msn bench gemm --write, or take runtime.gemm = \"auto\"";

constexpr std::array<std::string_view, kGemmKinds> kNames{"fp32.forward", "fp32.input_gradient", "fp32.weight_gradient",
                                                          "fp32.weight_gradient.few_rows", "bf16.weight_gradient"};

std::optional<GemmBackend> backend_from(std::string_view name) {
  for (const GemmBackend backend : {GemmBackend::mkl, GemmBackend::onednn}) {
    if (name == name_of(backend)) return backend;
  }
  return std::nullopt;
}

GemmTable table_of(const Json& choices, const std::string& where) {
  GemmTable table;
  for (const auto& [name, backend] : choices.items()) {
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end())
      throw config_error("no such kind of matrix product: \"" + name + "\"", where, kRemedy);
    if (!backend_from(backend.get<std::string>()))
      throw config_error("no such back end: \"" + backend.get<std::string>() + "\"", where, kRemedy);
  }
  for (std::size_t kind = 0; kind < kGemmKinds; ++kind)
    table.backends[kind] = *backend_from(choices.at(std::string(kNames[kind])).get<std::string>());
  return table;
}

}  // namespace

std::string_view name_of(GemmBackend backend) {
  return backend == GemmBackend::mkl ? "mkl" : "onednn";
}

std::string_view name_of(GemmKind kind) {
  return kNames[static_cast<std::size_t>(kind)];
}

GemmTable gemm_table_of(GemmBackend backend) {
  GemmTable table;
  table.backends.fill(backend);
  return table;
}

// In GFLOP/s. Rows are tokens or images; 4296 of them are the anchors of 8 images of the published ViT-S/16.
//
// Intel with AVX-512 and AMX, 2 threads, the linear layers of a block, 4296 rows:
//                          MKL          oneDNN
//   fp32 forward           350-370      305-335
//   fp32 input gradient    350-380      345-375
//   fp32 weight gradient   300-360      160-280   (its result is a new tensor, added in a second pass)
//   bf16 weight gradient   1570-1820    990-1370  (likewise)
// With fewer rows MKL stays ahead: 270-300 against 120-155 in the weight gradient of 88 rows, 120-180 against 15-30
// of 8. On AVX2 alone MKL is at home as well.
//
// AMD Zen 5, one thread: MKL takes a slow path on a processor of another vendor, 110 in float32; oneDNN looks at the
// instruction set only, 250, and 200-250 in the weight gradient. In bf16 both reach 510, and MKL adds in place. Zen 4:
// both 115. Of a few rows the new tensor and the second pass take most of the time (see above: with 8 rows a fifth
// to a ninth of MKL's speed, with 88 half of it), more than MKL's slow path loses.
//
// Of other vendors nothing was measured. They are treated as AMD's, for MKL's slow path is the same.
GemmTable default_gemm_table(kernels::Vendor vendor) {
  if (vendor == kernels::Vendor::intel) return gemm_table_of(GemmBackend::mkl);
  GemmTable table = gemm_table_of(GemmBackend::onednn);
  table.of(GemmKind::fp32_weight_gradient_few_rows) = GemmBackend::mkl;
  table.of(GemmKind::bf16_weight_gradient) = GemmBackend::mkl;
  return table;
}

std::string to_text(const GemmTable& table) {
  for (const GemmBackend backend : {GemmBackend::mkl, GemmBackend::onednn}) {
    if (table == gemm_table_of(backend)) return std::string(name_of(backend));
  }
  std::string text;
  for (std::size_t kind = 0; kind < kGemmKinds; ++kind) {
    text += kind > 0 ? ", " : "";
    text += kNames[kind];
    text += "=";
    text += name_of(table.backends[kind]);
  }
  return text;
}

std::optional<GemmTable> gemm_table_from(std::string_view text) {
  // Few texts are possible: the one that is equal is parsed.
  for (std::size_t bits = 0; bits < (std::size_t{1} << kGemmKinds); ++bits) {
    GemmTable table;
    for (std::size_t kind = 0; kind < kGemmKinds; ++kind)
      table.backends[kind] = (bits >> kind & 1) != 0 ? GemmBackend::onednn : GemmBackend::mkl;
    if (to_text(table) == text) return table;
  }
  return std::nullopt;
}

std::string tuned_gemm_text(const TunedGemm& tuned) {
  Json choices = Json::object();
  for (std::size_t kind = 0; kind < kGemmKinds; ++kind)
    choices[std::string(kNames[kind])] = name_of(tuned.table.backends[kind]);
  const Json json{{"format_version", TunedGemm::kFormatVersion},
                  {"processor", tuned.processor},
                  {"torch", tuned.torch},
                  {"gemm", choices}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

TunedGemm parse_tuned_gemm(std::string_view text, const std::string& where) {
  try {
    const Json json = parse_json(text, where, kRemedy);
    const auto version = json.at("format_version").get<std::int64_t>();
    if (version != TunedGemm::kFormatVersion)
      throw config_error("format version " + std::to_string(version) + " is not known here", where, kRemedy);
    return {json.at("processor").get<std::string>(), json.at("torch").get<std::string>(),
            table_of(json.at("gemm"), where)};
  } catch (const nlohmann::json::exception& error) {
    throw config_error(std::string("not a file of msn bench gemm: ") + error.what(), where, kRemedy);
  } catch (const Error& error) {
    throw config_error(error.problem(), where, kRemedy);
  }
}

TunedGemm read_tuned_gemm(const std::filesystem::path& file) {
  constexpr std::size_t most_bytes = std::size_t{1} << 16;
  std::string text;
  try {
    text = read_text(file, most_bytes);
  } catch (const Error& error) {
    throw config_error(error.problem(), file.string(),
                       "runtime.gemm is \"auto\", \"mkl\", \"onednn\" or a file that msn bench gemm --write wrote");
  }
  TunedGemm tuned = parse_tuned_gemm(text, file.string());
  if (tuned.processor != kernels::processor_name()) {
    throw config_error(
        "measured on another kind of processor: " + tuned.processor + ", and this is " + kernels::processor_name(),
        file.string(), kRemedy);
  }
  return tuned;
}

}  // namespace msn
