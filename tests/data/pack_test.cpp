// SPDX-License-Identifier: Apache-2.0
#include "data/pack.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/folder_lock.hpp"
#include "data_support.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

PackOptions with_shards(std::uint64_t shards, OnBad on_bad = OnBad::fail) {
  PackOptions options;
  options.shards = shards;
  options.on_bad = on_bad;
  return options;
}

TEST(Pack, FindsClassesAndIgnoresOtherFiles) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 3);
  test::write_file(dir / "in" / "class0" / "notes.txt", "text");
  test::write_file(dir / "in" / "class0" / ".hidden.jpg", "text");
  test::write_file(dir / "in" / "class1" / "deep" / "image_without_ending", test::small_jpeg(50));
  test::write_file(dir / "in" / "class1" / "copy.JPEG", test::small_jpeg(0));
  const PackReport report = test::pack_folder(dir / "in", dir / "set");
  EXPECT_EQ(report.manifest.count, 8u);
  EXPECT_EQ(report.manifest.classes, (std::vector<std::string>{"class0", "class1"}));
  EXPECT_EQ(report.ignored, 1u);
  EXPECT_EQ(report.manifest.duplicates, 1u);
  EXPECT_EQ(report.manifest.shards.size(), 1u);
  EXPECT_EQ(report.manifest.shards[0].file, "set-00000-of-00001.h5");
  const DataSet set(dir / "set");
  EXPECT_EQ(set.label(0), 0);
  EXPECT_EQ(set.label(7), 1);
}

TEST(Pack, DoesNotDependOnWorkers) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 10);
  for (const int workers : {1, 4}) {
    PackOptions options = with_shards(3);
    options.inputs = {(dir / "in").string()};
    options.output = dir / std::to_string(workers) / "set";
    options.workers = workers;
    pack(options);
  }
  EXPECT_EQ(test::file_hashes(dir / "1" / "set"), test::file_hashes(dir / "4" / "set"));
}

TEST(Pack, TheFingerprintIsThatOfTheImagesNotOfTheCut) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 5);
  const auto one = test::pack_folder(dir / "in", dir / "one", with_shards(1));
  const auto three = test::pack_folder(dir / "in", dir / "three", with_shards(3));
  PackOptions unlabelled;
  unlabelled.labels = Labels::none;
  const auto other = test::pack_folder(dir / "in", dir / "other", unlabelled);
  EXPECT_EQ(one.manifest.fingerprint, three.manifest.fingerprint);
  EXPECT_NE(one.manifest.fingerprint, other.manifest.fingerprint);
  EXPECT_TRUE(other.manifest.classes.empty());
  EXPECT_EQ(DataSet(dir / "other").label(0), -1);
}

TEST(Pack, CutsByBytes) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 1, 10);
  PackOptions options;
  options.shard_bytes = 2 * test::small_jpeg(0).size() + 200;
  const auto report = test::pack_folder(dir / "in", dir / "set", options);
  EXPECT_GT(report.manifest.shards.size(), 2u);
  EXPECT_EQ(DataSet(dir / "set").count(), 10u);
}

TEST(Pack, FailsAtTheFirstBadFileAndLeavesNothing) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 5);
  test::write_file(dir / "in" / "class0" / "2.jpg", "this is text");
  test::write_file(dir / "in" / "class1" / "1.jpg", "");
  test::expect_data_error([&] { test::pack_folder(dir / "in", dir / "set"); },
                          {"class0/2.jpg", "neither a JPEG nor a PNG", "--on-bad skip"});
  EXPECT_FALSE(fs::exists(dir / "set"));
}

TEST(Pack, SkipsBadFilesOnRequestAndNamesEach) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 5);
  test::write_file(dir / "in" / "class0" / "2.jpg", "this is text");
  auto truncated = test::small_jpeg(77);
  truncated.resize(truncated.size() - 10);
  test::write_file(dir / "in" / "class1" / "1.jpg", truncated);
  fs::create_symlink(dir / "nowhere", dir / "in" / "class1" / "link.jpg");
  const auto report = test::pack_folder(dir / "in", dir / "set", with_shards(2, OnBad::skip));
  ASSERT_EQ(report.left_out.size(), 3u);
  EXPECT_EQ(report.left_out[0].name, "class0/2.jpg");
  EXPECT_NE(report.left_out[1].reason.find("truncated"), std::string::npos);
  EXPECT_EQ(report.left_out[2].name, "class1/link.jpg");
  EXPECT_EQ(report.manifest.left_out, 3u);
  EXPECT_EQ(DataSet(dir / "set").count(), 8u);
  // The same call again has nothing to do and tells the same.
  const auto again = test::pack_folder(dir / "in", dir / "set", with_shards(2, OnBad::skip));
  EXPECT_TRUE(again.already_complete);
  EXPECT_EQ(again.left_out.size(), 3u);
  EXPECT_EQ(again.bytes, report.bytes);
  test::expect_data_error([&] { test::pack_folder(dir / "in", dir / "set", with_shards(2)); },
                          {"left out", "--on-bad skip"});
}

