// SPDX-License-Identifier: Apache-2.0
#include "report/page.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/files.hpp"
#include "base/utc.hpp"
#include "made_up_run.hpp"
#include "report/html.hpp"
#include "support/sha256.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

const auto kNow = *utc_time("2026-03-01T10:00:00Z");

std::string page_of(const std::vector<RunRecord>& runs) {
  return report_page(runs, {"0.1.0 (test)", kNow}).html;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
    ++found;
  return found;
}

bool holds(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

TEST(ReportPage, DrawsWhatTheRunTells) {
  const test::TempDir folder;
  test::write_run(folder / "photos", 300, {0, 100, 200});
  const std::vector<RunRecord> runs{read_run(folder / "photos")};
  const ReportPage page = report_page(runs, {"0.1.0 (test)", kNow});
  EXPECT_EQ(count(page.html, "<figure class=\"chart\""), page.charts);
  // loss, entropy, four schedules, gradient norm, prototypes, targets, throughput, data wait, time of a step.
  EXPECT_EQ(page.charts, 12U);
  EXPECT_EQ(count(page.html, "<path class=\"mark restart\""), 2 * page.charts) << "two restarts in every chart";
  EXPECT_TRUE(holds(page.html, "life 2 began after step 100"));
  EXPECT_TRUE(holds(page.html, "300 of 300 (100 %)"));
  EXPECT_TRUE(holds(page.html, "Settings other than the defaults"));
  EXPECT_TRUE(holds(page.html, "<th scope=\"row\">train.global_batch</th><td>64</td><td>1024</td>"));
  EXPECT_TRUE(holds(page.html, "Hosts of life 3"));
  EXPECT_TRUE(holds(page.html, ">optim.clip</span>")) << "the line that gradients are cut at";
  EXPECT_TRUE(holds(page.html, "2 lives were killed, or crashed"));
  EXPECT_FALSE(holds(page.html, "id=\"c-skipped\"")) << "nothing was skipped";
}

TEST(ReportPage, NeedsNothingElseAndRunsOnlyItsOwnScript) {
  const test::TempDir folder;
  test::write_run(folder / "photos", 10);
  const std::string page = page_of({read_run(folder / "photos")});
  for (const char* outside : {"src=", "href=\"http", "url(", "@import", "<link", "<iframe", "fetch(", "http://"})
    EXPECT_FALSE(holds(page, outside)) << outside;
  const std::size_t begin = page.find("<script>") + 8;
  const std::string script = page.substr(begin, page.find("</script>") - begin);
  const auto digest = test::sha256({reinterpret_cast<const std::uint8_t*>(script.data()), script.size()});
  EXPECT_TRUE(holds(page, "script-src 'sha256-" + html::base64(std::as_bytes(std::span(digest))) + "'"));
  EXPECT_TRUE(holds(page, "default-src 'none'"));
}

TEST(ReportPage, NamesAreTextWhereverTheyStand) {
  const std::string evil = "<script>alert(1)</script>\"'&";
  const test::TempDir folder;
  const fs::path run = folder / "<script>alert(1)<";
  test::write_run(run, 10);
  test::Json json = test::Json::parse(read_text(run / "run.json"));
  json["lives"][0]["version"] = evil;
  json["lives"][0]["backend"] = evil;
  json["lives"][0]["ended"]["reason"] = evil;
  json["lives"][0]["ranks"][0]["host"] = evil;
  json["lives"][0]["ranks"][0]["cores"] = evil;
  replace_text(run / "run.json", json.dump());
  json = test::status(evil, 10, 10, evil);
  json["reason"] = json["job"] = json["checkpoint"] = evil;
  replace_text(run / "status.json", json.dump());
  test::Json line = test::metrics_line(11);
  line[evil] = 5;
  replace_text(run / "metrics.jsonl", test::metrics_text(1, 10) + line.dump() + "\n");
  replace_text(run / "log.txt", "2026-03-01 08:30:00 warning " + evil + "\n");
  replace_text(run / "config.toml", "[train]\nglobal_batch = 64\n\"" + std::string("<script>\" = \"</td><script>\"\n"));
  const RunRecord record = read_run(run);
  ASSERT_TRUE(record.notes.empty()) << record.notes.front();
  for (const std::vector<RunRecord>& runs : {std::vector{record}, std::vector{record, record}}) {
    const std::string page = page_of(runs);
    EXPECT_EQ(count(page, "<script"), 1U) << "our own alone";
    EXPECT_EQ(count(page, "</script"), 1U);
    EXPECT_FALSE(holds(page, "</script>\"'&")) << "not even its tail";
    EXPECT_GE(count(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"), 10U);
    EXPECT_TRUE(holds(page, "&lt;/td&gt;&lt;script&gt;"));
  }
}

TEST(ReportPage, ComparesRuns) {
  const test::TempDir folder;
  Config config;
  test::write_run(folder / "a", 300, {0}, config);
  config.optim.clip = 1;
  config.loss.me_max = 5;
  test::write_run(folder / "b", 200, {0, 50}, config);
  const std::vector<RunRecord> runs{read_run(folder / "a"), read_run(folder / "b")};
  const ReportPage page = report_page(runs, {"0.1.0 (test)", kNow});
  EXPECT_EQ(count(page.html, "<figure class=\"chart\""), page.charts);
  EXPECT_EQ(count(page.html, "class=\"line s0\" data-name=\"a\""), page.charts);
  EXPECT_EQ(count(page.html, "class=\"line s1\" data-name=\"b\""), page.charts);
  EXPECT_TRUE(holds(page.html, "<h3>Cross-entropy <small>nats</small></h3>"));
  EXPECT_TRUE(holds(page.html, "b: life 2 began after step 50"));
  EXPECT_TRUE(holds(page.html, "Settings that differ"));
  EXPECT_EQ(count(page.html, "<mark>"), 4U) << "two settings of two runs";
  EXPECT_TRUE(holds(page.html, "<th scope=\"row\">optim.clip</th><td><mark>3.0</mark></td><td><mark>1.0</mark></td>"));
  EXPECT_FALSE(holds(page.html, ">optim.clip</span>")) << "no line to compare with where runs have different ones";
  // One axis for all, that of the longer run.
  EXPECT_EQ(count(page.html, "data-x0=\"-1.99"), page.charts);
}

TEST(ReportPage, TellsRunsOfTheSameNameApart) {
  const test::TempDir folder;
  test::write_run(folder / "1/photos", 2);
  test::write_run(folder / "2/photos", 2);
  test::write_run(folder / "2/other", 2);
  const std::vector<RunRecord> runs{read_run(folder / "1/photos"), read_run(folder / "2/photos"),
                                    read_run(folder / "2/other")};
  EXPECT_EQ(run_names(runs), (std::vector<std::string>{folder / "1/photos", folder / "2/photos", "other"}));
}

TEST(ReportPage, SaysThatARunHasNoSteps) {
  const test::TempDir folder;
  test::write_run(folder / "empty", 0);
  fs::remove(folder / "empty/metrics.jsonl");
  const ReportPage page = report_page(std::vector{read_run(folder / "empty")}, {"0.1.0 (test)", kNow});
  EXPECT_EQ(page.charts, 0U);
  EXPECT_TRUE(holds(page.html, "no step is recorded yet"));
  EXPECT_TRUE(holds(page.html, "Hosts of life 1"));
}

TEST(ReportPage, TellsARunAtWorkFromOneThatFellSilent) {
  const test::TempDir folder;
  test::write_run(folder / "now", 50);
  const auto page_at = [&](const std::string& time) {
    replace_text(folder / "now/status.json", test::status("running", 50, 100, time).dump());
    return page_of({read_run(folder / "now")});
  };
  std::string page = page_at("2026-03-01T09:59:56Z");
  EXPECT_TRUE(holds(page, "running, last heard of 4 s before this report"));
  EXPECT_TRUE(holds(page, "about 50 s")) << "fifty steps of a second";
  EXPECT_FALSE(holds(page, "nothing has been heard"));
  page = page_at("2026-03-01T08:00:00Z");
  EXPECT_TRUE(holds(page, "nothing has been heard of the run for 2 h"));
}

TEST(ReportPage, SaysThatARunLooksCollapsed) {
  const test::TempDir folder;
  test::write_run(folder / "flat", 99);
  std::string text = read_text(folder / "flat/metrics.jsonl");
  for (const std::uint64_t step : {100, 150}) {
    test::Json line = test::metrics_line(step);
    line["collapse"] = {"mean_entropy", "<b>"};
    text += line.dump() + "\n";
  }
  replace_text(folder / "flat/metrics.jsonl", text);
  const ReportPage page = report_page(std::vector{read_run(folder / "flat")}, {"0.1.0 (test)", kNow});
  EXPECT_TRUE(holds(page.html, "the run looks collapsed, from step 100 to 150, by &lt;b&gt;, mean_entropy"));
  EXPECT_EQ(count(page.html, "<path class=\"mark collapse\""), page.charts);
  EXPECT_EQ(count(page.html, "looks collapsed from step 100 on"), page.charts);
}

TEST(ReportPage, DrawsNumbersThatItDoesNotKnow) {
  const test::TempDir folder;
  test::write_run(folder / "new", 0);
  std::string text;
  for (std::uint64_t step = 1; step <= 20; ++step) {
    test::Json line = test::metrics_line(step);
    line["novelty"] = step * 2;
    line["zero"] = 0;
    line["time"] = 1.7e9 + static_cast<double>(step);
    if (step % 10 == 0) line["evaluation"] = {{"knn_top1", 0.4}, {"knn_top5", 0.9}, {"seconds", 2}, {"probe", 0.5}};
    line["ranks"] = {{"steps", 1}, {"slowest", 1}, {"behind_seconds", 0.25}};
    text += line.dump() + "\n";
  }
  replace_text(folder / "new/metrics.jsonl", text);
  const std::string page = page_of({read_run(folder / "new")});
  EXPECT_TRUE(holds(page, "<section id=\"other\">"));
  EXPECT_TRUE(holds(page, "id=\"c-novelty\""));
  EXPECT_TRUE(holds(page, "<section id=\"knn\">"));
  EXPECT_TRUE(holds(page, "id=\"c-knn\""));
  EXPECT_TRUE(holds(page, "id=\"c-evaluation-probe\""));
  EXPECT_TRUE(holds(page, "id=\"c-rank_behind\""));
  EXPECT_FALSE(holds(page, "id=\"c-zero\""));
  EXPECT_FALSE(holds(page, "id=\"c-time\""));
  EXPECT_FALSE(holds(page, "id=\"c-ranks-slowest\""));
}

TEST(ReportPage, StaysSmallHoweverManyRunsAndSteps) {
  const test::TempDir folder;
  test::write_run(folder / "long", 0);
  RunRecord run = read_run(folder / "long");
  for (std::uint64_t step = 1; step <= 20000; ++step) {
    run.metrics.steps.push_back(step);
    for (int key = 0; key < 60; ++key)
      run.metrics.series["key" + std::to_string(key)].push_back(static_cast<double>((step * 7919 + 31 * key) % 10007));
    for (const char* key : {"loss", "cross_entropy", "me_max", "entropy", "lr", "weight_decay", "ema", "sharpen",
                            "grad_norm", "prototypes_used", "mean_entropy", "max_target", "min_target", "feature_rank",
                            "images_per_second", "data_wait_seconds", "reduce_seconds", "reduce_wait_seconds"})
      run.metrics.series[key].push_back(static_cast<double>((step * 7919) % 10007));
  }
  EXPECT_LT(page_of({run}).size(), 1'500'000U);
  const std::vector<RunRecord> many(kMostRuns, run);
  EXPECT_LT(page_of(many).size(), 5'000'000U);
}

}  // namespace
}  // namespace msn
