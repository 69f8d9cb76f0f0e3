// SPDX-License-Identifier: Apache-2.0
#include "exchange/model_json.hpp"

#include <cmath>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kLimit = std::size_t{1} << 20;
constexpr int kLargest = 1 << 20;
constexpr double kLayerNormEps = 1e-6;  // model/vit.hpp, which this room does not see.
constexpr const char* kRemedy = "get the file again, or correct it";

/// One object of a file, and how it is called in messages.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw config_error("this is no JSON object", where_, kRemedy);
  }

  const Json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  std::optional<Fields> object(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    return Fields(*value, place(key));
  }

  std::optional<int> whole(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    return whole_of(*value, key);
  }

  /// A whole number, or a list of two equal ones: the sides of a square.
  std::optional<int> side(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_array()) return whole_of(*value, key);
    if (value->size() != 2 || whole_of((*value)[0], key) != whole_of((*value)[1], key))
      throw config_error(std::string(key) + " is no square", place(key), "msn's networks take square images");
    return whole_of((*value)[0], key);
  }

  std::optional<double> number(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) throw config_error(std::string(key) + " is no number", place(key), kRemedy);
    return value->get<double>();
  }

  std::optional<std::string> text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) throw config_error(std::string(key) + " is no text", place(key), kRemedy);
    return value->get<std::string>();
  }

  /// One number for each colour.
  std::optional<std::array<double, 3>> colours(const char* key, bool above_zero) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    std::array<double, 3> numbers{};
    bool good = value->is_array() && value->size() == 3;
    for (std::size_t i = 0; good && i < 3; ++i) {
      good = (*value)[i].is_number();
      if (good) numbers[i] = (*value)[i].get<double>();
      good = good && std::isfinite(numbers[i]) && (!above_zero || numbers[i] > 0);
    }
    if (!good)
      throw config_error(std::string(key) + " is no list of three" + (above_zero ? " numbers above 0" : " numbers"),
                         place(key), kRemedy);
    return numbers;
  }

  std::string place(const char* key) const { return where_ + ":" + key; }

 private:
  int whole_of(const Json& value, const char* key) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 1 || value.get<std::uint64_t>() > kLargest)
      throw config_error(std::string(key) + " is no whole number from 1 to " + std::to_string(kLargest), place(key),
                         kRemedy);
    return value.get<int>();
  }

  const Json& object_;
  std::string where_;
};

Json parse(std::string_view text, const std::string& where) {
  try {
    return parse_json(text, where, kRemedy);
  } catch (const Json::parse_error& error) {
    // The parser's own text quotes the file, at any length.
    throw data_error("the file is not JSON, at its byte " + std::to_string(error.byte), where, kRemedy);
  }
}

void read_transformers(const Fields& config, ModelJson& model) {
  model.width = config.whole("hidden_size");
  model.depth = config.whole("num_hidden_layers");
  model.heads = config.whole("num_attention_heads");
  model.patch_size = config.side("patch_size");
  model.image_size = config.side("image_size");
  if (const auto activation = config.text("hidden_act"); activation && *activation != "gelu") {
    throw config_error("the activation is \"" + activation->substr(0, 40) + "\"", config.place("hidden_act"),
                       "msn computes the exact GELU (\"gelu\") only: use other weights");
  }
  if (const auto channels = config.whole("num_channels"); channels && *channels != 3)
    throw config_error("the images have " + std::to_string(*channels) + " channels", config.place("num_channels"),
                       "msn's images have 3: use other weights");
  if (const Json* bias = config.find("qkv_bias"); bias != nullptr && *bias != true)
    throw config_error("queries, keys and values have no bias", config.place("qkv_bias"), "use other weights");
  if (const auto eps = config.number("layer_norm_eps"); eps && *eps != kLayerNormEps) {
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, "%g where msn computes with %g", *eps, kLayerNormEps);
    model.notes.push_back("layer_norm_eps is " + std::string(numbers) + ": features differ slightly (" +
                          config.place("layer_norm_eps") + ")");
  }
}

std::optional<Interpolation> interpolation_of(const Fields& fields, const char* key) {
  const auto name = fields.text(key);
  if (name == "bilinear") return Interpolation::bilinear;
  if (name == "bicubic") return Interpolation::bicubic;
  return std::nullopt;
}

void read_timm(const Fields& config, ModelJson& model) {
  if (const auto arguments = config.object("model_args")) {
    model.width = arguments->whole("embed_dim");
    model.depth = arguments->whole("depth");
    model.heads = arguments->whole("num_heads");
    model.patch_size = arguments->side("patch_size");
    model.image_size = arguments->side("img_size");
  }
  if (const auto input = config.object("pretrained_cfg")) {
    model.mean = input->colours("mean", false);
    model.std = input->colours("std", true);
    model.interpolation = interpolation_of(*input, "interpolation");
  }
}

}  // namespace

ModelJson parse_model_json(std::string_view text, const std::string& where) {
  const Json json = parse(text, where);
  const Fields config(json, where);
  ModelJson model;
  // timm names an architecture; transformers a model_type, and its tensors' sizes.
  if (config.find("architecture") != nullptr) {
    read_timm(config, model);
  } else {
    read_transformers(config, model);
  }
  return model;
}

void parse_preprocessor_json(std::string_view text, const std::string& where, ModelJson& into) {
  const Json json = parse(text, where);
  const Fields config(json, where);
  if (const auto mean = config.colours("image_mean", false)) into.mean = mean;
  if (const auto std = config.colours("image_std", true)) into.std = std;
  // As Pillow numbers its filters.
  const Json* filter = config.find("resample");
  if (filter != nullptr && *filter == 2) into.interpolation = Interpolation::bilinear;
  if (filter != nullptr && *filter == 3) into.interpolation = Interpolation::bicubic;
}

ModelJson read_model_json(const fs::path& folder) {
  ModelJson model;
  std::error_code ignored;
  if (const fs::path file = folder / "config.json"; fs::is_regular_file(file, ignored))
    model = parse_model_json(read_text(file, kLimit), file.string());
  if (const fs::path file = folder / "preprocessor_config.json"; fs::is_regular_file(file, ignored))
    parse_preprocessor_json(read_text(file, kLimit), file.string(), model);
  return model;
}

}  // namespace msn
