// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/manifest.hpp"

#include <gtest/gtest.h>

#include <string>

#include "checkpoint/layout.hpp"
#include "checkpoint/state.hpp"

namespace msn {
namespace {

Manifest sample() {
  Manifest manifest;
  manifest.facts = test::facts_of_step(20);
  manifest.facts.knn_top1 = 0.1 + 0.2;
  manifest.files = {{"state-00000-of-00001.h5", 5000, "h0"}};
  manifest.tensors = {{"a.weight", ElementType::f32, {10, 20}, "state-00000-of-00001.h5", "h1"},
                      {"count", ElementType::i64, {}, "state-00000-of-00001.h5", "h2"}};
  manifest.written = {"2024-01-31T12:00:00Z", "host", "0.1.0"};
  return manifest;
}

/// The message of the error for the sample's text with `from` replaced by `to`.
std::string error_with(const std::string& from, const std::string& to) {
  std::string text = manifest_text(sample());
  const auto at = text.find(from);
  if (at == std::string::npos) return "the text has no " + from;
  text.replace(at, from.size(), to);
  try {
    parse_manifest(text, "m.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    return error.what();
  }
  return "accepted";
}

#define EXPECT_REFUSED(from, to, message) \
  EXPECT_NE(error_with(from, to).find(message), std::string::npos) << error_with(from, to)

TEST(Manifest, ComesBackAsWritten) {
  const Manifest back = parse_manifest(manifest_text(sample()), "m.json");
  EXPECT_TRUE(back.same_state(sample()));
  EXPECT_EQ(back.written.host, "host");
  EXPECT_EQ(manifest_text(back), manifest_text(sample()));
}

TEST(Manifest, OfAVersionThatSkippedNoStepIsReadAsSuch) {
  std::string text = manifest_text(sample());
  for (const std::string line : {"\"skipped\": 3,", "\"skipped_in_a_row\": 1,"})
    text.erase(text.find(line), line.size());
  // Such versions recorded neither surroundings nor a hash.
  const auto surroundings = text.find("\"surroundings\"");
  text.erase(surroundings, text.find("},", surroundings) + 2 - surroundings);
  const auto hash = text.find(",\n  \"hash\"", text.find("\"written\""));
  text.erase(hash, text.find('}', hash) - hash);
  const CheckpointFacts facts = parse_manifest(text, "m.json").facts;
  EXPECT_EQ(facts.step, 20u);
  EXPECT_EQ(facts.skipped, 0u);
  EXPECT_EQ(facts.skipped_in_a_row, 0u);
  EXPECT_EQ(facts.threads, 0);
  EXPECT_EQ(facts.torch, "");
}

TEST(Manifest, HasAHashOfAllItSays) {
  EXPECT_REFUSED("\"samples_seen\": 1280", "\"samples_seen\": 1281", "not as it was written");
  EXPECT_REFUSED("\"host\": \"host\"", "\"host\": \"guest\"", "not as it was written");
  EXPECT_REFUSED("\"step\": 20,", "\"step\": 20, \"new\": 1,", "not as it was written");
  EXPECT_REFUSED("\"hash\": \"h0\"", "\"hash\": \"h1\"", "not as it was written");
  // However it is laid out.
  std::string text = manifest_text(sample());
  std::erase(text, '\n');
  EXPECT_THROW(parse_manifest(text, "m.json"), Error) << "it may be cut short";
  EXPECT_TRUE(parse_manifest(text + "\n", "m.json").same_state(sample()));
}

TEST(Manifest, RefusesWhatItCannotTrust) {
  EXPECT_REFUSED("\"format_version\": 1", "\"format_version\": 2", "written by a newer version");
  EXPECT_REFUSED("\"format_version\": 1", "\"format_version\": 0", "no such format version");
  EXPECT_REFUSED("\"format_version\": 1,", "", "format_version");
  EXPECT_REFUSED("\"step\": 20", "\"step\": \"20\"", "not a checkpoint's manifest");
  EXPECT_REFUSED("\"step\": 20", "\"step\": 20, \"step\": 21", "a key stands twice: step");
  EXPECT_REFUSED("\"skipped\": 3", "\"skipped\": 21", "more steps were skipped than there were");
  EXPECT_REFUSED("\"skipped\": 3", "\"skipped\": -1", "more steps were skipped than there were");
  EXPECT_REFUSED("\"skipped_in_a_row\": 1", "\"skipped_in_a_row\": 4", "more steps were skipped than there were");
  EXPECT_REFUSED("\"step\": 20", "\"x\": " + std::string(100, '[') + std::string(100, ']') + ", \"step\": 20",
                 "nested too deeply");
  EXPECT_REFUSED("\"name\": \"state-00000-of-00001.h5\"", "\"name\": \"../state.h5\"", "not a plain name");
  EXPECT_REFUSED("\"name\": \"state-00000-of-00001.h5\"", "\"name\": \"/etc/passwd\"", "not a plain name");
  EXPECT_REFUSED("\"name\": \"state-00000-of-00001.h5\"", "\"name\": \"other.h5\"", "a file that is not listed");
  EXPECT_REFUSED("\"name\": \"a.weight\"", "\"name\": \"..\"", "not a plain name");
  EXPECT_REFUSED("\"name\": \"a.weight\"", "\"name\": \"count\"", "a tensor is listed twice");
  EXPECT_REFUSED("float32", "float16", "no such element type");
  EXPECT_REFUSED("\"size\": 5000", "\"size\": 800", "larger than their file");
  EXPECT_REFUSED("\"size\": 5000", "\"size\": 805", "larger than their file");
  EXPECT_REFUSED("   10,", "   9223372036854775807,", "impossible shape");
  EXPECT_REFUSED("   10,", "   -10,", "impossible shape");
  EXPECT_REFUSED("{", "", "not a checkpoint's manifest");
}

TEST(Layout, StepNames) {
  EXPECT_EQ(step_name(20), "step-00000020");
  EXPECT_EQ(step_of_name("step-00000020"), 20u);
  EXPECT_EQ(step_of_name(step_name(123456789012)), 123456789012u);
  for (const char* name : {"step-20", "step-000000020", "step-0000002x", "step-", "latest", "../step-00000020", "",
                           "step--0000001", "step-99999999999999999999999"}) {
    EXPECT_FALSE(step_of_name(name)) << name;
  }
}

TEST(PlainName, HasNoWayOut) {
  EXPECT_TRUE(is_plain_name("online.blocks.0.attn.qkv.weight"));
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\n", "\xc3\xbc"}) {
    EXPECT_FALSE(is_plain_name(name)) << name;
  }
  EXPECT_TRUE(is_plain_name(std::string(255, 'a')));
  EXPECT_FALSE(is_plain_name(std::string(256, 'a')));
}

}  // namespace
}  // namespace msn
