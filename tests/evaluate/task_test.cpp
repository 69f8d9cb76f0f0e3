// SPDX-License-Identifier: Apache-2.0
#include "evaluate/task.hpp"

#include <ATen/ops/arange.h>

#include <fstream>

#include "../data/data_support.hpp"
#include "comm/world.hpp"
#include "data/subset.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

class TaskTest : public ::testing::Test {
 protected:
  TaskTest() {
    test::write_folder(dir_ / "in", 3, 4);
    test::pack_folder(dir_ / "in", dir_ / "set");
  }
  TaskOptions options() const { return {.train = dir_ / "set", .test = dir_ / "set", .label_lists = {}}; }
  std::filesystem::path list(const std::string& name, const std::string& text) {
    test::write_file(dir_ / name, text);
    return dir_ / name;
  }
  ClassificationTask open(const TaskOptions& options) { return open_task(World::alone(), options); }
  void expect_refused(const TaskOptions& options, const std::vector<std::string>& parts) {
    test::expect_data_error([&] { open(options); }, parts);
  }
  test::TempDir dir_;
};

TEST_F(TaskTest, TakesEveryNthImage) {
  TaskOptions wanted = options();
  wanted.train_stride = 3;
  wanted.test_stride = 5;
  const ClassificationTask task = open(wanted);
  EXPECT_EQ(task.classes, (std::vector<std::string>{"class0", "class1", "class2"}));
  EXPECT_EQ(task.train.samples, (std::vector<std::uint64_t>{0, 3, 6, 9}));
  EXPECT_EQ(task.train.labels, (std::vector<std::int32_t>{0, 0, 1, 2}));
  EXPECT_EQ(task.test.samples, (std::vector<std::uint64_t>{0, 5, 10}));
  EXPECT_EQ(task.test.labels, (std::vector<std::int32_t>{0, 1, 2}));
  ASSERT_EQ(task.splits.size(), 1u);
  EXPECT_EQ(task.splits[0].rows, (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(task.labels_of(task.splits[0]), task.train.labels);
}

TEST_F(TaskTest, UnitesTheImagesOfSeveralLists) {
  TaskOptions wanted = options();
  wanted.label_lists = {list("a.csv", "class0/1.jpg\nclass2/0.jpg,class2\nclass1/3.jpg\n"),
                        list("b.csv", "class1/3.jpg\nclass0/2.jpg\nclass2/3.jpg\n")};
  const ClassificationTask task = open(wanted);
  EXPECT_EQ(task.train.samples, (std::vector<std::uint64_t>{1, 2, 7, 8, 11}));
  EXPECT_EQ(task.train.labels, (std::vector<std::int32_t>{0, 0, 1, 2, 2}));
  ASSERT_EQ(task.splits.size(), 2u);
  EXPECT_EQ(task.splits[0].name, (dir_ / "a.csv").string());
  EXPECT_EQ(task.splits[0].rows, (std::vector<std::int64_t>{0, 2, 3}));
  EXPECT_EQ(task.splits[1].rows, (std::vector<std::int64_t>{1, 2, 4}));
  EXPECT_EQ(task.labels_of(task.splits[1]), (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(task.samples_of(task.splits[1]).samples, (std::vector<std::uint64_t>{2, 7, 11}));
  EXPECT_EQ(task.samples_of(task.splits[1]).labels, (std::vector<std::int32_t>{0, 1, 2}));
  const at::Tensor rows = task.splits[1].rows_of(at::arange(10, at::kFloat).view({5, 2}));
  ASSERT_EQ(rows.sizes(), (at::IntArrayRef{3, 2}));
  EXPECT_EQ(rows[0][0].item<float>(), 2);
  EXPECT_EQ(rows[1][1].item<float>(), 5);
  EXPECT_EQ(rows[2][0].item<float>(), 8);
}

TEST_F(TaskTest, RefusesWhatCannotBeClassified) {
  TaskOptions wanted = options();
  wanted.train_stride = 12;
  expect_refused(wanted, {"the class class1 has no training image, nor have 1 more", "--train-stride"});

  wanted = options();
  wanted.label_lists = {list("two.csv", "class0/1.jpg\nclass2/0.jpg\n")};
  expect_refused(wanted, {"the class class1 has no training image", "two.csv"});
  wanted.label_lists = {list("unknown.csv", "class0/1.jpg\nclass0/9.jpg\n")};
  expect_refused(wanted, {"class0/9.jpg", "unknown.csv:2"});
  wanted.label_lists = {list("wrong.csv", "class0/1.jpg,class1\n")};
  expect_refused(wanted, {"is of class class0, not class1", "wrong.csv:1"});
  wanted.label_lists = {list("empty.csv", "# nothing\n")};
  expect_refused(wanted, {"names no image", "empty.csv"});
  wanted.label_lists = {dir_ / "absent.csv"};
  expect_refused(wanted, {"absent.csv"});

  test::write_folder(dir_ / "two", 2, 4);
  test::pack_folder(dir_ / "two", dir_ / "two-set");
  wanted = options();
  wanted.test = dir_ / "two-set";
  expect_refused(wanted, {"have different classes: 3 and 2", "two-set"});
  std::filesystem::rename(dir_ / "two" / "class1", dir_ / "two" / "class9");
  test::write_folder(dir_ / "two", 1, 2);
  test::pack_folder(dir_ / "two", dir_ / "other-set");
  wanted = {.train = dir_ / "two-set", .test = dir_ / "other-set", .label_lists = {}};
  expect_refused(wanted, {"have different classes: \"class1\" and \"class9\" as number 1"});

  PackOptions unlabelled;
  unlabelled.labels = Labels::none;
  test::pack_folder(dir_ / "in", dir_ / "unlabelled", unlabelled);
  wanted = options();
  wanted.test = dir_ / "unlabelled";
  expect_refused(wanted, {"has no labels", "unlabelled"});
  wanted.test = dir_ / "nowhere";
  expect_refused(wanted, {"nowhere"});
}

}  // namespace
}  // namespace msn
