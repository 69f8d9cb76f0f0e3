// SPDX-License-Identifier: Apache-2.0
// Everything a training run is told, as plain structs with the published ViT-S/16 values as defaults.
// docs/design.md §7 lists the keys; docs/configuration.md explains them.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace msn {

enum class MaskPer { batch, image };  ///< One mask for the whole global batch (official) or one an image.
/// bf16: products of matrices and what lies between them in bfloat16, all else in float32. tf32: float32 whose products
/// a GPU computes from 19-bit operands. fp64 serves trace_replay and tests.
enum class Precision { fp32, fp64, bf16, tf32 };
/// The type that gradients travel in when they are summed over ranks: their own, or bfloat16.
enum class ReducePrecision { full, bf16 };
/// What computes attention on a GPU: a fixed table's choice, plain products and a softmax, or one of LibTorch's fused
/// kernels.
enum class AttentionChoice { automatic, plain, flash, efficient, cudnn };
/// Where the views are made from decoded images.
enum class ViewsOn { automatic, host, device };
enum class Interpolation { bilinear, bicubic };
/// Order of the two passes of a resize. Pillow up to 12 always goes horizontally first; Pillow 13 goes vertically first
/// when both passes are needed, h_in > h_out and h_in - h_out > 2 (w_in - w_out).
enum class ResizeOrder { horizontal, pillow13 };

/// What training reads: a packed data set, or numbers made up once, which cost nothing.
enum class DataInput { images, synthetic };

/// Where encoded images are kept after they were read: nowhere, or in the memory of each rank.
enum class DataCache { none, ram };

/// What becomes of a step whose loss or gradient is not finite: it ends the run, or it is left out.
enum class NonFinite { abort, skip };

/// Order of an epoch's samples: all shuffled together, or blocks of neighbours shuffled, and within windows of several
/// blocks all samples.
enum class DataOrder { shuffled, blockwise };

/// One of several data sets that a run trains on: a table [[data.set]].
struct DataSetConfig {
  std::filesystem::path path;  ///< Folder of a packed data set.
  double weight = 0;           ///< Share of the draws, relative to the other sets'; 0: its number of images.
  std::optional<std::array<double, 3>> mean = {};  ///< Instead of views.mean.
  std::optional<std::array<double, 3>> std = {};   ///< Instead of views.std.

  bool operator==(const DataSetConfig&) const = default;
};

struct DataConfig {
  DataInput input = DataInput::images;
  std::filesystem::path path;  ///< Folder of a packed data set; relative to the working directory.
  int workers = 0;             ///< Loader threads a rank; 0: chosen from the cores this rank may use.
  DataOrder order = DataOrder::shuffled;
  int block = 256;       ///< Consecutive samples that stay together; blockwise only.
  int window = 64;       ///< Blocks whose samples are shuffled together; blockwise only.
  int epoch_images = 0;  ///< Draws of an epoch from several sets, 0: as many as they hold together; of synthetic input.
  std::filesystem::path staging;  ///< Folder on a disk of each node that gets a copy of the data; empty: none.
  DataCache cache = DataCache::none;
  std::vector<DataSetConfig> sets;  ///< Instead of path.
  double max_bad = 0.001;           ///< Share of an epoch's images that may be bad and replaced before the run ends.

  bool operator==(const DataConfig&) const = default;
};

struct ViewsConfig {
  int random = 1;                                ///< Masked anchor views of random_size.
  int focal = 10;                                ///< Small anchor views of focal_size.
  int random_size = 224;                         ///< Pixels a side; also the target view's.
  int focal_size = 96;                           ///< Pixels a side.
  std::array<double, 2> random_scale{0.3, 1.0};  ///< Range of the crop's share of the image's area.
  std::array<double, 2> focal_scale{0.05, 0.3};
  double mask_ratio = 0.15;  ///< Share of a random view's patches that is dropped.
  MaskPer mask_per = MaskPer::batch;
  double jitter = 0.5;  ///< Strength s of the colour jitter: 0.8s, 0.8s, 0.8s, 0.2s.
  double blur = 0.5;    ///< Probability of the Gaussian blur, radius U(0.1, 2.0) px.
  Interpolation interpolation = Interpolation::bilinear;
  ResizeOrder resize_order = ResizeOrder::horizontal;
  std::array<double, 3> mean{0.485, 0.456, 0.406};
  std::array<double, 3> std{0.229, 0.224, 0.225};

