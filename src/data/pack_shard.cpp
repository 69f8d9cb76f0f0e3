// SPDX-License-Identifier: Apache-2.0
#include "data/pack_shard.hpp"

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/wire.hpp"
#include "data/decode.hpp"
#include "data/workers.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

/// Decodes an image once, to know that it can be, encodes it anew if asked to, and notes what it is.
void examine(ShardItem& item, const std::optional<Transcode>& how) {
  ImageFacts facts = probe(item.bytes);
  const Image image = decode(item.bytes);
  int flags = 0;
  if (auto smaller = how ? transcode(image, *how) : std::nullopt) {
    item.bytes = std::move(*smaller);
    facts = probe(item.bytes);
    flags |= flag_transcoded;
  }
  item.width = static_cast<std::uint16_t>(facts.width);
  item.height = static_cast<std::uint16_t>(facts.height);
  const bool png = facts.format == ImageFormat::png;
  if (png) flags |= flag_png;
  if (facts.components <= 2) flags |= flag_gray;
  if (!png && facts.components == 4) flags |= flag_cmyk;
  if (facts.orientation > 1) flags |= flag_oriented;
  item.flags = static_cast<std::uint8_t>(flags);
}

Error refuse(const std::string& where, const std::string& reason) {
  return data_error("bad image: " + reason, where,
                    "repair or remove it, or pass --on-bad skip to leave such files out");
}

void tell(const ShardTools& tools, bool bad) {
  if (tools.step) tools.step(bad);
}

/// The file of the shard, which is there.
void note_file(const fs::path& file, PackedShard& shard) {
  shard.file_size = fs::file_size(file);
  shard.file_hash = hash_file(file);
}

PackedShard make(const ShardTools& tools, const PlannedShard& planned, const fs::path& file) {
  const std::span<const SourceItem> sources = tools.plan.items(planned);
  const std::size_t n = sources.size();
  std::vector<ShardItem> items(n);
  std::vector<std::string> problem(n);
  std::vector<Hash128> hash(n);
  for_each_parallel(n, tools.workers, [&](std::size_t i) {
    ShardItem& item = items[i];
    item.name = sources[i].name;
    item.label = sources[i].label;
    try {
      item.bytes = tools.reader.read(sources[i]);
      examine(item, tools.options.transcode);
      hash[i] = hash_128(item.bytes);
    } catch (const Error& error) {
      problem[i] = error.problem();
      if (tools.options.on_bad == OnBad::fail) throw refuse(origin_of(tools.plan.sources, sources[i]), problem[i]);
      item.bytes = {};
    }
    tell(tools, !problem[i].empty());
  });
  PackedShard shard;
  std::vector<ShardItem> good;
  for (std::size_t i = 0; i < n; ++i) {
    if (!problem[i].empty()) {
      shard.left_out.push_back({items[i].name, problem[i]});
      continue;
    }
    shard.images.push_back({static_cast<std::uint32_t>(i), hash[i]});
    shard.bytes += items[i].bytes.size();
    shard.transcoded += (items[i].flags & flag_transcoded) != 0;
    good.push_back(std::move(items[i]));
  }
  if (good.empty()) return shard;
  write_shard(file, good, shard.left_out);
  note_file(file, shard);
  return shard;
}

PackedShard reuse(const ShardTools& tools, const PlannedShard& planned, const fs::path& file) {
  const Shard old(file);
  const std::vector<std::string> names = old.names();
  PackedShard shard;
  shard.reused = true;
  shard.left_out = old.left_out();
  const std::span<const SourceItem> sources = tools.plan.items(planned);
  // Both lists keep the order of the plan.
  std::size_t bad = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::size_t next = shard.images.size();
    if (next < names.size() && names[next] == sources[i].name && old.label(next) == sources[i].label) {
      shard.images.push_back({static_cast<std::uint32_t>(i), {}});
    } else if (bad < shard.left_out.size() && shard.left_out[bad].name == sources[i].name) {
      ++bad;
      if (tools.options.on_bad == OnBad::fail) {
        throw refuse(origin_of(tools.plan.sources, sources[i]), shard.left_out[bad - 1].reason);
      }
      tell(tools, true);
    } else {
      break;
    }
  }
  if (shard.images.size() != old.count() || bad != shard.left_out.size() ||
      shard.images.size() + bad != sources.size()) {
    throw data_error("the shard does not hold what it was packed from", file.string(), "delete it and run again");
  }
  for_each_parallel(old.count(), tools.workers, [&](std::size_t i) {
    shard.images[i].hash = hash_128(old.read(i));
    tell(tools, false);
  });
  for (std::size_t i = 0; i < old.count(); ++i) {
    shard.bytes += old.size_of(i);
    shard.transcoded += (old.flags(i) & flag_transcoded) != 0;
  }
  note_file(file, shard);
  return shard;
}

}  // namespace

PackedShard pack_shard(const ShardTools& tools, const PlannedShard& planned) {
  const fs::path file = tools.options.output / planned.file;
  return fs::exists(file) ? reuse(tools, planned, file) : make(tools, planned, file);
}

std::string to_bytes(const PackedShard& shard) {
  WireWriter out;
  out.put(std::uint64_t{shard.images.size()});
  for (const PackedImage& image : shard.images) {
    out.put(image.item);
    out.put(image.hash);
  }
  out.put(std::uint64_t{shard.left_out.size()});
  for (const BadImage& bad : shard.left_out) {
    out.put(bad.name);
    out.put(bad.reason);
  }
  out.put(shard.bytes);
  out.put(shard.transcoded);
  out.put(shard.file_size);
  out.put(shard.file_hash);
  out.put(shard.reused);
  return out.take();
}

PackedShard shard_from_bytes(std::string_view bytes) {
  WireReader in(bytes);
  PackedShard shard;
  shard.images.resize(in.get<std::uint64_t>());
  for (PackedImage& image : shard.images) {
    image.item = in.get<std::uint32_t>();
    image.hash = in.get<Hash128>();
  }
  shard.left_out.resize(in.get<std::uint64_t>());
  for (BadImage& bad : shard.left_out) {
    bad.name = in.text();
    bad.reason = in.text();
  }
  shard.bytes = in.get<std::uint64_t>();
  shard.transcoded = in.get<std::uint64_t>();
  shard.file_size = in.get<std::uint64_t>();
  shard.file_hash = in.text();
  shard.reused = in.get<bool>();
  MSN_CHECK(in.at_end());
  return shard;
}

}  // namespace msn