TEST(Pack, AllImagesBadIsAnError) {
  const test::TempDir dir;
  test::write_file(dir / "in" / "a.jpg", "text");
  PackOptions options;
  options.on_bad = OnBad::skip;
  test::expect_data_error([&] { test::pack_folder(dir / "in", dir / "set", options); }, {"not one"});
  EXPECT_FALSE(fs::exists(dir / "set"));
}

TEST(Pack, GoesOnAfterAnInterruption) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 6);
  const auto whole = test::pack_folder(dir / "in", dir / "set", with_shards(4));
  const auto expected = test::file_hashes(dir / "set");
  // As a run leaves it that was killed in its third shard.
  fs::remove(dir / "set" / "dataset.json");
  fs::remove(dir / "set" / "set-00003-of-00004.h5");
  fs::rename(dir / "set" / "set-00002-of-00004.h5", dir / "set" / "set-00002-of-00004.h5.partial");
  fs::resize_file(dir / "set" / "set-00002-of-00004.h5.partial", 100);
  test::expect_data_error([&] { DataSet(dir / "set"); }, {"not a finished data set"});
  const auto report = test::pack_folder(dir / "in", dir / "set", with_shards(4));
  EXPECT_EQ(report.shards_reused, 2u);
  EXPECT_EQ(report.manifest.fingerprint, whole.manifest.fingerprint);
  EXPECT_EQ(test::file_hashes(dir / "set"), expected);
}

TEST(Pack, MakesShardsAnewWhoseSourcesChanged) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 6);
  const auto first = test::pack_folder(dir / "in", dir / "set", with_shards(4));
  fs::remove(dir / "set" / "dataset.json");
  test::write_file(dir / "in" / "class0" / "0.jpg", test::small_jpeg(500));
  const auto report = test::pack_folder(dir / "in", dir / "set", with_shards(4));
  EXPECT_EQ(report.shards_reused, 3u);
  EXPECT_NE(report.manifest.fingerprint, first.manifest.fingerprint);
  EXPECT_EQ(DataSet(dir / "set").read(0), test::small_jpeg(500));
}

TEST(Pack, RefusesToOverwriteSomethingElse) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 3);
  test::write_folder(dir / "other", 1, 3);
  test::pack_folder(dir / "in", dir / "set");
  const auto before = test::file_hashes(dir / "set");
  test::expect_data_error([&] { test::pack_folder(dir / "other", dir / "set"); },
                          {"already holds", "set", "another folder"});
  EXPECT_EQ(test::file_hashes(dir / "set"), before);
  test::write_file(dir / "mine" / "letter.txt", "dear");
  test::expect_data_error([&] { test::pack_folder(dir / "in", dir / "mine"); }, {"other files", "letter.txt"});
  EXPECT_EQ(read_text(dir / "mine" / "letter.txt"), "dear");
}

TEST(Pack, NamesMissingAndEmptyInputs) {
  const test::TempDir dir;
  test::expect_data_error([&] { test::pack_folder(dir / "absent", dir / "set"); }, {"no such input", "absent"});
  fs::create_directory(dir / "empty");
  test::expect_data_error([&] { test::pack_folder(dir / "empty", dir / "set"); }, {"no JPEG or PNG", "empty"});
  test::write_file(dir / "file", "x");  // A list that names a file "x".
  test::expect_data_error([&] { test::pack_folder(dir / "file", dir / "set"); }, {"cannot open", "/x"});
  EXPECT_FALSE(fs::exists(dir / "set"));
}

TEST(Pack, AnImageBesideClassFoldersHasNoClass) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 2);
  test::write_file(dir / "in" / "loose.jpg", test::small_jpeg(9));
  test::expect_data_error([&] { test::pack_folder(dir / "in", dir / "set"); }, {"loose.jpg", "--labels none"});
}