  bool operator==(const ViewsConfig&) const = default;
};

struct ModelConfig {
  std::string arch = "vit_small";  ///< Sets width, depth, heads; "custom" takes them as given.
  int width = 384;
  int depth = 12;
  int heads = 6;
  int patch_size = 16;
  int image_size = 224;  ///< Side of the position table in pixels.
  int head_hidden = 2048;
  int head_out = 256;
  int prototypes = 1024;
  bool freeze_prototypes = false;  ///< Prototypes stay as they were drawn (or loaded).
  double drop_path = 0.0;          ///< Largest rate of stochastic depth, of the last block; linear from 0.
  std::filesystem::path init;      ///< Weights to begin with: a .safetensors file or a checkpoint folder; empty: drawn.

  bool operator==(const ModelConfig&) const = default;
};

struct LossConfig {
  double temperature = 0.1;                   ///< Anchor temperature τ.
  std::array<double, 2> sharpen{0.25, 0.25};  ///< Sharpening temperature T of the targets: start, final.
  int sinkhorn = 3;                           ///< Iterations; 0 turns Sinkhorn off.
  double me_max = 1.0;                        ///< Weight λ of mean-entropy maximisation.
  double entropy = 0.0;                       ///< Weight of the mean entropy of the anchors' predictions.
  double label_smoothing = 0.0;               ///< Share s of a uniform distribution in every prediction.
  std::filesystem::path prior = "uniform";    ///< "uniform", "power_law" or a file of one weight a prototype.
  double prior_exponent = 0.25;               ///< Of the power law.

  bool operator==(const LossConfig&) const = default;
};

struct OptimConfig {
  std::array<double, 3> lr{2e-4, 1e-3, 1e-6};  ///< Start, peak, final.
  double warmup_epochs = 15;
  int lr_reference_batch = 0;                     ///< Scales lr by global_batch / this; 0: lr is as written.
  std::array<double, 2> weight_decay{0.04, 0.4};  ///< Start, final (cosine).
  double clip = 3.0;                              ///< Largest global gradient norm of the encoder; 0: no clipping.
  std::array<double, 2> ema{0.996, 1.0};          ///< Momentum of the target network: start, final (linear).
  double schedule_stretch = 1.25;                 ///< Schedules run over this many times the real length.

  bool operator==(const OptimConfig&) const = default;
};

struct TrainConfig {
  int global_batch = 1024;  ///< Images a step over all ranks.
  int micro_batch = 0;      ///< Images of a rank that go through the trunk at once; 0: all.
  int epochs = 800;
  std::uint64_t seed = 0;
  Precision precision = Precision::fp32;
  ReducePrecision reduce_precision = ReducePrecision::full;
  bool recompute = true;  ///< The backward pass computes norms and activations again instead of keeping them.
  int check_replicas_every =
      100;  ///< Steps between comparisons of the replicated state over ranks; 0: only at checkpoints.
  NonFinite non_finite = NonFinite::abort;
  int max_skipped_in_a_row = 2;  ///< With NonFinite::skip; one more ends the run.
  int max_skipped = 20;          ///< Likewise, over all lives of the run.
  int max_fruitless_lives = 5;   ///< In a row, without a newer checkpoint; then the run does not start. 0: for ever.

  bool operator==(const TrainConfig&) const = default;
};

struct CheckpointConfig {
  int every_steps = 1000;       ///< 0: none by steps.
  double every_minutes = 0;     ///< Since the last one of any kind; 0: none by time.
  int keep = 3;                 ///< Newest checkpoints kept; at least 2.
  int keep_every = 0;           ///< Checkpoints whose step is a multiple of this stay for ever; 0: none do.
  int keep_best = 0;            ///< Checkpoints of the best measurements ([evaluate]) that stay beside them; 0: none.
  int writers = 1;              ///< Ranks that write a slice each; more than the world size counts as all ranks.
  int max_failed_in_a_row = 3;  ///< Saves that may fail one after the other; one more ends the run.

  bool operator==(const CheckpointConfig&) const = default;
};

