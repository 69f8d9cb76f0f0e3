// SPDX-License-Identifier: Apache-2.0
#include "report/panel_table.hpp"

#include <set>

namespace msn {

std::span<const std::pair<std::string_view, std::string_view>> panel_sections() {
  static constexpr std::pair<std::string_view, std::string_view> sections[] = {
      {"loss", "Loss and gradients"}, {"schedules", "Schedules"}, {"monitors", "Monitors"},
      {"knn", "Evaluation"},          {"speed", "Speed"},         {"ranks", "Ranks"},
      {"other", "Other series"}};
  return sections;
}

std::span<const Panel> panels() {
  static const std::vector<Panel> all{
      {"loss",
       "loss",
       "Loss and its parts",
       "nats",
       "The loss is the cross-entropy plus weighted me-max (and entropy, if it has a weight). Cross-entropy falls as "
       "views agree; me-max near 0 means that all prototypes are used alike.",
       {{"loss", "loss"}, {"cross_entropy", "cross-entropy"}, {"me_max", "me-max, unweighted"}}},
      {"loss",
       "entropy",
       "Entropy of a prediction",
       "nats",
       "Mean entropy of single anchors' predictions: from log K, all prototypes alike, towards 0, one prototype.",
       {{"entropy", "entropy"}}},

      {"schedules",
       "lr",
       "Learning rate",
       "",
       "As the optimiser used it: warm-up, then half a cosine.",
       {{"lr", "learning rate"}}},
      {"schedules",
       "weight_decay",
       "Weight decay",
       "",
       "Half a cosine from start to final value.",
       {{"weight_decay", "weight decay"}}},
      {"schedules",
       "ema",
       "EMA momentum",
       "",
       "Of the target network, which averages the online one over about 1 / (1 - momentum) steps.",
       {{"ema", "EMA momentum"}}},
      {"schedules",
       "sharpen",
       "Sharpening temperature",
       "",
       "Of the targets; lower is sharper.",
       {{"sharpen", "sharpening temperature"}}},

      {"loss",
       "grad_norm",
       "Gradient norm",
       "",
       "Of the encoder's averaged gradients, before clipping. Above the line of optim.clip gradients are scaled down.",
       {{"grad_norm", "gradient norm"}},
       Scale::logarithmic},
      {"loss",
       "skipped",
       "Skipped steps",
       "",
       "1 for a step that was left out because numbers were not finite.",
       {{"skipped", "skipped"}}},

      {"monitors",
       "prototypes_used",
       "Prototypes in use",
       "",
       "Distinct largest targets of a global batch. It should settle at a good part of all; a fall towards 1 is "
       "collapse.",
       {{"prototypes_used", "prototypes in use"}}},
      {"monitors",
       "mean_entropy",
       "Entropy of the mean prediction",
       "nats",
       "Over a whole batch: log K if all prototypes are used alike; a fall towards 0 is collapse.",
       {{"mean_entropy", "entropy of the mean"}}},
      {"monitors",
       "targets",
       "Largest and smallest target",
       "",
       "Mean over images of the largest and smallest probability of a target: how sharp targets are.",
       {{"max_target", "largest target"}, {"min_target", "smallest target"}}},
      {"monitors",
       "feature_rank",
       "Effective rank of the embeddings",
       "",
       "RankMe of the target network's embeddings: the exponential of the entropy of their singular values, from 1 to "
       "model.head_out. A fall towards 1 is collapse.",
       {{"feature_rank", "feature rank"}}},

      {"knn",
       "knn",
       "k-NN accuracy",
       "share",
       "Of held-out images whose class the nearest neighbours tell, by the target network's features.",
       {{"evaluation.knn_top1", "k-NN top-1"}, {"evaluation.knn_top5", "k-NN top-5"}}},
      {"knn",
       "evaluation_seconds",
       "Time of an evaluation",
       "s",
       "Training stands still meanwhile.",
       {{"evaluation.seconds", "time of an evaluation"}}},

      {"speed",
       "images_per_second",
       "Throughput",
       "images/s",
       "Images of a global batch over the step's time, waiting included.",
       {{"images_per_second", "images per second"}}},
      {"speed",
       "data_wait_share",
       "Waiting for data",
       "% of a step",
       "The longest wait of a rank for its images, as a share of the step. Above a few percent the loader is too slow.",
       {{"data_wait_share", "data wait, %"}}},
      {"speed",
       "step_seconds",
       "Time of a step",
       "s",
       "Where a step's time goes: waiting for data, and what of the sums of gradients no computation hides.",
       {{"step_seconds", "whole step"},
        {"data_wait_seconds", "data wait"},
        {"reduce_seconds", "gradient sums"},
        {"reduce_wait_seconds", "gradient sums, not hidden"}}},
      {"speed",
       "checkpoint_seconds",
       "Held up by checkpoints",
       "s",
       "How long training stood still for a checkpoint: copying the state, and waiting for an earlier one.",
       {{"checkpoint_seconds", "held up by a checkpoint"}}},
      {"speed",
       "checkpoint_write",
       "Writing of checkpoints",
       "s",
       "From the copy to the durable checkpoint, beside training.",
       {{"checkpoint.seconds", "writing of a checkpoint"}}},
      {"speed",
       "bad_samples",
       "Bad images",
       "images",
       "Images of a global batch that could not be read and were replaced.",
       {{"bad_samples", "bad images"}}},

      {"ranks",
       "rank_compute",
       "Computing, by rank",
       "s",
       "Seconds a step outside of waits: of the fastest, the middle and the slowest rank. Far apart means uneven "
       "ranks.",
       {{"ranks.compute_seconds.2", "slowest rank, computing"},
        {"ranks.compute_seconds.1", "middle rank, computing"},
        {"ranks.compute_seconds.0", "fastest rank, computing"}}},
      {"ranks",
       "rank_waiting",
       "Waiting for other ranks",
       "s",
       "Seconds a step inside waits. A rank that never waits is the one that the others wait for.",
       {{"ranks.waiting_seconds.2", "longest wait"},
        {"ranks.waiting_seconds.1", "middle rank's wait"},
        {"ranks.waiting_seconds.0", "shortest wait"}}},
      {"ranks",
       "rank_data",
       "Data, by rank",
       "s",
       "Seconds a step spent waiting for data and preparing it.",
       {{"ranks.data_seconds.2", "most on data"},
        {"ranks.data_seconds.1", "middle rank on data"},
        {"ranks.data_seconds.0", "least on data"}}},
      {"ranks",
       "rank_behind",
       "How far the slowest rank is behind",
       "s",
       "Its own time a step beyond the middle rank's: what could be won.",
       {{"ranks.behind_seconds", "behind the middle rank"}}},
  };
  return all;
}

bool is_bookkeeping(const std::string& key) {
  static const std::set<std::string, std::less<>> keys{
      "epoch", "time", "ranks.steps", "ranks.slowest", "checkpoint.step", "checkpoint.bytes", "checkpoint.durable"};
  return keys.contains(key);
}

bool is_evaluation(const std::string& key) {
  return key.starts_with("evaluation.") || key.find("knn") != std::string::npos;
}

std::string series_name(const std::string& key) {
  for (const Panel& panel : panels()) {
    for (const PanelSeries& series : panel.series) {
      if (series.key == key) return std::string(series.name);
    }
  }
  return key;
}

}  // namespace msn
