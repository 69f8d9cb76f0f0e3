// SPDX-License-Identifier: Apache-2.0
// parse_config: what is accepted, and one clear line for everything else.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/config.hpp"

namespace msn {
namespace {

// The message of the refusal. Checks what holds for all of them.
std::string failure(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    parse_config(text, "t.toml", overrides);
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), ExitCode::config) << message;
    EXPECT_TRUE(std::none_of(message.begin(), message.end(), [](unsigned char c) { return c < 0x20; })) << message;
    EXPECT_LT(message.size(), 600u) << message;
    EXPECT_FALSE(error.where().empty()) << message;
    EXPECT_FALSE(error.remedy().empty()) << message;
    return message;
  }
  ADD_FAILURE() << "accepted: " << text.substr(0, 200);
  return {};
}

void expect_in(const std::string& part, const std::string& message) {
  EXPECT_NE(message.find(part), std::string::npos) << "no \"" << part << "\" in: " << message;
}

TEST(Parse, EmptyTextGivesTheDefaults) {
  EXPECT_EQ(parse_config("", "t.toml"), Config{});
  EXPECT_EQ(parse_config("# only a comment\n[train]\n", "t.toml"), Config{});
}

TEST(Parse, ReadsEveryKindOfValue) {
  const Config c = parse_config(
      "data.path = 'x/y'\n[views]\nfocal=2\nrandom_scale=[0.2,1]\nmask_per=\"image\"\nresize_order='pillow13'\n"
      "[loss]\ntemperature=1\n[optim]\nwarmup_epochs=0\n[train]\nseed=18\nepochs=1_0\n",
      "t.toml");
  EXPECT_EQ(c.data.path, "x/y");
  EXPECT_EQ(c.views.focal, 2);
  EXPECT_EQ(c.views.random_scale, (std::array{0.2, 1.0}));
  EXPECT_EQ(c.views.mask_per, MaskPer::image);
  EXPECT_EQ(c.views.resize_order, ResizeOrder::pillow13);
  EXPECT_EQ(c.loss.temperature, 1.0);
  EXPECT_EQ(c.train.seed, 18u);
  EXPECT_EQ(c.train.epochs, 10);
}

TEST(Parse, ReadsAListOfNames) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(Config{}.runtime.stop_signals, (Names{"USR1", "USR2", "TERM"}));
  EXPECT_EQ(parse_config("[runtime]\nstop_signals = ['XCPU', \"USR1\"]\n", "t.toml").runtime.stop_signals,
            (Names{"XCPU", "USR1"}));
  EXPECT_EQ(parse_config("", "t.toml", {"runtime.stop_signals=[]"}).runtime.stop_signals, Names{});
}

TEST(Parse, TakesWindowsLineEndsAndAByteOrderMark) {
  EXPECT_EQ(parse_config("[train]\r\nseed = 3\r\n", "t.toml").train.seed, 3u);
  EXPECT_EQ(parse_config("\xef\xbb\xbf[train]\nseed = 3\n", "t.toml").train.seed, 3u);
  expect_in("t.toml:2:8", failure("[train]\r\nseed = -3\r\n"));
  expect_in("t.toml:2:8", failure("\xef\xbb\xbf[train]\nseed = -3\n"));
}

TEST(Parse, UnknownNamesNameTheNearest) {
  const std::string key = failure("[views]\n\nfocals = 3\n");
  expect_in("unknown key \"views.focals\"", key);
  expect_in("t.toml:3:1", key);
  expect_in("\"views.focal\"", key);
  expect_in("\"train.seed\"", failure("[optim]\nseed = 3\n"));
  expect_in("\"train.seed\"", failure("seed = 3\n"));
  const std::string section = failure("[veiws]\nfocal = 3\n");
  expect_in("unknown section [veiws]", section);
  expect_in("t.toml:1:", section);
  expect_in("[views]", section);
  failure("\"\" = 1\n");
  failure("[views]\n\"\" = 1\n");
  failure("[\"a\\nb\"]\n");
  failure("[views]\n" + std::string(100000, 'x') + " = 1\n");
  failure("[train]\nseed.x = 1\n");
  failure("[[views]]\nfocal = 3\n");
}

