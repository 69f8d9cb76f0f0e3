// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exchange/exported_model.hpp"

namespace msn {

/// For whom the files beside the card are.
enum class CardOf { transformers, timm, official, onnx };

/// README.md of an exported network: sizes, how it is loaded, what pixels it wants, and of its training steps, metrics
/// and the whole configuration. Markdown, with the header that model hubs read.
std::string model_card(const ExportedModel& model, CardOf format);

}  // namespace msn
