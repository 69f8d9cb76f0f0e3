// SPDX-License-Identifier: Apache-2.0
#include "train/bundle.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "checkpoint/layout.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kDamaged = "it is damaged; use another one";

/// A number, or the text of one that JSON does not have.
Json json_of(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

double number_of(const Json& json) {
  if (json.is_number()) return json.get<double>();
  const auto text = json.get<std::string>();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  throw data_error("not a number: \"" + text + "\"");
}

Json json_of(const RankNumbers& rank) {
  Json json{{"host", rank.host}};
  for (const NamedPart& part : loss_parts())
    json[std::string(part.name)] = json_of(rank.parts.*part.value);
  json["samples"] = rank.samples;
  json["images"] = rank.images;
  return json;
}

RankNumbers rank_of(const Json& json) {
  RankNumbers rank;
  json.at("host").get_to(rank.host);
  for (const NamedPart& part : loss_parts())
    rank.parts.*part.value = number_of(json.at(std::string(part.name)));
  json.at("samples").get_to(rank.samples);
  json.at("images").get_to(rank.images);
  return rank;
}

std::string text_of(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

StepBundle bundle_of(const Json& json) {
  StepBundle bundle;
  json.at("step").get_to(bundle.step);
  json.at("epoch").get_to(bundle.epoch);
  json.at("position").get_to(bundle.position);
  json.at("seed").get_to(bundle.seed);
  json.at("global_batch").get_to(bundle.global_batch);
  json.at("world_size").get_to(bundle.surroundings.world_size);
  json.at("threads").get_to(bundle.surroundings.threads);
  json.at("version").get_to(bundle.surroundings.version);
  json.at("torch").get_to(bundle.surroundings.torch);
  json.at("instruction_set").get_to(bundle.surroundings.instruction_set);
  bundle.surroundings.processor = json.value("processor", "");  // Absent where there was one back end of products.
  bundle.surroundings.gemm = json.value("gemm", "");
  bundle.surroundings.device = json.value("device", "");
  json.at("config_digest").get_to(bundle.config_digest);
  json.at("data_fingerprint").get_to(bundle.data_fingerprint);
  if (const Json& checkpoint = json.at("checkpoint"); !checkpoint.is_null())
    bundle.checkpoint = checkpoint.get<std::uint64_t>();
  bundle.grad_norm = number_of(json.at("grad_norm"));
  for (const Json& item : json.at("tensors"))
    bundle.tensors.push_back({item.at("name").get<std::string>(), item.at("not_finite").get<std::uint64_t>()});
  for (const Json& item : json.at("ranks"))
    bundle.ranks.push_back(rank_of(item));
  return bundle;
}

std::string number_text(double value) {
  return json_of(value).is_string() ? json_of(value).get<std::string>() : json_of(value).dump();
}

/// The first part that is not finite; null if all are.
const NamedPart* first_not_finite(const LossParts& parts) {
  const auto found = std::find_if(loss_parts().begin(), loss_parts().end(),
                                  [&](const NamedPart& part) { return !std::isfinite(parts.*part.value); });
  return found == loss_parts().end() ? nullptr : &*found;
}

/// "1, 3 and 5 more".
std::string list_of(const std::vector<std::size_t>& ranks) {
  constexpr std::size_t most = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, ranks.size()); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  if (ranks.size() > most) text += " and " + std::to_string(ranks.size() - most) + " more";
  return text;
}

std::vector<std::size_t> ranks_not_finite(const StepBundle& bundle) {
  std::vector<std::size_t> ranks;
  for (std::size_t rank = 0; rank < bundle.ranks.size(); ++rank) {
    if (!is_finite(bundle.ranks[rank].parts)) ranks.push_back(rank);
  }
  return ranks;
}

bool same_number(double a, double b, Match match) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (match == Match::bits || !std::isfinite(a) || !std::isfinite(b)) return a == b;
  constexpr double tolerance = 1e-3;  // Hundreds of steps of rounding may lie between a checkpoint and the step.
  return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

std::string image_at(const TrainingData& data, std::uint64_t epoch, std::uint64_t position) {
  const Draw draw = data.mixture.at(epoch, position);
  return data.sets[draw.set].store->describe(draw.index);
}

double mean_loss(const StepBundle& bundle) {
  double sum = 0;
  for (const RankNumbers& rank : bundle.ranks)
    sum += rank.parts.loss;
  return sum / static_cast<double>(bundle.ranks.size());
}

void compare_ranks(const StepBundle& recorded, const StepBundle& now, Match match, std::vector<std::string>& out) {
  for (std::size_t rank = 0; rank < recorded.ranks.size(); ++rank) {
    const RankNumbers &before = recorded.ranks[rank], &after = now.ranks[rank];
    const std::string of_rank = " of rank " + std::to_string(rank);
    if (before.samples != after.samples) out.push_back("the samples" + of_rank + " are others");
    for (const NamedPart& part : loss_parts()) {
      const double was = before.parts.*part.value, is = after.parts.*part.value;
      if (!same_number(is, was, match)) {
        out.push_back(std::string(part.name) + of_rank + " is " + number_text(is) + ", recorded " + number_text(was));
      }
    }
  }
}

}  // namespace

