// SPDX-License-Identifier: Apache-2.0
// to_toml, config_digest, compare_configs.
#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"
#include "config/config.hpp"
#include "config/keys.hpp"
#include "config/nearest.hpp"
#include "config/toml_text.hpp"

namespace msn {
namespace {

Config unusual() {
  return parse_config(R"(
[data]
path = "a \"b\" \\ \u0001 zwölf"
[views]
random_scale = [0.1, 0.30000000000000004]
mask_per = "image"
interpolation = "bicubic"
[model]
arch = "custom"
width = 96
depth = 3
heads = 4
freeze_prototypes = true
init = "a/b.safetensors"
[loss]
sharpen = [0.25, 1e-300]
entropy = 5
prior = "weights.txt"
[optim]
lr = [1e-7, 0.1234567890123456789, 0]
[train]
seed = 9223372036854775807
precision = "fp64"
[runtime]
stop_signals = ["TERM", "HUP"]
job_end = false
)",
                      "test.toml");
}

TEST(ToToml, ReadsBackAsTheSameConfig) {
  EXPECT_EQ(parse_config(to_toml(Config{}), "defaults"), Config{});
  const Config config = unusual();
  EXPECT_EQ(parse_config(to_toml(config), "unusual"), config);
  EXPECT_EQ(to_toml(parse_config(to_toml(config), "unusual")), to_toml(config));
}

TEST(ToToml, HoldsEveryKey) {
  const std::string text = to_toml(Config{});
  for (const Key& key : all_keys()) {
    EXPECT_NE(text.find("\n" + std::string(key.name) + " = "), std::string::npos) << key.full_name();
  }
}

TEST(ToToml, RefusesAPathThatTomlCannotHold) {
  for (const char* bytes : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xe2\x82"}) {
    Config config;
    config.data.path = bytes;
    EXPECT_THROW(to_toml(config), Error) << bytes;
  }
}

TEST(NumberText, IsATomlNumberWithAFraction) {
  EXPECT_EQ(number_text(15), "15.0");
  EXPECT_EQ(number_text(1e-6), "1e-06");
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(1e22), "1e+22");
}

TEST(Digest, IsOfTheValuesNotOfTheText) {
  const std::string digest = config_digest(unusual());
  EXPECT_EQ(
      config_digest(parse_config("model = {heads = 4, depth = 3, width = 96, init='a/b.safetensors', "
                                 "freeze_prototypes=true}\r\n[train]\r\nprecision='fp64' # why\r\n"
                                 "seed=0x7fffffffffffffff\r\n[runtime]\r\nstop_signals=['TERM']\r\n[loss]\r\nprior='"
                                 "weights.txt'\r\nentropy=5.0\r\nsharpen=[0.25,1e-300,]\r\n"
                                 "[optim]\r\nlr=[1e-7, 0.1234567890123456789, -0.0]\r\n[views]\r\nmask_per='image'\r\n"
                                 "interpolation='bicubic'\r\nrandom_scale=[0.1, 0.30000000000000004]\r\n",
                                 "other.toml")),
      digest);
}

