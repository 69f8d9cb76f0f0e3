// SPDX-License-Identifier: Apache-2.0
// The step's input by way of a device against that of batches whose views workers made: the same bits. The device is the
// first GPU if Kokkos has CUDA, else host memory.
#include "train/device_views.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "data/data_support.hpp"
#include "data/loader.hpp"
#include "data/synthetic_batches.hpp"
#include "kernels/device/session.hpp"
#include "support/support.hpp"
#include "train/batch_tensors.hpp"
#include "train/views_on.hpp"

namespace msn {
namespace {

at::Device device() {
  return kernels::device::computes_on_gpu() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
}

void expect_same(const at::Tensor& made, const at::Tensor& expected, const std::string& name) {
  ASSERT_EQ(made.defined(), expected.defined()) << name;
  if (!made.defined()) return;
  EXPECT_EQ(made.scalar_type(), expected.scalar_type()) << name;
  EXPECT_EQ(made.sizes(), expected.sizes()) << name;
  EXPECT_TRUE(made.cpu().equal(expected)) << name;
}

void expect_same(const StepInput& made, const StepInput& expected, const std::string& name) {
  for (const auto group : {&StepInput::target, &StepInput::random, &StepInput::focal}) {
    const ViewGroup &mine = made.*group, &other = expected.*group;
    const std::string of = name + (group == &StepInput::target   ? ", target"
                                   : group == &StepInput::random ? ", random"
                                                                 : ", focal");
    EXPECT_EQ(mine.grid, other.grid) << of;
    expect_same(mine.patches, other.patches, of + " patches");
    expect_same(mine.keep, other.keep, of + " keep");
    if (other.patches.defined()) expect_same(mine.branch_scale, other.branch_scale, of + " branch_scale");
  }
}

class DeviceViewsTest : public ::testing::Test {
 protected:
  static constexpr int images = 14;

  DeviceViewsTest() {
    for (int i = 0; i < images; ++i) {
      // One is so large that it is cut on the host.
      const int width = i == 3 ? 260 : 18 + 5 * i, height = i == 3 ? 180 : 70 - 4 * i;
      test::write_file(dir_ / "in" / (std::to_string(i) + ".jpg"), test::small_jpeg(i, width, height));
    }
    PackOptions options;
    options.shards = 2;
    test::pack_folder(dir_ / "in", dir_ / "set", options);
    test::write_folder(dir_ / "in2", 1, 5);
    test::pack_folder(dir_ / "in2", dir_ / "small");
    config_.views.random = 2;
    config_.views.focal = 3;
    config_.views.random_size = 26;  // Two pixels more than whole patches.
    config_.views.focal_size = 13;
    config_.views.mask_ratio = 0.4;
    config_.model.patch_size = 4;
    config_.model.depth = 3;
    config_.model.drop_path = 0.3;
    config_.train.global_batch = 6;
    config_.train.seed = 11;
    config_.data.sets = {{.path = dir_ / "set"}};
  }

  BatchOptions options(ViewsMade views) const {
    BatchOptions options;
    options.global_batch = config_.train.global_batch;
    options.patch_size = config_.model.patch_size;
    options.views = views;
    return options;
  }

  /// Five steps: more than the ring has slots, over two epochs.
  void expect_same_steps(at::ScalarType type, const std::string& name) const {
    const TrainingData data = open_training_data(config_);
    std::vector<Normaliser> normalisers;
    for (const TrainingSet& set : data.sets)
      normalisers.emplace_back(set.views);
    Loader by_workers(data, options(ViewsMade::by_workers), 2);
    Loader by_device(data, options(ViewsMade::by_device), 2);
    DeviceViews from_plan(config_, normalisers, device(), type), from_rows(config_, normalisers, device(), type);
    for (int step = 0; step < 5; ++step) {
      Batch rows = by_workers.next(), plan = by_device.next();
      ASSERT_EQ(plan.samples, rows.samples);
      ASSERT_EQ(plan.bad.size(), rows.bad.size());
      const StepInput expected = make_step_input(rows, config_, type);
      expect_same(from_plan.input_of(plan), expected, name + ", made by the device, step " + std::to_string(step));
      expect_same(from_rows.input_of(rows), expected, name + ", made by workers, step " + std::to_string(step));
      by_workers.recycle(std::move(rows));
      by_device.recycle(std::move(plan));
    }
  }

