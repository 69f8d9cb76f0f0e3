// SPDX-License-Identifier: Apache-2.0
#include "model/attention_table.hpp"

#include <gtest/gtest.h>

namespace msn {
namespace {

constexpr int kAmpere = 8, kHopper = 9;

TEST(AttentionTable, HasTheBackEndsThatPublishedModelsWant) {
  // Patches of 16 pixels: target, anchor and focal views.
  for (const std::int64_t tokens : {197, 167, 138, 99, 59, 37})
    EXPECT_EQ(default_attention({at::kBFloat16, tokens, 64}, kHopper), AttentionBackend::flash) << tokens;
  // Of 8, 7 and 4 pixels.
  for (const std::int64_t tokens : {785, 1025, 941, 3137}) {
    EXPECT_EQ(default_attention({at::kBFloat16, tokens, 64}, kHopper), AttentionBackend::cudnn) << tokens;
    EXPECT_EQ(default_attention({at::kBFloat16, tokens, 64}, kAmpere), AttentionBackend::flash) << tokens;
  }
  EXPECT_EQ(default_attention({at::kBFloat16, 785, 160}, kHopper), AttentionBackend::flash);
  EXPECT_EQ(default_attention({at::kFloat, 197, 64}, kHopper), AttentionBackend::efficient);
  EXPECT_EQ(default_attention({at::kFloat, 3137, 64}, kAmpere), AttentionBackend::efficient);
  EXPECT_EQ(default_attention({at::kDouble, 197, 64}, kHopper), AttentionBackend::plain);
  EXPECT_EQ(default_attention({at::kBFloat16, 197, 20}, kHopper), AttentionBackend::plain);
  EXPECT_EQ(default_attention({at::kFloat, 197, 512}, kHopper), AttentionBackend::plain);
}

AttentionTable some() {
  AttentionTable table;
  table.set({at::kBFloat16, 197, 64}, AttentionBackend::flash);
  table.set({at::kBFloat16, 1025, 64}, AttentionBackend::cudnn);
  table.set({at::kFloat, 37, 16}, AttentionBackend::plain);
  return table;
}

TEST(AttentionTable, IsPlainForWhatItDoesNotKnow) {
  EXPECT_EQ(some().of({at::kBFloat16, 197, 64}), AttentionBackend::flash);
  EXPECT_EQ(some().of({at::kBFloat16, 198, 64}), AttentionBackend::plain);
  EXPECT_EQ(some().of({at::kFloat, 197, 64}), AttentionBackend::plain);
}

TEST(AttentionTable, GoesThroughATextUnchanged) {
  EXPECT_EQ(to_text(some()), "fp32 37x16 plain, bf16 197x64 flash, bf16 1025x64 cudnn");
  EXPECT_EQ(attention_table_from(to_text(some())), some());
  EXPECT_EQ(attention_table_from(""), AttentionTable());
  for (const char* text :
       {"plain", "bf16 197x64", "bf16 197x64 fast", "bf17 197x64 flash", "bf16 0x64 flash", "bf16 197x64 flash, ",
        "bf16 197x64 flash,fp32 37x16 plain", "bf16 0197x64 flash", "bf16 197x64 flash, bf16 197x64 flash"})
    EXPECT_FALSE(attention_table_from(text)) << text;
}

TEST(AttentionTable, OfSeveralRanksHasWhatAllCanDo) {
  AttentionTable other = some();
  EXPECT_EQ(common_to(some(), other), some());
  other.set({at::kBFloat16, 1025, 64}, AttentionBackend::plain);
  EXPECT_EQ(common_to(some(), other), other);
  EXPECT_EQ(common_to(other, some()), other);
}

}  // namespace
}  // namespace msn