TEST(Parse, SeveralDataSets) {
  const std::string two = "[[data.set]]\npath = 'a'\n[[data.set]]\npath = 'b'\n";
  const Config config = parse_config(two, "t.toml");
  ASSERT_EQ(config.data.sets.size(), 2u);
  EXPECT_EQ(config.data.sets[1].path, "b");
  EXPECT_EQ(config.data.sets[1].weight, 0);
  // One named on the command line takes their place.
  const Config one = parse_config("[data]\nepoch_images = 9\n" + two, "t.toml", {"data.path=c"});
  EXPECT_TRUE(one.data.sets.empty());
  EXPECT_EQ(one.data.path, "c");
  EXPECT_EQ(one.data.epoch_images, 0);

  expect_in("data.path and [[data.set]] are both given", failure("[data]\npath = 'x'\n" + two));
  expect_in("t.toml:6:1", failure(two + "[[data.set]]\npaht = 'c'\n"));
  expect_in("\"data.set.path\"", failure(two + "[[data.set]]\npaht = 'c'\n"));
  expect_in("has no path", failure(two + "[[data.set]]\n"));
  expect_in("data.set.weight", failure(two + "[[data.set]]\npath = 'c'\nweight = 0\n"));
  expect_in("3 numbers", failure(two + "[[data.set]]\npath = 'c'\nmean = [0, 1]\n"));
  expect_in("only some of the data sets have a weight", failure(two + "[[data.set]]\npath = 'c'\nweight = 1\n"));
  expect_in("data.set is a table", failure("[data.set]\npath = 'a'\n"));
  expect_in("data.set is a list", failure("[data]\nset = []\n"));
  expect_in("data.set is a list", failure("[data]\nset = ['a', 'b']\n"));
  expect_in("cannot be overridden", failure(two, {"data.set=[]"}));
  expect_in("cannot be overridden", failure(two, {"data.set.path=a"}));
  expect_in("single data set", failure("[data]\nepoch_images = 9\n"));
  EXPECT_EQ(parse_config("[data]\ninput = 'synthetic'\nepoch_images = 9\n", "t.toml").data.epoch_images, 9);
}

TEST(Parse, SectionsMustBeSections) {
  expect_in("[train] is", failure("train = 3\n"));
  expect_in("[data]", failure("[[data]]\npath = 'x'\n"));
}

TEST(Parse, RefusesWrongTypes) {
  for (const char* value : {"64.0", "1e3", "'64'", "true", "[64]", "{}", "1979-05-27", "07:32:00", "nan", "inf"}) {
    const std::string message = failure(std::string("[train]\nglobal_batch = ") + value + "\n");
    expect_in("train.global_batch", message);
    expect_in("t.toml:2:16", message);
    expect_in("a whole number from 1 to", message);
  }
  for (const char* value : {"'0.1'", "false", "[0.1]", "1979-05-27", "nan", "-nan", "inf", "-inf", "{}"}) {
    expect_in("must be a number", failure(std::string("[loss]\ntemperature = ") + value + "\n"));
  }
  for (const char* value :
       {"0.25", "[0.25]", "[0.25, 0.25, 0.25]", "[0.25, '0.25']", "[0.25, nan]", "[]", "[[0.25], 0.25]"}) {
    expect_in("a list of 2 numbers", failure(std::string("[loss]\nsharpen = ") + value + "\n"));
  }
  for (const char* value : {"3", "true", "'nothing'", "''", "'BATCH'", "['batch']"}) {
    expect_in("\"batch\" or \"image\"", failure(std::string("[views]\nmask_per = ") + value + "\n"));
  }
  for (const char* value : {"'USR1'", "10", "true", "{}", "[10]", "['KILL']", "['STOP']", "['SEGV']", "['CONT']",
                            "['SIGUSR1']", "['usr1']", "['USR1', 'USR1']", "[['USR1']]"}) {
    const std::string message = failure(std::string("[runtime]\nstop_signals = ") + value + "\n");
    expect_in("runtime.stop_signals", message);
    expect_in("t.toml:2:", message);
    expect_in("it must be a list, each at most once, of \"HUP\", \"INT\", ", message);
  }
  failure("[data]\npath = 3\n");
  failure("[data]\npath = \"a\\u0000b\"\n");
  expect_in("t.toml:2:18", failure("[loss]\nsharpen = [0.25, 'x']\n"));
}