BundleFacts bundle_facts(const Config& config, int threads, const std::string& device,
                         const std::string& data_fingerprint) {
  return {config.train.seed,     static_cast<std::uint64_t>(config.train.global_batch), threads, device,
          config_digest(config), data_fingerprint, std::nullopt};
}

StepBundle make_bundle(const World& world, const BundleFacts& facts, std::uint64_t step, const TrainingInput& input,
                       const Batch& batch, const TrainState& state, const StepReport& report) {
  RankNumbers mine{world.host(), report.objective.parts, batch.samples, {}};
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    mine.images.push_back(input.data ? image_at(*input.data, batch.epoch, batch.position + i) : "made up");
  }
  StepBundle bundle;
  bundle.step = step;
  bundle.epoch = batch.epoch;
  bundle.position = batch.position - static_cast<std::uint64_t>(world.rank()) * batch.samples.size();
  bundle.seed = facts.seed;
  bundle.global_batch = facts.global_batch;
  bundle.surroundings = surroundings_here(world, facts.threads, facts.device);
  bundle.config_digest = facts.config_digest;
  bundle.data_fingerprint = facts.data_fingerprint;
  bundle.checkpoint = facts.checkpoint;
  bundle.grad_norm = report.grad_norm;
  bundle.tensors = tensors_not_finite(state.online, state.online.gradients());
  for (const std::string& text : world.gather(text_of(json_of(mine))))
    bundle.ranks.push_back(rank_of(Json::parse(text)));
  return bundle;
}

std::string bundle_text(const StepBundle& bundle) {
  Json json{{"format_version", StepBundle::kFormatVersion},
            {"step", bundle.step},
            {"epoch", bundle.epoch},
            {"position", bundle.position},
            {"seed", bundle.seed},
            {"global_batch", bundle.global_batch},
            {"world_size", bundle.surroundings.world_size},
            {"threads", bundle.surroundings.threads},
            {"version", bundle.surroundings.version},
            {"torch", bundle.surroundings.torch},
            {"instruction_set", bundle.surroundings.instruction_set},
            {"processor", bundle.surroundings.processor},
            {"gemm", bundle.surroundings.gemm},
            {"device", bundle.surroundings.device},
            {"config_digest", bundle.config_digest},
            {"data_fingerprint", bundle.data_fingerprint},
            {"checkpoint", bundle.checkpoint ? Json(*bundle.checkpoint) : Json()},
            {"grad_norm", json_of(bundle.grad_norm)},
            {"tensors", Json::array()},
            {"ranks", Json::array()}};
  for (const NotFinite& tensor : bundle.tensors)
    json["tensors"].push_back({{"name", tensor.name}, {"not_finite", tensor.count}});
  for (const RankNumbers& rank : bundle.ranks)
    json["ranks"].push_back(json_of(rank));
  return text_of(json, 1) + "\n";
}

