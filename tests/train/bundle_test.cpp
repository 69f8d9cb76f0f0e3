// SPDX-License-Identifier: Apache-2.0
#include "train/bundle.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "base/files.hpp"
#include "support/support.hpp"
#include "train/bundle_example.hpp"

namespace msn {
namespace {

using test::example_bundle;

TEST(Bundle, ComesBackAsWritten) {
  const StepBundle back = parse_bundle(bundle_text(example_bundle()), "b.json");
  EXPECT_EQ(bundle_text(back), bundle_text(example_bundle()));
  EXPECT_EQ(back.ranks[0].parts.loss, 0.1 + 0.2);
  EXPECT_TRUE(std::isnan(back.ranks[1].parts.loss));
  EXPECT_EQ(back.ranks[1].parts.me_max, std::numeric_limits<double>::infinity());
  EXPECT_EQ(back.ranks[1].parts.entropy, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(back.ranks[1].samples, (std::vector<std::uint64_t>{0, 3}));
  EXPECT_EQ(back.surroundings, example_bundle().surroundings);
  EXPECT_EQ(back.checkpoint, 120u);
  StepBundle fresh = example_bundle();
  fresh.checkpoint.reset();
  EXPECT_EQ(parse_bundle(bundle_text(fresh), "b.json").checkpoint, std::nullopt);
}

TEST(Bundle, IsAFileInAFolderOfItsOwn) {
  const test::TempDir run;
  write_bundle(run.path(), example_bundle());
  write_bundle(run.path(), example_bundle());  // Again, as a run does that meets the step again.
  const auto file = bundle_file(run.path(), 124);
  EXPECT_EQ(file, run / "bundles" / "step-00000124.json");
  EXPECT_EQ(read_text(file), bundle_text(example_bundle()));
  struct stat status {};
  ASSERT_EQ(::stat((run / "bundles").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07u, 0u) << "others may not look";

  const test::TempDir other;
  std::ofstream(other / "bundles") << "in the way";
  EXPECT_THROW(write_bundle(other.path(), example_bundle()), Error);
}

/// The message of the error for the example's text with `from` replaced by `to`.
std::string error_with(const std::string& from, const std::string& to) {
  std::string text = bundle_text(example_bundle());
  const auto at = text.find(from);
  if (at == std::string::npos) return "the text has no " + from;
  text.replace(at, from.size(), to);
  try {
    parse_bundle(text, "b.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_NE(std::string(error.what()).find("(b.json)"), std::string::npos) << error.what();
    return error.what();
  }
  return "accepted";
}

#define EXPECT_REFUSED(from, to, message) \
  EXPECT_NE(error_with(from, to).find(message), std::string::npos) << error_with(from, to)

TEST(Bundle, RefusesWhatIsDamaged) {
  EXPECT_REFUSED("\"format_version\": 1", "\"format_version\": 2", "format version 2");
  EXPECT_REFUSED("\"format_version\": 1,", "", "not a bundle of a step");
  EXPECT_REFUSED("\"step\": 124", "\"step\": \"124\"", "not a bundle of a step");
  EXPECT_REFUSED("\"step\": 124", "\"step\": 0", "do not fit together");
  EXPECT_REFUSED("\"step\": 124", "\"step\": 124, \"step\": 125", "a key stands twice: step");
  EXPECT_REFUSED("\"world_size\": 2", "\"world_size\": 3", "do not fit together");
  EXPECT_REFUSED("\"global_batch\": 4", "\"global_batch\": 5", "do not fit together");
  EXPECT_REFUSED("\"samples\": [", "\"samples\": [1,", "do not fit together");
  EXPECT_REFUSED("\"loss\": \"nan\"", "\"loss\": \"many\"", "not a number: \"many\"");
  EXPECT_REFUSED("\"loss\": \"nan\"", "\"loss\": null", "not a bundle of a step");
  EXPECT_REFUSED("\"ranks\": [", "\"ranks\": 3, \"more\": [", "not a bundle of a step");
  const std::string text = bundle_text(example_bundle());
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, text.size() / 2, text.size() - 3})
    EXPECT_THROW(parse_bundle(text.substr(0, length), "b.json"), Error) << length;
}

TEST(Bundle, SaysWhatIsNotFinite) {
  StepBundle bundle = example_bundle();
  EXPECT_EQ(what_is_not_finite(bundle), "loss of rank 1 is nan");
  EXPECT_EQ(hosts_not_finite(bundle), "host n02");
  bundle.ranks[0].parts.cross_entropy = std::numeric_limits<double>::infinity();
  EXPECT_EQ(what_is_not_finite(bundle), "cross_entropy of ranks 0, 1 is not finite");
  EXPECT_EQ(hosts_not_finite(bundle), "hosts n01, n02");
  for (RankNumbers& rank : bundle.ranks)
    rank.parts = {};
  EXPECT_EQ(what_is_not_finite(bundle), "the gradient of cls_token and of 1 more tensor is not finite");
  EXPECT_EQ(hosts_not_finite(bundle), "");
  bundle.tensors.pop_back();
  EXPECT_EQ(what_is_not_finite(bundle), "the gradient of cls_token is not finite");
  bundle.tensors.clear();
  EXPECT_EQ(what_is_not_finite(bundle), "the gradients are too large for their norm");
  bundle.grad_norm = 1;
  EXPECT_EQ(what_is_not_finite(bundle), "");
}

TEST(Bundle, NamesTheFirstRanksOfMany) {
  StepBundle bundle = example_bundle();
  for (int i = 0; i < 10; ++i)
    bundle.ranks.push_back(bundle.ranks[1]);
  EXPECT_EQ(what_is_not_finite(bundle), "loss of ranks 1, 2, 3, 4, 5, 6, 7, 8 and 3 more is not finite");
}

TEST(BundleDifferences, AreNoneForTheSameStep) {
  for (const Match match : {Match::bits, Match::to_rounding, Match::other_ranks})
    EXPECT_TRUE(differences(example_bundle(), example_bundle(), match).empty());
}

TEST(BundleDifferences, CountEveryBitOnlyWhereBitsArePromised) {
  StepBundle now = example_bundle();
  now.ranks[0].parts.loss = std::nextafter(now.ranks[0].parts.loss, 1);
  now.tensors[0].count = 15;
  const auto found = differences(example_bundle(), now, Match::bits);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], "loss of rank 0 is 0.3000000000000001, recorded 0.30000000000000004");
  EXPECT_TRUE(differences(example_bundle(), now, Match::to_rounding).empty());
  EXPECT_TRUE(differences(example_bundle(), now, Match::other_ranks).empty());
}

TEST(BundleDifferences, SayThatAStepIsFiniteNow) {
  StepBundle now = example_bundle();
  now.ranks[1].parts.loss = 2.5;
  now.grad_norm = 3;
  now.tensors.clear();
  const auto found = differences(example_bundle(), now, Match::to_rounding);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0], "loss of rank 1 is 2.5, recorded nan");
  EXPECT_EQ(found[1], "grad_norm is 3.0, recorded nan");
  EXPECT_EQ(found[2], "gradients of 0 tensors are not finite, recorded 2");
  const auto over_all = differences(example_bundle(), now, Match::other_ranks);
  ASSERT_EQ(over_all.size(), 3u);
  EXPECT_EQ(over_all[0].find("the mean loss is 1.4"), 0u) << over_all[0];
}

TEST(BundleDifferences, FindOtherSamples) {
  StepBundle now = example_bundle();
  now.ranks[1].samples[0] = 11;
  EXPECT_EQ(differences(example_bundle(), now, Match::to_rounding),
            (std::vector<std::string>{"the samples of rank 1 are others"}));
}

}  // namespace
}  // namespace msn
