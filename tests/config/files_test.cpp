// SPDX-License-Identifier: Apache-2.0
// The files that ship: configs/ and docs/configuration.md.
#include "base/files.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>

#include "base/error.hpp"
#include "config/config.hpp"
#include "config/keys.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = MSN_SOURCE_DIR;

TEST(ShippedConfigs, AllParse) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(kSource / "configs")) {
    SCOPED_TRACE(entry.path());
    EXPECT_NO_THROW(load_config(entry.path()));
    ++count;
  }
  EXPECT_GE(count, 9);
}

TEST(ShippedConfigs, VitS16IsTheDefault) {
  Config published = load_config(kSource / "configs/vit_s16.toml");
  EXPECT_EQ(config_digest(published), config_digest(Config{}));
  published.data.path.clear();
  EXPECT_EQ(published, Config{});
}

TEST(ShippedConfigs, WithoutSinkhornDiffersInTwoKeys) {
  const auto differences = compare_configs(load_config(kSource / "configs/vit_s16.toml"),
                                           load_config(kSource / "configs/vit_s16_no_sinkhorn.toml"));
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].key + "=" + differences[0].after, "loss.sinkhorn=0");
  EXPECT_EQ(differences[1].key + "=" + differences[1].after, "loss.me_max=5.0");
}

// Every key of the method is written out, with a comment that names its source.
TEST(ShippedConfigs, OfPublishedModelsGiveEveryValueASource) {
  for (const auto& entry : fs::directory_iterator(kSource / "configs")) {
    if (!entry.path().filename().string().starts_with("vit_")) continue;
    SCOPED_TRACE(entry.path());
    const std::string text = read_text(entry.path());
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line[0] == '#' || line[0] == '[') continue;
      const std::string source = line.substr(std::min(line.find('#'), line.size()));
      bool named = false;
      for (const char* word : {"paper", "official code", "shipped YAML", "maintainer in a public thread",
                               "released weights", "not published, chosen because"}) {
        named = named || source.find(word) != std::string::npos;
      }
      EXPECT_TRUE(named) << line;
    }
    for (const Key& key : all_keys()) {
      // A named arch stands for the three sizes.
      const bool size = key.name == "width" || key.name == "depth" || key.name == "heads";
      // How data are stored and read is the user's affair, not the paper's.
      if (key.effect != Effect::numbers || size || key.section == "data") continue;
      EXPECT_NE(text.find("\n" + std::string(key.name) + " = "), std::string::npos) << key.full_name();
    }
  }
}

TEST(ShippedConfigs, OfPublishedModelsHaveTheirMasksAndLengths) {
  struct Expected {
    const char* file;
    double mask;
    int patch, batch, epochs;
  };
  for (const Expected& e : {Expected{"vit_s16", 0.15, 16, 1024, 800},
                            {"vit_b16", 0.3, 16, 1024, 600},
                            {"vit_b8", 0.3, 8, 1024, 600},
                            {"vit_b4", 0.7, 4, 1152, 300},
                            {"vit_l16", 0.5, 16, 1024, 600},
                            {"vit_l7", 0.7, 7, 1024, 200}}) {
    SCOPED_TRACE(e.file);
    const Config config = load_config(kSource / "configs" / (std::string(e.file) + ".toml"));
    EXPECT_EQ(config.views.mask_ratio, e.mask);
    EXPECT_EQ(config.model.patch_size, e.patch);
    EXPECT_EQ(config.train.global_batch, e.batch);
    EXPECT_EQ(config.train.epochs, e.epochs);
    EXPECT_EQ(config.train.global_batch % 64, 0);
  }
}

TEST(ShippedConfigs, Cifar10SeesThreeHundredThousandImages) {
  const Config config = load_config(kSource / "configs/cifar10.toml");
  EXPECT_EQ(config.train.epochs * 50000, 300000);
  EXPECT_EQ(config.model.arch, "custom");
  EXPECT_EQ(config.model.width, 128);
}

// The rows "| `key` | type | `default` | ... | yes |" of each "## [section]" and "## [[table]]" of the page.
std::map<std::string, std::string> rows_of_the_page() {
  std::map<std::string, std::string> rows;
  std::istringstream page(read_text(kSource / "docs/configuration.md"));
  std::string section;
  for (std::string line; std::getline(page, line);) {
    const std::size_t name = line.find_first_not_of("# [");
    if (line.starts_with("## [")) section = line.substr(name, line.find(']') - name);
    if (line.starts_with("## ") && !line.starts_with("## [")) section.clear();
    if (!section.empty() && line.starts_with("| `")) {
      const std::string key = section + "." + line.substr(3, line.find('`', 3) - 3);
      EXPECT_TRUE(rows.emplace(key, line).second) << key << " stands twice";
    }
  }
  return rows;
}

/// As the column "numbers" says it.
std::string effect_column(const Key& key) {
  switch (key.effect) {
    case Effect::numbers:
      return " | yes | ";
    case Effect::rounding:
      return " | rounding | ";
    case Effect::policy:
      return " | policy | ";
    case Effect::none:
      return " | no | ";
  }
  return "";
}

TEST(ConfigurationPage, HasEveryKeyWithItsDefaultAndNoOther) {
  auto rows = rows_of_the_page();
  for (const Key& key : all_keys()) {
    const auto row = rows.find(key.full_name());
    ASSERT_NE(row, rows.end()) << "docs/configuration.md lacks " << key.full_name();
    EXPECT_NE(row->second.find(" | `" + value_text(key, Config{}) + "` | "), std::string::npos)
        << key.full_name() << ": the default is " << value_text(key, Config{}) << ", the row is " << row->second;
    EXPECT_NE(row->second.find(effect_column(key)), std::string::npos) << key.full_name() << effect_column(key);
    rows.erase(row);
  }
  for (const Key& key : set_keys()) {
    const auto row = rows.find(key.full_name());
    ASSERT_NE(row, rows.end()) << "docs/configuration.md lacks " << key.full_name();
    EXPECT_NE(row->second.find(effect_column(key)), std::string::npos) << key.full_name() << effect_column(key);
    rows.erase(row);
  }
  for (const auto& [key, row] : rows)
    ADD_FAILURE() << "docs/configuration.md explains an unknown key " << key;
}

std::string load_failure(const fs::path& file) {
  try {
    load_config(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    return error.what();
  }
  ADD_FAILURE() << "loaded " << file;
  return {};
}

TEST(LoadConfig, RefusesWhatIsNoReadableFileOfModestSize) {
  const test::TempDir dir;
  EXPECT_NE(load_failure(dir / "absent.toml").find("absent.toml"), std::string::npos);
  EXPECT_NE(load_failure(dir.path()).find("not a regular file"), std::string::npos);
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_NE(load_failure(dir / "pipe").find("not a regular file"), std::string::npos);
  write_durably(dir / "large.toml", std::string((1 << 20) + 1, '#'));
  EXPECT_NE(load_failure(dir / "large.toml").find("limit"), std::string::npos);
}

TEST(LoadConfig, NamesTheFileInMessages) {
  const test::TempDir dir;
  write_durably(dir / "a.toml", "[train]\nseed = -1\n");
  EXPECT_NE(load_failure(dir / "a.toml").find((dir / "a.toml").string() + ":2:8"), std::string::npos);
}

}  // namespace
}  // namespace msn