TEST(Parse, RefusesWhatIsOutOfRange) {
  const std::vector<std::string> overrides{"data.workers=-1",
                                           "views.random=0",
                                           "views.focal=-1",
                                           "views.random_size=0",
                                           "views.focal_size=0",
                                           "views.random_scale=[0,1]",
                                           "views.random_scale=[0.3,1.1]",
                                           "views.mask_ratio=-0.1",
                                           "views.mask_ratio=1.1",
                                           "views.jitter=2",
                                           "views.blur=-1",
                                           "views.std=[1,0,1]",
                                           "model.patch_size=0",
                                           "model.prototypes=1",
                                           "model.head_out=0",
                                           "loss.temperature=0",
                                           "loss.temperature=-1",
                                           "loss.sharpen=[0,0.25]",
                                           "loss.sharpen=[0.25,1.5]",
                                           "loss.sinkhorn=-1",
                                           "loss.me_max=-1",
                                           "optim.lr=[-1,0,0]",
                                           "optim.clip=-1",
                                           "optim.ema=[0.9,1.5]",
                                           "optim.schedule_stretch=0.5",
                                           "train.global_batch=0",
                                           "train.global_batch=99999999999",
                                           "train.epochs=0",
                                           "train.seed=-1",
                                           "checkpoint.keep=1",
                                           "checkpoint.writers=0",
                                           "checkpoint.every_minutes=-1",
                                           "runtime.threads=-1",
                                           "runtime.bucket_mib=0",
                                           "runtime.job_end=1",
                                           "runtime.stop_signals=USR1",
                                           "runtime.stop_signals=['KILL']"};
  for (const std::string& override : overrides) {
    const std::string message = failure("", {override});
    expect_in("--set " + override, message);
    expect_in("must be", message);
  }
}

TEST(Parse, RefusesDuplicatesAndBrokenToml) {
  expect_in("t.toml:3:", failure("[train]\nseed = 1\nseed = 2\n"));
  expect_in("t.toml:3:", failure("[train]\nseed = 1\n[train]\nepochs = 2\n"));
  for (const char* text : {"[train\n", "[train]\nseed = \n", "[train]\nseed 1\n", "= 1\n", "[train]\nseed = 1 2\n",
                           "[]\n", "a = \"\n", "a = '''\n", "a = \"\\q\"\n", "[train]\nseed = 99999999999999999999\n",
                           "a = [1,\n", "a = {b = 1\n", "[train]\nseed = 01\n", "\x01\n"}) {
    expect_in("t.toml:", failure(text));
  }
  failure("[loss]\ntemperature = 1e400\n");
  failure("[loss]\ntemperature = -1e400\n");
}

TEST(Parse, RefusesBytesThatAreNoText) {
  failure("\xff\xfe[\0t\0");
  failure("[data]\npath = \"\xff\"\n");
  failure("[data]\npath = \"\xc3\x28\"\n");
  failure("# \xed\xa0\x80\n");
  failure(std::string("[train]\0\nseed = 1\n", 18));
}

