// SPDX-License-Identifier: Apache-2.0
#include "config/settings.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "config/config.hpp"
#include "support/refusal.hpp"

namespace msn {
namespace {

std::string listed(const std::vector<Setting>& settings) {
  std::string text;
  for (const Setting& setting : settings)
    text += setting.key + "=" + setting.value + "\n";
  return text;
}

TEST(Settings, AreThoseOfTheTextInItsOrder) {
  EXPECT_EQ(listed(read_settings(
                "[z]\nb = 'text'\na = [1, 2.5, 'x']\n[[data.set]]\npath = \"x\"\n[[data.set]]\npath = \"y\"\n"
                "weight = 2\n[unknown]\nto.us = true\nempty = []\n",
                "test")),
            "z.b=text\nz.a=[1, 2.5, x]\ndata.set.0.path=x\ndata.set.1.path=y\ndata.set.1.weight=2\nunknown.to.us=true\n"
            "unknown.empty=[]\n");
  EXPECT_TRUE(read_settings("", "test").empty());
}

TEST(Settings, OfAConfigurationHaveEveryKey) {
  const std::vector<Setting> settings = read_settings(to_toml(Config{}), "defaults");
  EXPECT_GT(settings.size(), 70U);
  const auto rate =
      std::find_if(settings.begin(), settings.end(), [](const Setting& one) { return one.key == "optim.lr"; });
  ASSERT_NE(rate, settings.end());
  EXPECT_EQ(rate->value, "[2e-04, 0.001, 1e-06]");
}

TEST(Settings, RefuseWhatIsNoTomlOrTooDeep) {
  EXPECT_NE(test::refusal([] { read_settings("[a\n", "run/config.toml"); }, ExitCode::config).find("run/config.toml"),
            std::string::npos);
  const std::string deep = "a = " + std::string(20, '[') + std::string(20, ']');
  EXPECT_NE(test::refusal([&] { read_settings(deep, "x"); }, ExitCode::config).find("x:1"), std::string::npos);
}

}  // namespace
}  // namespace msn