TEST(Pack, MoreShardsThanImagesIsAUsageError) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 1, 2);
  try {
    test::pack_folder(dir / "in", dir / "set", with_shards(3));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
  }
}

TEST(Pack, NamesShardsAfterTheFolderHoweverItIsWritten) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 1, 2);
  EXPECT_EQ(test::pack_folder(dir / "in", dir / "a/").manifest.name, "a");
  EXPECT_EQ(test::pack_folder(dir / "in", dir / "b/.").manifest.name, "b");
  EXPECT_EQ(test::pack_folder(dir / "in", dir / ".hidden").manifest.name, "dataset");
  EXPECT_EQ(DataSet(dir / ".hidden").count(), 2u);
}

TEST(Pack, FileNamesThatAreNotUtf8AreBadImages) {
  const test::TempDir dir;
  test::write_file(dir / "in" / "caf\xe9.jpg", test::small_jpeg(1));
  test::write_file(dir / "in" / "caf\xc3\xa9 au lait.jpg", test::small_jpeg(2));
  test::expect_data_error([&] { test::pack_folder(dir / "in", dir / "set"); }, {"not UTF-8", "--on-bad skip"});
  const auto report = test::pack_folder(dir / "in", dir / "set", with_shards(1, OnBad::skip));
  EXPECT_EQ(report.manifest.count, 1u);
  ASSERT_EQ(report.left_out.size(), 1u);
  EXPECT_EQ(report.left_out[0].name, "caf\\xe9.jpg");
}

TEST(Pack, ListsEveryKindOfBadFileWithItsReason) {
  const test::TempDir dir;
  const auto write = [&](const std::string& name, const auto& content) {
    test::write_file(dir / "in" / name, content);
  };
  auto truncated = test::small_jpeg(3);
  truncated.resize(truncated.size() / 2);
  write("a one pixel.jpg", test::small_jpeg(1, 1, 1));
  write("b a jpeg.png", test::small_jpeg(2));
  write("c zero.jpg", std::string());
  write("d text.jpg", std::string("text"));
  write("e truncated.jpg", truncated);
  fs::create_symlink("f self.jpg", dir / "in" / "f self.jpg");
  write("g locked.jpg", test::small_jpeg(4));
  fs::permissions(dir / "in" / "g locked.jpg", fs::perms::none);
  const bool root = ::geteuid() == 0;  // Root may read everything.
  const auto report = test::pack_folder(dir / "in", dir / "set", with_shards(2, OnBad::skip));
  EXPECT_EQ(report.manifest.count, root ? 3u : 2u);
  const std::vector<std::pair<std::string, std::string>> expected{{"c zero.jpg", "empty"},
                                                                  {"d text.jpg", "neither a JPEG nor a PNG"},
                                                                  {"e truncated.jpg", "truncated"},
                                                                  {"f self.jpg", "symbolic links"},
                                                                  {"g locked.jpg", "Permission denied"}};
  ASSERT_EQ(report.left_out.size(), root ? 4u : 5u);
  for (std::size_t i = 0; i < report.left_out.size(); ++i) {
    EXPECT_EQ(report.left_out[i].name, expected[i].first);
    EXPECT_NE(report.left_out[i].reason.find(expected[i].second), std::string::npos) << report.left_out[i].reason;
  }
  const DataSet set(dir / "set");
  EXPECT_EQ(set.shards()[0].width(0), 1);
}

TEST(Pack, ListsDuplicates) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 3);
  test::write_file(dir / "in" / "class1" / "3, again.jpg", test::small_jpeg(0));
  for (int i = 4; i < 10; ++i)
    test::write_file(dir / "in" / "class1" / (std::to_string(i) + ".jpg"), test::small_jpeg(3));
  for (const bool again : {false, true}) {
    const auto report = test::pack_folder(dir / "in", dir / "set", with_shards(3));
    EXPECT_EQ(report.already_complete, again);
    EXPECT_EQ(report.manifest.duplicates, 7u);
    ASSERT_EQ(report.duplicates.size(), 5u);
    EXPECT_EQ(report.duplicates[0].name, "class1/3, again.jpg");
    EXPECT_EQ(report.duplicates[0].first, "class0/0.jpg");
    EXPECT_EQ(report.duplicates[1].name, "class1/4.jpg");
    EXPECT_EQ(report.duplicates[1].first, "class1/0.jpg");
  }
  EXPECT_EQ(read_text(dir / "set" / "duplicates.csv").substr(0, 35), "\"class1/3, again.jpg\",class0/0.jpg\n");
  test::write_folder(dir / "different", 2, 3);
  test::pack_folder(dir / "different", dir / "other");
  EXPECT_FALSE(fs::exists(dir / "other" / "duplicates.csv"));
}

