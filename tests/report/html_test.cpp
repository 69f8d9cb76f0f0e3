// SPDX-License-Identifier: Apache-2.0
#include "report/html.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace msn::html {
namespace {

const std::string kReplaced = "\xEF\xBF\xBD";

TEST(Html, EscapesWhatMarkupIsMadeOf) {
  EXPECT_EQ(escape("plain, text"), "plain, text");
  EXPECT_EQ(escape("<script>alert('1')</script>"), "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;");
  EXPECT_EQ(escape("a\" onload=\"x & y"), "a&quot; onload=&quot;x &amp; y");
}

TEST(Html, KeepsUtf8AndReplacesTheRest) {
  EXPECT_EQ(escape("Größe 猫 🐈"), "Größe 猫 🐈");
  EXPECT_EQ(escape("a\xFF"
                   "b\xC3"),
            "a" + kReplaced + "b" + kReplaced);
  EXPECT_EQ(escape("\xC0\xBC"), kReplaced + kReplaced) << "an overlong <";
  EXPECT_EQ(escape("\xED\xA0\x80"), kReplaced + kReplaced + kReplaced) << "a surrogate";
  EXPECT_EQ(escape(std::string_view("a\0\n\x1B\x7F", 5)), "a" + kReplaced + kReplaced + kReplaced + kReplaced);
  EXPECT_EQ(escape("\xC2\x85"), kReplaced) << "a C1 control";
}

TEST(Html, ReplacesWhatTurnsTheDirectionOfWriting) {
  EXPECT_EQ(escape("a\xE2\x80\xAE"
                   "b\xE2\x81\xA6"
                   "c\xE2\x80\x8F"),
            "a" + kReplaced + "b" + kReplaced + "c" + kReplaced);
  EXPECT_EQ(escape("\xE2\x80\xA8"), kReplaced) << "a line separator";
  EXPECT_EQ(escape("\xE2\x80\x93 \xE2\x82\xAC"), "\xE2\x80\x93 \xE2\x82\xAC") << "a dash and a currency stay";
}

TEST(Html, WritesNumbersForPeople) {
  EXPECT_EQ(number(0), "0");
  EXPECT_EQ(number(-0.0), "0");
  EXPECT_EQ(number(1284100), "1,284,100");
  EXPECT_EQ(number(-1234), "-1,234");
  EXPECT_EQ(number(999), "999");
  EXPECT_EQ(number(3.14159265), "3.142");
  EXPECT_EQ(number(12345.678), "12,346");
  EXPECT_EQ(number(0.0123456), "0.01235");
  EXPECT_EQ(number(2.5e-7), "2.5e-07");
  EXPECT_EQ(number(1e20), "1e+20");
  EXPECT_EQ(number(std::numeric_limits<double>::quiet_NaN()), "-");
  EXPECT_EQ(number(-std::numeric_limits<double>::infinity()), "-");
}

/// RFC 4648, section 10.
TEST(Html, EncodesBase64) {
  const auto of = [](std::string_view text) { return base64(std::as_bytes(std::span(text))); };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(of("\xFF\xEF\xBE"), "/+++");
}

}  // namespace
}  // namespace msn::html
