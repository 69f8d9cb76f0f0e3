// SPDX-License-Identifier: Apache-2.0
#include "commands/eval_logistic.hpp"

#include <ATen/ops/mm.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "comm/mpi_communicator.hpp"
#include "commands/eval_frame.hpp"
#include "evaluate/batches.hpp"
#include "evaluate/check_finite.hpp"
#include "evaluate/logistic.hpp"

namespace msn {
namespace {

struct Arguments {
  EvalOptions eval;
  std::vector<double> lambdas{0.075};
  LogisticOptions logistic;
};

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

/// Features as the classifier takes them. All ranks hold the same, so that all find what is not finite.
at::Tensor prepared(const World& world, const at::Tensor& features, const std::filesystem::path& of) {
  world.agree([&] { check_finite(features, of.string()); });
  return centre_and_normalise_rows(features);
}

void run(const World& world, const Arguments& arguments) {
  EvalSession session(world, arguments.eval);
  const ClassificationTask& task = session.task();
  const at::Tensor train = prepared(world, session.train_features(), arguments.eval.task.train);
  const at::Tensor test = prepared(world, session.test_features(), arguments.eval.task.test);
  MpiCommunicator communicator(world);
  std::vector<EvalOutcome> outcomes;
  for (const double lambda : arguments.lambdas) {
    for (const Split& split : task.splits) {
      const at::Tensor rows = split.rows_of(train);
      const std::vector<std::int32_t> labels = task.labels_of(split);
      const RowRange mine = share_of_rank(rows.size(0), world.rank(), world.size());
      const std::span here = std::span(labels).subspan(static_cast<std::size_t>(mine.begin),
                                                       static_cast<std::size_t>(mine.end - mine.begin));
      LogisticOptions options = arguments.logistic;
      options.lambda = lambda / static_cast<double>(labels.size());
      options.on_step = [&](const LogisticProgress&) { session.touch(); };
      const LogisticFit fit = fit_logistic(communicator, rows.narrow(0, mine.begin, mine.end - mine.begin), here,
                                           static_cast<int>(task.classes.size()), options);
      if (!fit.converged && world.rank() == 0) {
        log::warn("lambda " + text_of(lambda) + (split.name.empty() ? "" : " with " + split.name) +
                  " has not converged: after " + std::to_string(fit.newton_steps) +
                  " Newton steps the objective may lie above its minimum by " + text_of(fit.gap) +
                  " of it, and the tolerance is " + text_of(options.tolerance));
      }
      outcomes.push_back({"lambda " + text_of(lambda),
                          {{"lambda", lambda}},
                          judge(at::mm(test, fit.weight.t()), task.test.labels),
                          {{"objective", fit.objective},
                           {"gap", fit.gap},
                           {"converged", fit.converged},
                           {"newton_steps", fit.newton_steps}}});
    }
  }
  communicator.shutdown();
  report(session, "logistic", {{"tolerance", arguments.logistic.tolerance}}, std::move(outcomes));
}

}  // namespace

Command make_eval_logistic_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("logistic", "Logistic regression on frozen features: the paper's few labels");
  add_eval_options(*app, arguments->eval, {.where = ClassToken::before_norm});
  app->add_option("--lambda", arguments->lambdas,
                  "Strength of the penalty lambda / (2 n) |W|^2 with n training images; several, with commas between "
                  "them, are several settings")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--tolerance", arguments->logistic.tolerance,
                  "Greatest share of the minimum that the objective may lie above it")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--max-newton-steps", arguments->logistic.max_newton_steps,
                  "Go on with what there is after so many steps, with a warning")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->footer(
      "Example:\n"
      "  msn eval logistic --run runs/photos --train data/photos --test data/photos-test --labels lists/photos-5-*.csv "
      "--lambda 0.0025\n"
      "  mpirun -n 2 msn eval logistic --run runs/cifar10 --train data/cifar10-train --test data/cifar10-test "
      "--lambda 0.0025,0.075,1");
  app->parse_complete_callback([arguments] { check_eval_options(arguments->eval, arguments->lambdas.size()); });
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