/// A measurement of the target network by k-NN while the run goes on. It changes nothing of the run.
struct EvaluateConfig {
  int every_epochs = 0;         ///< Epochs from one to the next; there is one at the end of the run, too. 0: none.
  std::filesystem::path train;  ///< Folder of a packed data set with labels: the neighbours.
  std::filesystem::path test;   ///< Likewise, with the same classes: what is classified.
  int train_stride = 1;         ///< Every n-th image is used.
  int test_stride = 1;
  int k = 20;                 ///< Neighbours.
  double temperature = 0.07;  ///< Of the votes' weights.

  bool operator==(const EvaluateConfig&) const = default;
};

struct RuntimeConfig {
  int threads = 0;                      ///< Compute threads a rank; 0: cores this rank may use.
  std::filesystem::path gemm = "auto";  ///< "auto", "mkl", "onednn" or a file of msn bench gemm.
  AttentionChoice attention = AttentionChoice::automatic;
  bool cuda_graph = true;  ///< A GPU's step is captured once and then replayed as one.
  ViewsOn views_on = ViewsOn::automatic;
  int run_ahead = 2;       ///< Steps that the host may be ahead of its GPU before it reads their numbers.
  double bucket_mib = 25;  ///< MiB of gradients that are summed over ranks in one message; the first one is smaller.
  double watchdog = 600;   ///< Seconds that a section of a step may last before the job is ended; 0: for ever.
  std::vector<std::string> stop_signals{"USR1", "USR2", "TERM"};  ///< Of stop_signal_names(), none twice.
  bool allow_slow_bf16 = false;                                   ///< bf16 also on a processor that only emulates it.
  bool job_end = true;      ///< Training stops in time before the job ends, if the environment tells when.
  bool tensorboard = true;  ///< Metrics also as event files of TensorBoard, below the run folder.
  bool monitors = true;     ///< Rank 0 measures the rank of the features and warns of collapse.

  bool operator==(const RuntimeConfig&) const = default;
};

struct Config {
  DataConfig data;
  ViewsConfig views;
  ModelConfig model;
  LossConfig loss;
  OptimConfig optim;
  TrainConfig train;
  CheckpointConfig checkpoint;
  EvaluateConfig evaluate;
  RuntimeConfig runtime;

  bool operator==(const Config&) const = default;
};

/// Reads a TOML text strictly and applies `key=value` overrides (`section.key=value`, the value in TOML syntax; a bare
/// word that is no TOML value counts as a string). `name` is used in messages. Throws config_error for syntax errors,
/// duplicate and unknown keys (with the nearest known name), wrong types, values out of range and fields that
/// contradict each other, with file, line and column, or the override's text. An override wins over the file, a later
/// one over an earlier one; an override that names an arch also drops the file's width, depth and heads.
Config parse_config(std::string_view text, const std::string& name, const std::vector<std::string>& overrides = {});

/// Has `config` train on the packed data set at `path` and no other.
void use_one_data_set(Config& config, const std::filesystem::path& path);

/// parse_config of a regular file of at most 1 MiB. Throws config_error also if it cannot be read.
Config load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});

/// The resolved configuration as TOML with every key, in a fixed order; parse_config of it gives the same Config.
/// Throws config_error if data.path is not valid UTF-8, which TOML cannot hold.
std::string to_toml(const Config& config);

/// Hash of what decides the numbers of a run: every key but data.path, data.set.path, data.staging,
/// data.cache, data.workers, data.max_bad, model.arch (a name for width, depth and heads, which count),
/// train.micro_batch (which changes rounding alone), train.check_replicas_every, train.non_finite, train.max_skipped*,
/// train.max_fruitless_lives, checkpoint.*, evaluate.* and runtime.*. Only values other than the defaults enter it: a
/// default, once released, must not change.
std::string config_digest(const Config& config);

/// What a key decides, and so what becomes of a run that is resumed with another value.
enum class Effect {
  numbers,   ///< The numbers of the run; in its digest. Refused, unless forced.
  rounding,  ///< Only their last bits, as the number of ranks does. Warned of.
  policy,    ///< Not its numbers, but what it keeps, checks, or ends for. Warned of.
  none,      ///< Where and how fast it runs. Free.
};

/// A key whose value differs between two configurations.
struct ConfigDifference {
  std::string key;
  std::string before;
  std::string after;
  Effect effect;
};
/// The differences in the order of to_toml; texts as to_toml writes them.
std::vector<ConfigDifference> compare_configs(const Config& before, const Config& after);

/// Throws usage_error, with the nearest known name, if compare_configs() never says `key`.
void require_known_key(const std::string& key);

}  // namespace msn