TEST(Parse, RefusesDeepNestingBeforeItCosts) {
  const auto many = [](const std::string& part, int n) {
    std::string out;
    for (int i = 0; i < n; ++i)
      out += part;
    return out;
  };
  expect_in("nested", failure("a = " + many("[", 100000) + "\n"));
  expect_in("nested", failure("a = " + many("{a=", 100000) + "\n"));
  expect_in("nested", failure("a" + many(".a", 400000) + " = 1\n"));
  expect_in("nested", failure("[a" + many(".a", 400000) + "]\n"));
  expect_in("nested", failure("[a" + many(".\"a\"", 200000) + "]\n"));
  expect_in("t.toml:2:13", failure("\na = [[[[[[[[[1]]]]]]]]]\n"));
  expect_in("limit", failure(std::string((1 << 20) + 1, '\n')));
  // Brackets and dots in strings and comments are no nesting.
  const std::string innocent = many("[", 50) + many(".", 50);
  EXPECT_EQ(parse_config("# " + innocent + "\n[data]\npath = \"\"\"" + innocent + "\\\"\"\"\"\" # '" + innocent + "\n",
                         "t.toml")
                .data.path,
            innocent + "\"\"");
  EXPECT_EQ(parse_config("[data]\npath = '" + innocent + "'\n", "t.toml").data.path, innocent);
  EXPECT_EQ(parse_config("[data]\npath = '''\n" + innocent + "'''\n", "t.toml").data.path, innocent);
}

TEST(Arch, NamesSetTheSizes) {
  const auto sizes = [](const char* arch) {
    const ModelConfig m = parse_config("", "t.toml", {std::string("model.arch=") + arch}).model;
    return std::array{m.width, m.depth, m.heads};
  };
  EXPECT_EQ(sizes("vit_tiny"), (std::array{192, 12, 3}));
  EXPECT_EQ(sizes("vit_small"), (std::array{384, 12, 6}));
  EXPECT_EQ(sizes("vit_base"), (std::array{768, 12, 12}));
  EXPECT_EQ(sizes("vit_large"), (std::array{1024, 24, 16}));
  EXPECT_EQ(sizes("vit_huge"), (std::array{1280, 32, 16}));
}

TEST(Arch, SizesAloneMeanCustom) {
  const Config c = parse_config("[model]\nwidth = 64\ndepth = 2\nheads = 2\n", "t.toml");
  EXPECT_EQ(c.model.arch, "custom");
  EXPECT_EQ(c.model.width, 64);
  expect_in("needs model.depth", failure("[model]\nwidth = 64\n"));
  expect_in("needs model.heads", failure("[model]\narch = 'custom'\nwidth = 64\ndepth = 2\n"));
}

TEST(Arch, ContradictionsAreRefused) {
  const std::string message = failure("[model]\narch = 'vit_small'\nwidth = 768\n");
  expect_in("contradicts", message);
  expect_in("t.toml:3:1", message);
  EXPECT_EQ(parse_config("[model]\narch = 'vit_small'\nwidth = 384\n", "t.toml"), Config{});
  expect_in("contradicts", failure("[model]\narch = 'vit_small'\n", {"model.width=768"}));
  expect_in("contradicts", failure("", {"model.arch=vit_base", "model.depth=3"}));
}

TEST(Arch, AnOverrideDropsTheSizesOfTheFile) {
  const std::string custom = "[model]\narch = 'custom'\nwidth = 64\ndepth = 2\nheads = 2\n";
  EXPECT_EQ(parse_config(custom, "t.toml", {"model.arch=vit_base"}).model.width, 768);
  EXPECT_EQ(parse_config(to_toml(Config{}), "t.toml", {"model.arch=vit_base"}).model.depth, 12);
  EXPECT_EQ(parse_config(custom, "t.toml", {"model.depth=5"}).model.depth, 5);
}

