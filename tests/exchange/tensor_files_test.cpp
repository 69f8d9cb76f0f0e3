// SPDX-License-Identifier: Apache-2.0
#include "exchange/tensor_files.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "base/error.hpp"
#include "exchange/safetensors_writer.hpp"
#include "support/support.hpp"
#include "support/vit_tensors.hpp"

namespace msn {
namespace {

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

std::optional<Error> refused(const std::filesystem::path& path) {
  try {
    open_tensor_files(path);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

class TensorFiles : public testing::Test {
 protected:
  TensorFiles() {
    write_safetensors(dir_ / "one.safetensors", std::vector{test::numbered("a", {2}, 0), test::numbered("b", {1}, 9)},
                      {});
    write_safetensors(dir_ / "two.safetensors", std::vector{test::numbered("c", {3}, 20)}, {});
  }

  void index(const std::string& map) {
    write_text(file(), R"({"metadata": {"total_size": 24}, "weight_map": {)" + map + "}}");
  }

  void expect_refused(const std::string& map, const std::string& problem, const std::string& where) {
    index(map);
    const auto error = refused(dir_.path());
    ASSERT_TRUE(error) << problem;
    EXPECT_EQ(error->code(), ExitCode::data) << error->what();
    EXPECT_NE(error->problem().find(problem), std::string::npos) << error->what();
    EXPECT_NE(error->where().find(where), std::string::npos) << error->what();
  }

  std::filesystem::path file() const { return dir_ / std::string(kIndexFile); }

  test::TempDir dir_;
};

constexpr char kWhole[] = R"("a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors")";

TEST_F(TensorFiles, AreOneFileOrAllThatAnIndexNames) {
  EXPECT_FALSE(holds_tensor_files(dir_.path()));
  index(kWhole);
  EXPECT_TRUE(holds_tensor_files(dir_.path()));
  for (const std::filesystem::path& path : {dir_.path(), file()}) {
    const std::vector<NamedTensor> tensors = open_tensor_files(path);
    ASSERT_EQ(tensors.size(), 3u);
    EXPECT_EQ(tensors[2].name, "c");
    EXPECT_EQ(tensors[2].dtype, "F32");
    EXPECT_EQ(tensors[2].read(), test::numbered("c", {3}, 20).read());
    EXPECT_EQ(tensors[2].place, (dir_ / "two.safetensors").string() + ":c");
  }
  std::filesystem::remove(file());
  std::filesystem::copy_file(dir_ / "two.safetensors", dir_ / std::string(kModelFile));
  EXPECT_TRUE(holds_tensor_files(dir_.path()));
  EXPECT_EQ(open_tensor_files(dir_.path()).at(0).name, "c");
  EXPECT_EQ(open_tensor_files(dir_ / "one.safetensors").size(), 2u);
}

TEST_F(TensorFiles, StayInTheFolderOfTheirIndex) {
  const std::string start = R"("a": "one.safetensors", "b": "one.safetensors", "c": )";
  std::filesystem::create_directory(dir_ / "sub");
  std::filesystem::copy_file(dir_ / "two.safetensors", dir_ / "sub/two.safetensors");
  std::filesystem::copy_file(dir_ / "two.safetensors", dir_ / ".hidden");
  for (const char* name : {"../two.safetensors", "sub/two.safetensors", "/etc/passwd", "..", ".hidden", "", "a\\\\b"})
    expect_refused(start + "\"" + name + "\"", "no file of its folder", "index.json:c");
  std::filesystem::create_symlink("two.safetensors", dir_ / "link.safetensors");
  expect_refused(start + "\"link.safetensors\"", "is a link", "link.safetensors");
  expect_refused(start + "\"sub\"", "is missing", "sub");
  expect_refused(start + "\"absent.safetensors\"", "is missing", "absent.safetensors");
}

TEST_F(TensorFiles, HoldWhatTheIndexSaysAndNothingElse) {
  expect_refused(R"("a": "one.safetensors", "c": "two.safetensors")", "does not name the tensor", "one.safetensors:b");
  expect_refused(std::string(kWhole) + R"(, "d": "two.safetensors")", "missing tensor", "two.safetensors:d");
  expect_refused(R"("a": 1)", "names no file", "index.json:a");
  expect_refused(R"("a": "one.safetensors", "a": "one.safetensors")", "stands twice", "index.json");
  write_text(dir_ / "two.safetensors", "no tensors");
  expect_refused(kWhole, "header cannot have", "two.safetensors");
  std::string many;
  for (int i = 0; i < 600; ++i)
    many += (i > 0 ? ", \"" : "\"") + std::to_string(i) + "\": \"" + std::to_string(i) + ".safetensors\"";
  expect_refused(many, "more than 512 files", "index.json");
  for (const char* text : {"", "{", "[]", "{}", R"({"weight_map": []})"}) {
    write_text(file(), text);
    const auto error = refused(dir_.path());
    ASSERT_TRUE(error) << text;
    EXPECT_EQ(error->code(), ExitCode::data) << error->what();
  }
}

TEST_F(TensorFiles, AreSaidToBeAbsent) {
  for (const std::filesystem::path& path : {dir_ / "absent", dir_.path()}) {
    const auto error = refused(path);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ExitCode::config);
    EXPECT_EQ(error->where(), path.string());
  }
}

}  // namespace
}  // namespace msn
