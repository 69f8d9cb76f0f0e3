// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect_data.hpp"

#include <algorithm>
#include <cstdio>

#include "base/error.hpp"
#include "data/dataset.hpp"

namespace msn {

using nlohmann::json;

namespace {

/// Least, middle and greatest of a list of numbers.
json spread(std::vector<std::uint64_t> values) {
  std::sort(values.begin(), values.end());
  return {{"least", values.front()}, {"median", values[values.size() / 2]}, {"greatest", values.back()}};
}

std::string spread_text(const json& numbers) {
  return numbers.at("least").dump() + " to " + numbers.at("greatest").dump() + ", median " +
         numbers.at("median").dump();
}

}  // namespace

json describe_dataset(const std::filesystem::path& folder) {
  const DataSet set(folder);
  const DataSetManifest& manifest = set.manifest();
  std::vector<std::uint64_t> short_sides, long_sides, sizes;
  std::vector<std::uint64_t> members(manifest.classes.size());
  std::uint64_t png = 0, gray = 0, cmyk = 0, oriented = 0, transcoded = 0, unlabelled = 0, bytes = 0;
  json left_out = json::array();
  for (const Shard& shard : set.shards()) {
    for (std::size_t i = 0; i < shard.count(); ++i) {
      short_sides.push_back(static_cast<std::uint64_t>(std::min(shard.width(i), shard.height(i))));
      long_sides.push_back(static_cast<std::uint64_t>(std::max(shard.width(i), shard.height(i))));
      sizes.push_back(shard.size_of(i));
      bytes += shard.size_of(i);
      png += (shard.flags(i) & flag_png) != 0;
      gray += (shard.flags(i) & flag_gray) != 0;
      cmyk += (shard.flags(i) & flag_cmyk) != 0;
      oriented += (shard.flags(i) & flag_oriented) != 0;
      transcoded += (shard.flags(i) & flag_transcoded) != 0;
      if (shard.label(i) < 0) {
        ++unlabelled;
      } else {
        ++members[static_cast<std::size_t>(shard.label(i))];
      }
    }
    for (const BadImage& bad : shard.left_out())
      left_out.push_back({{"name", bad.name}, {"reason", bad.reason}});
  }
  json classes = json::array();
  for (std::size_t c = 0; c < members.size(); ++c) {
    classes.push_back({{"name", manifest.classes[c]}, {"images", members[c]}});
  }
  return {{"kind", "data set"},
          {"path", folder.string()},
          {"name", manifest.name},
          {"images", manifest.count},
          {"unlabelled", unlabelled},
          {"classes", classes},
          {"shards", manifest.shards.size()},
          {"bytes", bytes},
          {"short_side", spread(std::move(short_sides))},
          {"long_side", spread(std::move(long_sides))},
          {"image_bytes", spread(std::move(sizes))},
          {"png", png},
          {"gray", gray},
          {"cmyk", cmyk},
          {"exif_oriented", oriented},
          {"transcoded", transcoded},
          {"transcode", manifest.transcode ? to_json(*manifest.transcode) : json()},
          {"duplicates", manifest.duplicates},
          {"left_out", left_out},
          {"fingerprint", manifest.fingerprint}};
}

std::string dataset_text(const json& d) {
  constexpr std::size_t most_classes = 20;
  char megabytes[32];
  std::snprintf(megabytes, sizeof megabytes, "%.1f MB", d.at("bytes").get<double>() / 1e6);
  std::string text = "data set " + one_line(d.at("path").get<std::string>()) + "\n";
  text += "  images       " + d.at("images").dump() + " in " + d.at("shards").dump() + " shards, " + megabytes + "\n";
  text += "  short side   " + spread_text(d.at("short_side")) + " px\n";
  text += "  long side    " + spread_text(d.at("long_side")) + " px\n";
  text += "  file size    " + spread_text(d.at("image_bytes")) + " bytes\n";
  text += "  kinds        " + d.at("png").dump() + " PNG, " + d.at("gray").dump() + " grey, " + d.at("cmyk").dump() +
          " CMYK, " + d.at("exif_oriented").dump() + " with EXIF orientation (not applied)\n";
  if (const json& how = d.at("transcode"); !how.is_null()) {
    const bool scaled = how.at("max_side") != 0;
    text += "  encoded anew " + d.at("transcoded").dump() + " as JPEG of quality " + how.at("quality").dump() +
            (scaled ? ", those with a side of more than " + how.at("max_side").dump() + " px" : "") + "\n";
  }
  text += "  duplicates   " + d.at("duplicates").dump() + "\n";
  text += "  left out     " + std::to_string(d.at("left_out").size()) + " bad files\n";
  for (const json& bad : d.at("left_out")) {
    text += "    " + one_line(bad.at("name").get<std::string>()) + ": " +
            one_line(bad.at("reason").get<std::string>()) + "\n";
  }
  text += "  fingerprint  " + d.at("fingerprint").get<std::string>() + "\n";
  text += "  classes      " + std::to_string(d.at("classes").size()) + "\n";
  std::size_t shown = 0;
  for (const json& one : d.at("classes")) {
    if (shown++ == most_classes) {
      text += "    ... (--json lists all)\n";
      break;
    }
    text += "    " + one_line(one.at("name").get<std::string>()) + ": " + one.at("images").dump() + "\n";
  }
  return text;
}

}  // namespace msn