TEST(Together, FieldsMustAgree) {
  expect_in("not divisible", failure("[model]\nwidth = 100\ndepth = 2\nheads = 3\n"));
  expect_in("t.toml:2:1, t.toml:4:1", failure("[model]\nwidth = 100\ndepth = 2\nheads = 3\n"));
  expect_in("views.focal_size = 8", failure("[views]\nfocal_size = 8\n"));
  EXPECT_NO_THROW(parse_config("[views]\nfocal_size = 8\nfocal = 0\n", "t.toml"));
  expect_in("views.random_size = 8", failure("[views]\nrandom_size = 8\nfocal_size = 16\n"));
  expect_in("model.image_size = 8", failure("[model]\nimage_size = 8\n"));
  expect_in("keeps none", failure("[views]\nmask_ratio = 0.999\n"));
  expect_in("keeps none of the 196", failure("[views]\nmask_ratio = 1\n"));
  EXPECT_NO_THROW(parse_config("[views]\nmask_ratio = 0.99\n", "t.toml"));
  expect_in("ends below its start", failure("[views]\nrandom_scale = [0.9, 0.3]\n"));
  expect_in("ends below its start", failure("[views]\nfocal_scale = [0.9, 0.3]\n"));
  expect_in("optim.warmup_epochs = 15.0", failure("[train]\nepochs = 3\n"));
  expect_in("evaluate.every_epochs = 2 needs evaluate.train", failure("[evaluate]\nevery_epochs = 2\ntest = 'a'\n"));
  expect_in("evaluate.every_epochs = 2 needs evaluate.test", failure("[evaluate]\nevery_epochs = 2\ntrain = 'a'\n"));
  EXPECT_EQ(parse_config("[evaluate]\ntrain = 'a'\n", "t.toml").evaluate.every_epochs, 0);
  expect_in("checkpoint.keep_best = 2 needs measurements, and evaluate.every_epochs is 0",
            failure("[checkpoint]\nkeep_best = 2\n"));
}

TEST(Overrides, WinOverTheFileAndTheLastOneWins) {
  const std::string file = "[train]\nseed = 1\n[optim]\nlr = [1, 2, 3]\n";
  const Config c = parse_config(file, "t.toml", {"train.seed=2", " train.seed = 0x10 ", "optim.lr=[ 1e-3, 1, 0 ]"});
  EXPECT_EQ(c.train.seed, 16u);
  EXPECT_EQ(c.optim.lr, (std::array{1e-3, 1.0, 0.0}));
}

TEST(Overrides, ABareWordIsText) {
  EXPECT_EQ(parse_config("", "t.toml", {"data.path=/data/a b#c/2024"}).data.path, "/data/a b#c/2024");
  EXPECT_EQ(parse_config("", "t.toml", {"data.path=\"2024\""}).data.path, "2024");
  EXPECT_EQ(parse_config("", "t.toml", {"data.path='a=b'"}).data.path, "a=b");
  EXPECT_EQ(parse_config("", "t.toml", {"data.path=a=b"}).data.path, "a=b");
  EXPECT_EQ(parse_config("", "t.toml", {"views.mask_per=image"}).views.mask_per, MaskPer::image);
}

TEST(Overrides, ErrorsNameTheOverride) {
  for (const char* override : {"",
                               "=",
                               "train.seed",
                               "seed=1",
                               "train.=1",
                               ".seed=1",
                               "train.seed=",
                               "train.seed=one",
                               "train.seed=1\nepochs=2",
                               "train.sead=1",
                               "trian.seed=1",
                               "train.seed.x=1",
                               "data.path=2024",
                               "data.path='a",
                               "data.path=\"a\" b\"",
                               "views.mask_per=none",
                               "loss.temperature=1e400",
                               "loss.sharpen=[1",
                               "loss.sharpen=0.25",
                               "data.path=a\xff"}) {
    expect_in("--set " + one_line(override), failure("", {override}));
  }
  failure("", {"loss.sharpen=" + std::string(100000, '[')});
  failure("", {"data.path=" + std::string(100000, '[')});
  expect_in("optim.warmup_epochs", failure("", {"train.epochs=3"}));
  expect_in("--set train.epochs=3", failure("", {"train.epochs=3"}));
}

}  // namespace
}  // namespace msn
