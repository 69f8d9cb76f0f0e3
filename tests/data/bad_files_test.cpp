// SPDX-License-Identifier: Apache-2.0
// Files of all kinds on their way into a data set: their content counts, not their names.
#include <gtest/gtest.h>

#include <algorithm>

#include "data/dataset.hpp"
#include "data_support.hpp"
#include "golden_images.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

std::vector<std::byte> golden_image(const std::string& name) {
  const h5::File file(test::golden("augment.h5"), h5::Mode::read);
  const auto names = file.read_strings("image/name");
  const auto place = std::find(names.begin(), names.end(), name);
  return test::read_encoded(file).at(static_cast<std::size_t>(place - names.begin()));
}

TEST(BadFiles, ContentCountsNotTheName) {
  const test::TempDir dir;
  test::write_file(dir / "in/a/png.JPEG", golden_image("palette.png"));
  test::write_file(dir / "in/a/jpeg.png", test::small_jpeg(1));
  test::write_file(dir / "in/a/no_extension", test::small_jpeg(2));
  test::write_file(dir / "in/a/ycck.jpg", golden_image("ycck.jpg"));
  test::pack_folder(dir / "in", dir / "set");
  const DataSet set(dir / "set");
  ASSERT_EQ(set.count(), 4u);
  const Shard& shard = set.shards()[0];
  const std::vector<std::string> names{"a/jpeg.png", "a/no_extension", "a/png.JPEG", "a/ycck.jpg"};
  EXPECT_EQ(shard.names(), names);
  EXPECT_EQ(shard.flags(0), 0);
  EXPECT_EQ(shard.flags(1), 0);
  EXPECT_EQ(shard.flags(2) & flag_png, flag_png);
  EXPECT_EQ(shard.flags(3), flag_cmyk);
}

TEST(BadFiles, EachIsLeftOutWithItsReason) {
  const test::TempDir dir;
  const std::vector<std::byte> whole = test::small_jpeg(1);
  test::write_file(dir / "in/a/good.jpg", whole);
  test::write_file(dir / "in/a/empty.jpg", "");
  test::write_file(dir / "in/a/cut.jpg", std::span(whole).first(whole.size() / 2));
  test::write_file(dir / "in/a/page.jpg", "<!DOCTYPE html> not found");
  test::write_file(dir / "in/a/stray.jpg", golden_image("stray_marker.jpg"));
  PackOptions options;
  options.on_bad = OnBad::skip;
  const PackReport report = test::pack_folder(dir / "in", dir / "set", options);
  EXPECT_EQ(report.manifest.count, 1u);
  const DataSet set(dir / "set");
  const std::vector<BadImage> bad = set.shards()[0].left_out();
  const std::vector<std::pair<std::string, std::string>> expected{
      {"a/cut.jpg", "truncated"}, {"a/empty.jpg", "empty"}, {"a/page.jpg", "neither"}, {"a/stray.jpg", "damaged JPEG"}};
  ASSERT_EQ(bad.size(), expected.size());
  for (std::size_t i = 0; i < bad.size(); ++i) {
    EXPECT_EQ(bad[i].name, expected[i].first);
    EXPECT_NE(bad[i].reason.find(expected[i].second), std::string::npos) << bad[i].name << ": " << bad[i].reason;
  }
}

}  // namespace
}  // namespace msn