StepBundle parse_bundle(std::string_view text, const std::string& where) {
  try {
    const Json json = parse_json(text, where, kDamaged);
    const auto version = json.at("format_version").get<std::int64_t>();
    if (version != StepBundle::kFormatVersion) {
      throw data_error("a bundle of format version " + std::to_string(version) + ", this msn knows " +
                           std::to_string(StepBundle::kFormatVersion),
                       where, "use the msn that wrote it");
    }
    const StepBundle bundle = bundle_of(json);
    const auto share = bundle.ranks.empty() ? 0 : bundle.global_batch / bundle.ranks.size();
    const bool every_rank = bundle.ranks.size() == static_cast<std::size_t>(bundle.surroundings.world_size) &&
                            share * bundle.ranks.size() == bundle.global_batch &&
                            std::all_of(bundle.ranks.begin(), bundle.ranks.end(), [&](const RankNumbers& rank) {
                              return rank.samples.size() == share && rank.images.size() == share;
                            });
    if (bundle.step == 0 || share == 0 || !every_rank) {
      throw data_error("its step, ranks and samples do not fit together", where, kDamaged);
    }
    return bundle;
  } catch (const nlohmann::json::exception& error) {
    throw data_error(std::string("not a bundle of a step: ") + error.what(), where, kDamaged);
  } catch (const Error& error) {
    throw error.where().empty() ? data_error(error.problem(), where, kDamaged) : error;
  }
}

fs::path bundle_file(const fs::path& run, std::uint64_t step) {
  return run / "bundles" / (step_name(step) + ".json");
}

void write_bundle(const fs::path& run, const StepBundle& bundle) {
  const fs::path file = bundle_file(run, bundle.step);
  const fs::path folder = file.parent_path();
  if (::mkdir(folder.c_str(), 0750) != 0 && errno != EEXIST) {
    throw system_error("cannot make the folder", folder.string(), errno);
  }
  write_durably(file, bundle_text(bundle));
}

std::string what_is_not_finite(const StepBundle& bundle) {
  const std::vector<std::size_t> ranks = ranks_not_finite(bundle);
  if (!ranks.empty()) {
    const LossParts& parts = bundle.ranks[ranks.front()].parts;
    const NamedPart& part = *first_not_finite(parts);
    if (ranks.size() > 1) return std::string(part.name) + " of ranks " + list_of(ranks) + " is not finite";
    return std::string(part.name) + " of rank " + list_of(ranks) + " is " + number_text(parts.*part.value);
  }
  if (bundle.tensors.empty())
    return std::isfinite(bundle.grad_norm) ? "" : "the gradients are too large for their norm";
  const std::string first = "the gradient of " + bundle.tensors.front().name;
  const std::size_t more = bundle.tensors.size() - 1;
  if (more == 0) return first + " is not finite";
  return first + " and of " + std::to_string(more) + (more == 1 ? " more tensor" : " more tensors") + " is not finite";
}

std::string hosts_not_finite(const StepBundle& bundle) {
  std::vector<std::string> hosts;
  for (const std::size_t rank : ranks_not_finite(bundle)) {
    const std::string& host = bundle.ranks[rank].host;
    if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) hosts.push_back(host);
  }
  if (hosts.empty()) return {};
  constexpr std::size_t most = 8;
  std::string text = hosts.size() == 1 ? "host " : "hosts ";
  for (std::size_t i = 0; i < std::min(most, hosts.size()); ++i)
    text += (i > 0 ? ", " : "") + hosts[i];
  return hosts.size() > most ? text + " and " + std::to_string(hosts.size() - most) + " more" : text;
}

std::vector<std::string> differences(const StepBundle& recorded, const StepBundle& now, Match match) {
  std::vector<std::string> out;
  if (match == Match::other_ranks) {
    if (!same_number(mean_loss(now), mean_loss(recorded), match)) {
      out.push_back("the mean loss is " + number_text(mean_loss(now)) + ", recorded " +
                    number_text(mean_loss(recorded)));
    }
  } else {
    compare_ranks(recorded, now, match, out);
  }
  if (!same_number(now.grad_norm, recorded.grad_norm, match)) {
    out.push_back("grad_norm is " + number_text(now.grad_norm) + ", recorded " + number_text(recorded.grad_norm));
  }
  const auto names = [](const StepBundle& bundle) {
    std::vector<std::string> list;
    for (const NotFinite& tensor : bundle.tensors)
      list.push_back(tensor.name);
    return list;
  };
  if (match == Match::bits ? now.tensors != recorded.tensors : names(now) != names(recorded)) {
    out.push_back("gradients of " + std::to_string(now.tensors.size()) + " tensors are not finite, recorded " +
                  std::to_string(recorded.tensors.size()));
  }
  return out;
}

}  // namespace msn
