// SPDX-License-Identifier: Apache-2.0
#include "evaluate/feature_cache.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <fcntl.h>

#include <atomic>
#include <fstream>
#include <numeric>

#include "base/error.hpp"
#include "base/files.hpp"
#include "data/pack.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

/// Every rank packs its own copy of one data set. A maker that counts what it makes.
class FeatureCacheTest : public ::testing::Test {
 protected:
  FeatureCacheTest() {
    PackOptions options;
    options.inputs = {"synthetic:shapes?images=9&size=24&seed=1"};
    options.output = dir_ / "set";
    pack(options);
    maker_.config.model.image_size = 16;
    maker_.width = 3;
    maker_.batch = 4;
    maker_.identity = "means";
    maker_.encode = [this](const at::Tensor& images) {
      made_ += images.size(0);
      return images.mean({2, 3});
    };
  }
  at::Tensor get(const std::vector<std::uint64_t>& samples = {0, 2, 3, 4, 7, 8}) {
    const DataSet set(dir_ / "set");
    made_ = 0;
    return cached_features(test::world(), dir_ / "cache", set, samples, maker_, {});
  }
  /// Images whose features all ranks made at the last get().
  std::uint64_t made() { return test::world().sum(static_cast<std::uint64_t>(made_.load())); }
  /// Rank 0's; the others have none.
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    if (!fs::exists(dir_ / "cache")) return found;
    for (const auto& entry : fs::directory_iterator(dir_ / "cache"))
      found.push_back(entry.path());
    return found;
  }

  test::TempDir dir_;
  FeatureMaker maker_;
  std::atomic<std::int64_t> made_{0};
};

TEST_F(FeatureCacheTest, MakesFeaturesOnce) {
  const at::Tensor first = get();
  EXPECT_EQ(made(), 6u);
  EXPECT_EQ(files().size(), test::world().rank() == 0 ? 1u : 0u);
  const at::Tensor again = get();
  EXPECT_EQ(made(), 0u);
  EXPECT_TRUE(at::equal(first, again));
}

TEST_F(FeatureCacheTest, TellsApartWhatGivesOtherRows) {
  get();
  get({0, 2, 3, 4, 7});
  EXPECT_EQ(made(), 5u);
  maker_.identity = "other";
  get();
  EXPECT_EQ(made(), 6u);
  maker_.config.views.mean[1] = 0.25;
  get();
  EXPECT_EQ(made(), 6u);
  maker_.config.views.interpolation = Interpolation::bicubic;
  get();
  EXPECT_EQ(made(), 6u);
  maker_.config.model.image_size = 12;
  get();
  EXPECT_EQ(made(), 6u);
  EXPECT_EQ(files().size(), test::world().rank() == 0 ? 6u : 0u);
  maker_.identity = "";  // Not worth keeping.
  get();
  get();
  EXPECT_EQ(made(), 6u);
  EXPECT_EQ(files().size(), test::world().rank() == 0 ? 6u : 0u);
}

TEST_F(FeatureCacheTest, MakesAnewWhatIsNotWhatItShouldBe) {
  const at::Tensor want = get();
  const bool root = test::world().rank() == 0;
  const fs::path file = root ? files().front() : fs::path();
  const std::string good = root ? read_text(file) : std::string();
  const auto expect_made_anew = [&](const std::string& what, const std::function<void()>& change) {
    if (root) change();
    EXPECT_TRUE(at::equal(get(), want)) << what;
    EXPECT_EQ(made(), 6u) << what;
    EXPECT_TRUE(at::equal(get(), want)) << what;
    EXPECT_EQ(made(), 0u) << what << ", and then found";
    EXPECT_EQ(files().size(), root ? 1u : 0u) << what;
  };
  const auto write = [&](const std::string& text) { std::ofstream(file, std::ios::binary) << text; };
  expect_made_anew("an empty file", [&] { write(""); });
  expect_made_anew("a text", [&] { write("no features"); });
  expect_made_anew("half a file", [&] { write(good.substr(0, good.size() / 2)); });
  expect_made_anew("another key", [&] {
    write_feature_cache(file, "rows 1\n", at::arange(18, at::kFloat).view({6, 3}));
  });
  expect_made_anew("another shape", [&] {
    const DataSet set(dir_ / "set");
    const std::vector<std::uint64_t> samples{0, 2, 3, 4, 7, 8};
    write_feature_cache(file, feature_key(maker_, set, samples), at::arange(18, at::kFloat).view({3, 6}));
  });
}

// Whatever byte is another one: the same rows or an error, never other rows.
TEST_F(FeatureCacheTest, NeverGivesOtherRows) {
  if (test::world().rank() != 0) return;
  const std::string key = "rows 1\nsome key\n";
  const at::Tensor want = at::arange(12, at::kFloat).view({4, 3});
  const fs::path file = dir_ / "good.h5";
  write_feature_cache(file, key, want);
  EXPECT_TRUE(at::equal(read_feature_cache(FileHandle(file, O_RDONLY), key, 4, 3), want));
  const std::string bytes = read_text(file);
  const FileHandle damaged(file, O_RDWR);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto write = [&](char byte) { damaged.write_at(std::as_bytes(std::span(&byte, 1)), i); };
    write(static_cast<char>(bytes[i] ^ 0x41));
    try {
      ASSERT_TRUE(at::equal(read_feature_cache(damaged, key, 4, 3), want)) << "byte " << i;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data) << error.what();
      ++refused;
    }
    write(bytes[i]);
  }
  EXPECT_GT(refused, 200u);
}

TEST_F(FeatureCacheTest, DoesWithoutAFolderThatCannotBeMade) {
  std::ofstream(dir_ / "cache") << "a file";
  EXPECT_EQ(get().size(0), 6);
  EXPECT_EQ(made(), 6u);
  EXPECT_EQ(read_text(dir_ / "cache"), "a file");
}

}  // namespace
}  // namespace msn
