// SPDX-License-Identifier: Apache-2.0
#include "evaluate/image_list.hpp"

#include "base/error.hpp"
#include "base/hash.hpp"
#include "data/decode.hpp"
#include "data/read_image.hpp"
#include "data/sample_names.hpp"
#include "data/sources.hpp"

namespace msn {
namespace {

/// What the source of a list of files holds.
struct OpenFiles {
  explicit OpenFiles(Sources listed) : sources(std::move(listed)), reader(sources) {}

  Image read(std::uint64_t item) const {
    const SourceItem& of = sources.items[item];
    const std::vector<std::byte> bytes = reader.read(of);
    try {
      return decode(bytes);
    } catch (const Error& error) {
      throw data_error(error.problem(), origin_of(sources, of), error.remedy());
    }
  }

  const Sources sources;
  const SourceReader reader;  ///< Looks into `sources`.
};

}  // namespace

ImageList list_packed_images(const std::filesystem::path& data, std::uint64_t stride) {
  const auto set = std::make_shared<const DataSet>(data);
  const std::vector<std::string> names = sample_names(*set);
  ImageList images;
  images.classes = set->manifest().classes;
  images.fingerprint = set->manifest().fingerprint;
  for (std::uint64_t sample = 0; sample < set->count(); sample += stride) {
    images.names.push_back(names[sample]);
    images.labels.push_back(set->label(sample));
  }
  images.source = {images.names.size(),
                   [set, stride](std::uint64_t index) { return read_image(*set, index * stride); }};
  return images;
}

ImageList list_image_files(const std::string& input, std::uint64_t stride, int workers) {
  SourceOptions options;
  options.inputs = {input};
  options.workers = workers;
  const auto files = std::make_shared<const OpenFiles>(list_sources(options));
  ImageList images;
  images.classes = files->sources.classes;
  for (std::size_t item = 0; item < files->sources.items.size(); item += stride) {
    images.names.push_back(files->sources.items[item].name);
    images.labels.push_back(files->sources.items[item].label);
  }
  images.source = {images.names.size(), [files, stride](std::uint64_t index) { return files->read(index * stride); }};
  return images;
}

void require_same_images(const World& world, const ImageList& images, const std::string& where) {
  Hasher hasher;
  for (const std::string& name : images.names)
    hasher.update(name + '\0');
  const std::string mine = hasher.hex();
  const std::string of_root = world.broadcast(mine);
  world.agree([&] {
    if (mine != of_root) {
      throw data_error("this host sees other images than rank 0's", where, "give a folder that all hosts share");
    }
  });
}

}  // namespace msn
