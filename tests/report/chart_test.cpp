// SPDX-License-Identifier: Apache-2.0
#include "report/chart.hpp"

#include <gtest/gtest.h>

#include <string>

namespace msn {
namespace {

ChartLine line(const std::string& name, const std::vector<ThinPoint>& points, std::uint64_t bucket = 1) {
  return {name, 0, {points, bucket}, points.back().mean};
}

Chart small_chart() {
  Chart chart;
  chart.id = "c-x";
  chart.title = "Title";
  chart.says = "Says.";
  chart.lines = {line("loss", {{0, 0, 0, 0}, {50, 50, 50, 50}, {100, 100, 100, 100}})};
  return chart;
}

/// Steps 0 to 100 from side to side.
Axis plain_steps() {
  Axis axis;
  axis.high = 100;
  axis.ticks = {{0, "0"}, {100, "100"}};
  return axis;
}

TEST(ChartHtml, DrawsALineWhereItsNumbersAre) {
  const std::string html = chart_html(small_chart(), plain_steps());
  // From 2 % below 0 to 105: 0 lies at 0.0196 of the height, 100 at 0.953.
  EXPECT_NE(html.find("d=\"M0 9804l5000 -4669l5000 -4668\""), std::string::npos) << html;
  EXPECT_NE(html.find("data-x0=\"0\" data-x1=\"100\""), std::string::npos);
  EXPECT_NE(html.find("data-name=\"loss\""), std::string::npos);
  EXPECT_NE(html.find("loss: 0 at step 0, 100 at step 100, smallest 0, largest 100."), std::string::npos);
  EXPECT_NE(html.find("<title id=\"c-x-t\">Title</title><desc id=\"c-x-d\">Says."), std::string::npos);
  EXPECT_EQ(html.find("class=\"band"), std::string::npos) << "every value is drawn";
  EXPECT_NE(html.find("class=\"dots"), std::string::npos) << "few points have dots";
}

TEST(ChartHtml, ShowsTheRangeOfWhatItLeavesOut) {
  Chart chart = small_chart();
  chart.lines = {line("loss", {{0, 10, 5, 1000}, {100, 10, 5, 15}}, 50)};
  chart.not_finite = 3;
  const std::string html = chart_html(chart, plain_steps());
  EXPECT_NE(html.find("class=\"band s0\""), std::string::npos);
  EXPECT_NE(html.find("A point is the mean of 50 steps"), std::string::npos);
  EXPECT_NE(html.find("3 values are not finite"), std::string::npos);
}

TEST(ChartHtml, PeaksLeaveThePictureOnlyWhereTheyMay) {
  Chart chart = small_chart();
  std::vector<ThinPoint> points;
  for (int i = 0; i <= 100; ++i)
    points.push_back({1.0 * i, i == 50 ? 1000.0 : 1.0, 1, 1});
  chart.lines = {line("step", points)};
  EXPECT_EQ(chart_html(chart, plain_steps()).find("leaves the picture"), std::string::npos);
  chart.cuts_peaks = true;
  const std::string html = chart_html(chart, plain_steps());
  EXPECT_NE(html.find("1 peak leaves the picture"), std::string::npos);
  EXPECT_NE(html.find("data-y1=\"2."), std::string::npos) << "the axis ends at twice the usual value";
}

TEST(ChartHtml, NamesAreText) {
  Chart chart = small_chart();
  chart.title = "<b>";
  chart.says = "a & b";
  chart.lines.front().name = "\"><script>x</script>";
  chart.references = {{"<i>", 50}};
  chart.marks = {{"<u>", 50, ChartMark::Kind::restart}};
  const std::string html = chart_html(chart, plain_steps());
  for (const char* markup : {"<b>\"", "<script", "<i>", "<u>", "a & b"})
    EXPECT_EQ(html.find(markup), std::string::npos) << markup;
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(html.find("&lt;u&gt;"), std::string::npos);
}

TEST(ChartHtml, MarksAndReferencesOutsideAreNotDrawn) {
  Chart chart = small_chart();
  chart.references = {{"near", 110}, {"far", 10000}};
  chart.marks = {{"inside", 25, ChartMark::Kind::restart}, {"outside", 200, ChartMark::Kind::restart}};
  const std::string html = chart_html(chart, plain_steps());
  EXPECT_NE(html.find(">near</span>"), std::string::npos) << "the axis reaches out for it";
  EXPECT_EQ(html.find(">far</span>"), std::string::npos);
  EXPECT_NE(html.find("d=\"M2500 0v10000\"><title>inside</title>"), std::string::npos);
  EXPECT_EQ(html.find("outside"), std::string::npos);
}

TEST(ChartHtml, MarksThatCannotBeToldApartAreOne) {
  Chart chart = small_chart();
  for (int life = 2; life <= 100; ++life)
    chart.marks.push_back({"life " + std::to_string(life), 50 + 0.001 * life, ChartMark::Kind::restart});
  chart.marks.push_back({"far", 60, ChartMark::Kind::restart});
  chart.marks.push_back({"collapsed", 50, ChartMark::Kind::collapse});
  const std::string html = chart_html(chart, plain_steps());
  EXPECT_NE(html.find("<title>life 2, and 98 more</title>"), std::string::npos);
  EXPECT_NE(html.find("<title>far</title>"), std::string::npos);
  EXPECT_NE(html.find("<title>collapsed</title>"), std::string::npos);
  EXPECT_EQ(html.find("life 3"), std::string::npos);
}

TEST(ChartHtml, LogarithmicOnlyOverDecades) {
  Chart chart = small_chart();
  chart.scale = Scale::logarithmic;
  chart.lines = {line("norm", {{0, 1, 1, 1}, {50, 0, 0, 0}, {100, 1e4, 1e4, 1e4}})};
  EXPECT_NE(chart_html(chart, plain_steps()).find("data-log=\"1\""), std::string::npos);
  chart.lines = {line("norm", {{0, 1, 1, 1}, {100, 2, 2, 2}})};
  EXPECT_NE(chart_html(chart, plain_steps()).find("data-log=\"0\""), std::string::npos);
  chart.lines = {line("norm", {{0, 0, 0, 0}, {100, 0, 0, 0}})};
  EXPECT_NE(chart_html(chart, plain_steps()).find("data-log=\"0\""), std::string::npos);
}

}  // namespace
}  // namespace msn