// Checkpoints carry the digest: if this value changes, runs that began before need --force-resume.
TEST(Digest, StaysTheSameFromVersionToVersion) {
  EXPECT_EQ(config_digest(Config{}), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(config_digest(unusual()), "db922c6ff4c914f1e79d79447119d972");
}

TEST(Digest, LeavesOutWhatChangesNoNumber) {
  const std::string base = config_digest(Config{});
  const auto with = [](const std::vector<std::string>& overrides) {
    return config_digest(parse_config("", "empty", overrides));
  };
  EXPECT_EQ(with({"data.path=elsewhere", "data.workers=3", "data.max_bad=0.5", "data.staging=/tmp", "data.cache=ram",
                  "train.non_finite=skip", "train.max_skipped=3", "train.max_skipped_in_a_row=0",
                  "train.max_fruitless_lives=0", "checkpoint.keep=9", "checkpoint.every_steps=0",
                  "checkpoint.writers=4", "runtime.threads=2", "runtime.bucket_mib=1", "runtime.watchdog=30",
                  "runtime.stop_signals=[]", "runtime.job_end=false", "checkpoint.every_minutes=5",
                  "evaluate.every_epochs=2", "evaluate.train=a", "evaluate.test=b", "evaluate.k=5"}),
            base);
  EXPECT_EQ(with({"model.arch=custom", "model.width=384", "model.depth=12", "model.heads=6"}), base);
  EXPECT_NE(with({"train.seed=1"}), base);
  EXPECT_NE(with({"model.arch=vit_base"}), base);
}

Config several(const std::string& tables) {
  return parse_config("[data]\nepoch_images = 500\n" + tables, "several");
}

TEST(Sets, ReadBackAsTheSameConfig) {
  const Config config = several(
      "[[data.set]]\npath = \"a\"\nweight = 3\nmean = [0.1, 0.2, 0.3]\n"
      "[[data.set]]\npath = \"b\"\nweight = 0.5\nstd = [1, 1, 2]\n");
  ASSERT_EQ(config.data.sets.size(), 2u);
  EXPECT_EQ(config.data.sets[0].mean, (std::array{0.1, 0.2, 0.3}));
  EXPECT_FALSE(config.data.sets[0].std);
  EXPECT_EQ(config.data.sets[1].weight, 0.5);
  EXPECT_EQ(parse_config(to_toml(config), "again"), config);
  EXPECT_EQ(to_toml(parse_config(to_toml(config), "again")), to_toml(config));
}

TEST(Sets, TheirWeightsAndLevelsCountTheirPathsDoNot) {
  const std::string two = "[[data.set]]\npath = \"a\"\nweight = 3\n[[data.set]]\npath = \"b\"\nweight = 1\n";
  const Config base = several(two);
  EXPECT_NE(config_digest(base), config_digest(parse_config("", "empty")));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = two;
    return several(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_EQ(config_digest(changed("\"a\"", "\"elsewhere\"")), config_digest(base));
  for (const Config& other :
       {changed("weight = 3", "weight = 4"), changed("weight = 3", "weight = 3\nmean = [0, 0, 0]")}) {
    EXPECT_NE(config_digest(other), config_digest(base));
    const auto differences = compare_configs(base, other);
    ASSERT_EQ(differences.size(), 1u);
    EXPECT_EQ(differences[0].key, "data.set");
    EXPECT_EQ(differences[0].effect, Effect::numbers);
  }
  const auto moved = compare_configs(base, changed("\"a\"", "\"elsewhere\""));
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].effect, Effect::none);
}

TEST(Sets, ASingleOneIsTheSameAsAPath) {
  const Config one = parse_config("[[data.set]]\npath = \"a\"\nweight = 2\n", "one");
  EXPECT_EQ(config_digest(one), config_digest(Config{}));
  EXPECT_NE(config_digest(parse_config("[[data.set]]\npath = \"a\"\nstd = [1, 1, 1]\n", "one")), config_digest(one));
}

TEST(Compare, ListsKeysValuesAndWhetherNumbersChange) {
  EXPECT_TRUE(compare_configs(Config{}, Config{}).empty());
  const auto differences =
      compare_configs(Config{}, parse_config("", "empty", {"train.seed=7", "data.path=d", "optim.ema=[0.9,1]"}));
  ASSERT_EQ(differences.size(), 3u);
  EXPECT_EQ(differences[0].key, "data.path");
  EXPECT_EQ(differences[0].after, "\"d\"");
  EXPECT_EQ(differences[0].effect, Effect::none);
  EXPECT_EQ(differences[1].key, "optim.ema");
  EXPECT_EQ(differences[1].before, "[0.996, 1.0]");
  EXPECT_EQ(differences[1].after, "[0.9, 1.0]");
  EXPECT_EQ(differences[1].effect, Effect::numbers);
  EXPECT_EQ(differences[2].key, "train.seed");
  EXPECT_EQ(differences[2].after, "7");
}

TEST(Compare, TellsWhatARunDoesFromItsNumbers) {
  const auto differences =
      compare_configs(Config{}, parse_config("", "empty",
                                             {"data.max_bad=0", "train.check_replicas_every=7", "checkpoint.keep=5",
                                              "checkpoint.keep_every=9", "checkpoint.writers=2", "runtime.threads=1"}));
  std::vector<std::string> policy, free;
  for (const ConfigDifference& difference : differences)
    (difference.effect == Effect::policy ? policy : free).push_back(difference.key);
  EXPECT_EQ(policy, (std::vector<std::string>{"data.max_bad", "train.check_replicas_every", "checkpoint.keep",
                                              "checkpoint.keep_every"}));
  EXPECT_EQ(free, (std::vector<std::string>{"checkpoint.writers", "runtime.threads"}));
}

TEST(Compare, KnowsTheKeysThatItMayName) {
  EXPECT_NO_THROW(require_known_key("optim.lr"));
  EXPECT_NO_THROW(require_known_key("data.set"));
  try {
    require_known_key("optim.lrs");
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_NE(std::string(error.what()).find("the nearest known key is optim.lr"), std::string::npos) << error.what();
  }
}

TEST(EditDistance, CountsInsertedDeletedAndReplaced) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("focal", "focals"), 1u);
}

}  // namespace
}  // namespace msn