TEST(Pack, SkippedFilesStaySkippedAfterAnInterruption) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 2, 6);
  test::write_file(dir / "in" / "class0" / "3.jpg", "text");
  test::write_file(dir / "in" / "class1" / "0.jpg", test::small_jpeg(1));  // Equal to class0/1.jpg.
  test::pack_folder(dir / "in", dir / "set", with_shards(4, OnBad::skip));
  const auto expected = test::file_hashes(dir / "set");
  fs::remove(dir / "set" / "dataset.json");
  fs::remove(dir / "set" / "set-00000-of-00004.h5");
  const auto report = test::pack_folder(dir / "in", dir / "set", with_shards(4, OnBad::skip));
  EXPECT_EQ(report.shards_reused, 3u);
  EXPECT_EQ(report.left_out.size(), 1u);
  EXPECT_EQ(test::file_hashes(dir / "set"), expected);
  fs::remove(dir / "set" / "dataset.json");
  test::expect_data_error([&] { test::pack_folder(dir / "in", dir / "set", with_shards(4)); },
                          {"bad image", "class0/3.jpg"});
}

TEST(Pack, EncodesAnewOnRequestOnly) {
  const test::TempDir dir;
  test::write_file(dir / "in" / "large.jpg", test::small_jpeg(1, 40, 20));
  test::write_file(dir / "in" / "small.jpg", test::small_jpeg(2, 20, 16));
  const auto pack_as = [&](const std::string& name, std::optional<Transcode> how) {
    PackOptions options;
    options.transcode = how;
    return test::pack_folder(dir / "in", dir / name, options);
  };
  const auto plain = pack_as("plain", std::nullopt);
  EXPECT_EQ(plain.transcoded, 0u);
  EXPECT_FALSE(read_dataset_manifest(dir / "plain").transcode.has_value());

  const Transcode smaller{20, 80};
  const auto report = pack_as("smaller", smaller);
  EXPECT_EQ(report.transcoded, 1u);
  EXPECT_NE(report.manifest.fingerprint, plain.manifest.fingerprint);
  EXPECT_EQ(read_dataset_manifest(dir / "smaller").transcode, smaller);
  const DataSet set(dir / "smaller");
  const Shard& shard = set.shards()[0];
  EXPECT_EQ(shard.width(0), 20);
  EXPECT_EQ(shard.height(0), 10);
  EXPECT_EQ(shard.flags(0) & flag_transcoded, flag_transcoded);
  EXPECT_EQ(shard.flags(1) & flag_transcoded, 0);
  EXPECT_EQ(shard.read(1), test::small_jpeg(2, 20, 16));
  EXPECT_EQ(pack_as("all", Transcode{0, 80}).transcoded, 2u);

  // The same folder with other options is refused; with the same ones there is nothing to do.
  EXPECT_TRUE(pack_as("smaller", smaller).already_complete);
  EXPECT_EQ(pack_as("smaller", smaller).transcoded, 1u);
  test::expect_data_error([&] { pack_as("smaller", Transcode{20, 90}); }, {"other options"});
  test::expect_data_error([&] { pack_as("smaller", std::nullopt); }, {"other options"});
  // A shard of an interrupted run with other options is not taken over.
  fs::remove(dir / "smaller" / "dataset.json");
  EXPECT_EQ(pack_as("smaller", Transcode{20, 90}).shards_reused, 0u);
}

TEST(Pack, AFolderThatIsBeingWrittenIsRefused) {
  const test::TempDir dir;
  test::write_folder(dir / "in", 1, 2);
  fs::create_directory(dir / "set");
  {
    const FolderLock other = FolderLock::exclusive(dir / "set");
    test::expect_data_error([&] { test::pack_folder(dir / "in", dir / "set"); }, {"another job", "set"});
  }
  EXPECT_EQ(test::pack_folder(dir / "in", dir / "set").manifest.count, 2u);
}

}  // namespace
}  // namespace msn
