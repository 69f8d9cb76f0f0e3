// SPDX-License-Identifier: Apache-2.0
#include "data/loader.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/hdf5.hpp"
#include "data/decode.hpp"
#include "data/sampler.hpp"
#include "data/views.hpp"
#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    test::write_folder(dir_ / "in", 2, 11);
    PackOptions options;
    options.shards = 3;
    test::pack_folder(dir_ / "in", dir_ / "set", options);
    views_.random = 1;
    views_.focal = 2;
    views_.random_size = 16;
    views_.focal_size = 8;
  }
  test::TempDir dir_;
  ViewsConfig views_;
};

TEST_F(LoaderTest, DeliversStepsInOrderAndTheSameForAnyNumberOfWorkers) {
  const DataSet set(dir_ / "set");
  Loader one(set, views_, 7, 4, 0, 1, 0, 1);
  Loader many(set, views_, 7, 4, 0, 1, 0, 5);
  for (std::uint64_t step = 0; step < 12; ++step) {
    Batch a = one.next();
    const Batch b = many.next();
    EXPECT_EQ(a.epoch, step / 5);
    EXPECT_EQ(a.position, step % 5 * 4);
    EXPECT_EQ(a.samples, b.samples);
    EXPECT_EQ(a.views, b.views);
    EXPECT_EQ(a.view_sizes, (std::vector<int>{16, 16, 8, 8}));
    one.recycle(std::move(a));
  }
}

TEST_F(LoaderTest, MakesTheViewsThatTheirParametersSay) {
  const DataSet set(dir_ / "set");
  Loader loader(set, views_, 7, 4, 0, 1, 6, 2);
  const Batch batch = loader.next();
  const Sampler sampler(set.count(), 7);
  EXPECT_EQ(batch.samples, samples_of_step(sampler, share_of_step(6, set.count(), 4, 0, 1)));
  for (std::size_t v = 0; v < 4; ++v) {
    const int size = v < 2 ? 16 : 8;
    const auto values = static_cast<std::size_t>(3 * size * size);
    ASSERT_EQ(batch.views[v].size(), 4 * values);
    for (std::size_t b = 0; b < 4; ++b) {
      const Image image = decode(set.read(batch.samples[b]));
      const auto parameters = draw_view(views_, image.width, image.height,
                                        {7, batch.epoch, batch.samples[b], static_cast<std::uint32_t>(v)});
      std::vector<float> expected(values);
      normalise(make_view(image, parameters, size, views_), views_, expected);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(),
                             batch.views[v].begin() + static_cast<std::ptrdiff_t>(b * values)));
    }
  }
}

TEST_F(LoaderTest, RanksTogetherHaveTheGlobalBatch) {
  const DataSet set(dir_ / "set");
  Loader whole(set, views_, 3, 6, 0, 1, 2, 2);
  const Batch all = whole.next();
  for (int rank = 0; rank < 3; ++rank) {
    Loader part(set, views_, 3, 6, rank, 3, 2, 2);
    const Batch share = part.next();
    ASSERT_EQ(share.samples.size(), 2u);
    for (std::size_t v = 0; v < all.views.size(); ++v) {
      const auto offset = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rank) * share.views[v].size());
      EXPECT_TRUE(std::equal(share.views[v].begin(), share.views[v].end(), all.views[v].begin() + offset));
    }
  }
}

TEST_F(LoaderTest, AnErrorNamesTheSampleAndEarlierBatchesStillCome) {
  std::string shard;
  {
    const DataSet set(dir_ / "set");
    shard = set.shards()[0].path();
  }
  {
    // The first image of the data set is damaged on disk.
    const h5::File file(shard, h5::Mode::read);
    const std::array<std::byte, 4> zeros{};
    FileHandle(shard, O_RDWR).write_at(zeros, file.facts("bytes").file_offset + 100);
  }
  const DataSet set(dir_ / "set");
  const Sampler sampler(set.count(), 1);
  std::uint64_t bad_step = 0;
  while (true) {
    const auto ids = samples_of_step(sampler, share_of_step(bad_step, set.count(), 2, 0, 1));
    if (std::find(ids.begin(), ids.end(), 0) != ids.end()) break;
    ++bad_step;
  }
  Loader loader(set, views_, 1, 2, 0, 1, 0, 3);
  for (std::uint64_t step = 0; step < bad_step; ++step)
    EXPECT_NO_THROW(loader.next());
  test::expect_data_error([&] { loader.next(); }, {"sample 0", "class0/0.jpg", "checksum"});
}

TEST_F(LoaderTest, EndsAtOnceInTheMiddleOfWork) {
  const DataSet set(dir_ / "set");
  for (int i = 0; i < 20; ++i) {
    Loader loader(set, views_, 1, 22, 0, 1, 0, 4);
    if (i % 2 == 0) loader.next();
  }
}

TEST_F(LoaderTest, RefusesBatchesThatDoNotFit) {
  const DataSet set(dir_ / "set");
  EXPECT_THROW(Loader(set, views_, 1, 5, 0, 2, 0, 1), Error);
  EXPECT_THROW(Loader(set, views_, 1, 23, 0, 1, 0, 1), Error);
}

}  // namespace
}  // namespace msn