  test::TempDir dir_;
  Config config_;
};

TEST_F(DeviceViewsTest, AreTheViewsOfTheWorkersInEveryType) {
  expect_same_steps(at::kFloat, "float32");
  expect_same_steps(at::kBFloat16, "bfloat16");
  expect_same_steps(at::kDouble, "float64");
}

TEST_F(DeviceViewsTest, TakeMasksOfEachImageAndNone) {
  config_.views.mask_per = MaskPer::image;
  expect_same_steps(at::kFloat, "masks of images");
  config_.views.mask_ratio = 0;
  config_.model.drop_path = 0;
  expect_same_steps(at::kFloat, "no masks");
  config_.views.focal = 0;
  expect_same_steps(at::kFloat, "no focal views");
}

TEST_F(DeviceViewsTest, ResizeByEveryRuleAndColourOrNot) {
  config_.views.interpolation = Interpolation::bicubic;
  config_.views.resize_order = ResizeOrder::pillow13;
  config_.views.blur = 1;
  expect_same_steps(at::kFloat, "bicubic, Pillow 13, blurred");
  config_.views.blur = 0;
  config_.views.jitter = 0;
  config_.views.resize_order = ResizeOrder::horizontal;
  expect_same_steps(at::kFloat, "without jitter and blur");
}

TEST_F(DeviceViewsTest, OfSeveralDataSetsHaveTheirOwnMeans) {
  config_.data.sets = {{.path = dir_ / "set", .weight = 1}, {.path = dir_ / "small", .weight = 1}};
  config_.data.sets[1].mean = {0, 0.1, 0.2};
  config_.data.sets[1].std = {1, 0.5, 0.25};
  expect_same_steps(at::kFloat, "two sets");
}

TEST_F(DeviceViewsTest, TakeOtherPixelsForABadImage) {
  const SampleStore store(dir_ / "set");
  for (const std::uint64_t sample : {2u, 8u}) {
    const Extent extent = store.locate(sample);
    const std::array<std::byte, 4> zeros{};
    const FileHandle file(dir_ / "set" / store.manifest().shards[extent.shard].file, O_RDWR);
    file.write_at(zeros, extent.offset + extent.size / 2);
  }
  expect_same_steps(at::kFloat, "bad images");
}

TEST_F(DeviceViewsTest, UploadMadeUpRows) {
  SyntheticBatches batches(config_, 60, options(ViewsMade::by_device));
  DeviceViews views(config_, {}, device(), at::kBFloat16);
  for (int step = 0; step < 4; ++step) {
    Batch batch = batches.next();
    expect_same(views.input_of(batch), make_step_input(batch, config_, at::kBFloat16), "synthetic");
    batches.recycle(std::move(batch));
  }
}

TEST_F(DeviceViewsTest, AnInputStaysUntilTheRingComesRound) {
  const TrainingData data = open_training_data(config_);
  const std::vector<Normaliser> normalisers{Normaliser(data.sets[0].views)};
  Loader loader(data, options(ViewsMade::by_device), 2);
  DeviceViews views(config_, normalisers, device(), at::kFloat);
  const void* first = nullptr;
  for (std::size_t step = 0; step <= DeviceViews::slots; ++step) {
    const StepInput input = views.input_of(loader.next());
    const void* const place = input.target.patches.const_data_ptr();
    if (step == 0) first = place;
    EXPECT_EQ(place == first, step % DeviceViews::slots == 0);
  }
}

TEST(ViewsMade, ByTheDeviceWhereItCan) {
  EXPECT_EQ(views_made(ViewsOn::automatic, true, true), ViewsMade::by_device);
  EXPECT_EQ(views_made(ViewsOn::automatic, true, false), ViewsMade::by_workers);
  EXPECT_EQ(views_made(ViewsOn::automatic, false, false), ViewsMade::by_workers);
  EXPECT_EQ(views_made(ViewsOn::automatic, false, true), ViewsMade::by_workers);
  EXPECT_EQ(views_made(ViewsOn::device, true, true), ViewsMade::by_device);
  for (const bool gpu : {false, true})
    EXPECT_EQ(views_made(ViewsOn::host, gpu, gpu), ViewsMade::by_workers);
}

TEST(ViewsMade, RefusesADeviceThatCannot) {
  const auto text_of = [](bool run_on_gpu, bool kokkos_on_gpu) -> std::string {
    try {
      views_made(ViewsOn::device, run_on_gpu, kokkos_on_gpu);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(text_of(true, false).find("Kokkos of this build has no CUDA"), std::string::npos);
  EXPECT_NE(text_of(false, false).find("computes on processors"), std::string::npos);
  EXPECT_NE(text_of(false, true).find("computes on processors"), std::string::npos);
}

}  // namespace
}  // namespace msn

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const msn::kernels::device::KokkosSession session(0);
  return RUN_ALL_TESTS();
}
