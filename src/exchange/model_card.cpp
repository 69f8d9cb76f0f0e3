// SPDX-License-Identifier: Apache-2.0
#include "exchange/model_card.hpp"

#include <array>
#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "config/toml_text.hpp"

namespace msn {

namespace {

std::string row(std::string_view name, const std::string& value) {
  return "| " + std::string(name) + " | " + value + " |\n";
}

std::string header(CardOf format) {
  constexpr std::array<std::string_view, 4> libraries{"transformers", "timm", "msn", "onnx"};
  return "---\nlibrary_name: " + std::string(libraries[static_cast<std::size_t>(format)]) +
         "\npipeline_tag: image-feature-extraction\ntags:\n- msn\n- masked-siamese-networks\n"
         "- self-supervised-learning\n- vision-transformer\n---\n";
}

std::string numbers(const std::array<double, 3>& values) {
  return number_text(values[0]) + ", " + number_text(values[1]) + ", " + number_text(values[2]);
}

std::string model_section(const ExportedModel& model) {
  const ModelConfig& sizes = model.config.model;
  std::uint64_t values = 0;
  for (const NamedTensor& tensor : model.tensors) {
    std::uint64_t product = 1;
    for (const std::int64_t extent : tensor.shape)
      product *= static_cast<std::uint64_t>(extent);
    if (tensor.name != "prototypes" && !tensor.name.starts_with("fc.")) values += product;
  }
  std::string text = "| model | |\n| --- | --- |\n";
  text += row("width, depth, heads",
              std::to_string(sizes.width) + ", " + std::to_string(sizes.depth) + ", " + std::to_string(sizes.heads));
  text += row("images", std::to_string(sizes.image_size) + " x " + std::to_string(sizes.image_size) +
                            " pixels, patches of " + std::to_string(sizes.patch_size));
  text += row("parameters of the encoder", std::to_string(values));
  text += row("network", model.network == Network::target ? "target (averaged weights)" : "online (trained weights)");
  text += row("made from", one_line(model.source));
  return text;
}

std::string use_section(CardOf format) {
  switch (format) {
    case CardOf::transformers:
      return "```python\nfrom transformers import AutoImageProcessor, AutoModel\n"
             "model = AutoModel.from_pretrained(\"DIR\").eval()\n"
             "pixels = AutoImageProcessor.from_pretrained(\"DIR\")(image, return_tensors=\"pt\").pixel_values\n"
             "features = model(pixels).last_hidden_state[:, 0]\n```\n\n";
    case CardOf::timm:
      return "```python\nimport timm\nmodel = timm.create_model(\"local-dir:DIR\", pretrained=True).eval()\n"
             "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))\n"
             "features = model(transform(image).unsqueeze(0))\n```\n\n";
    case CardOf::official:
      return "Read by `msn eval --weights DIR`, `msn export --weights DIR` and `model.init = \"DIR\"`; "
             "`launch/convert-pth` makes a `.pth` file of it.\n\n";
    case CardOf::onnx:
      return "```python\nimport json, numpy, onnxruntime\nmodel = onnxruntime.InferenceSession(\"DIR/model.onnx\")\n"
             "facts = model.get_modelmeta().custom_metadata_map\n"
             "side, mean, std = (json.loads(facts[name]) for name in (\"image_size\", \"mean\", \"std\"))\n"
             "pixels = ((numpy.array(image.resize((side, side))) / 255 - mean) / std).astype(\"float32\")\n"
             "features = model.run([\"cls\"], {\"pixel_values\": pixels.transpose(2, 0, 1)[None]})[0]\n```\n\n"
             "Other outputs: `cls_before_norm`, the class token before the final layer norm; `patches`, row by row, "
             "and `last_hidden_state`, both after it.\n\n";
  }
  throw internal_error("a kind of card that there is not", "model_card");
}

std::string training_section(const TrainingFacts& training) {
  std::string text = "\n## Training\n\n| training | |\n| --- | --- |\n";
  text += row("steps", std::to_string(training.step));
  text += row("epochs", std::to_string(training.epoch));
  text += row("images seen", std::to_string(training.samples_seen));
  text += row("global batch", std::to_string(training.global_batch));
  text += row("seed", std::to_string(training.seed));
  text += row("fingerprint of the data", one_line(training.data_fingerprint));
  for (const auto& [name, value] : training.metrics)
    text += row("`" + name + "` of the last step", number_text(value));
  return text;
}

/// Indented, so that nothing in it can end the block.
std::string configuration_section(const Config& config) {
  std::string text = "\n## Configuration\n\n";
  const std::string toml = to_toml(config);
  for (std::size_t at = 0; at < toml.size();) {
    const std::size_t end = std::min(toml.find('\n', at), toml.size());
    text += (end > at ? "    " : "") + toml.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return text;
}

}  // namespace

std::string model_card(const ExportedModel& model, CardOf format) {
  const ViewsConfig& views = model.config.views;
  const int side = model.config.model.image_size;
  std::string text = header(format) +
                     "\n# Vision Transformer, pretrained with Masked Siamese Networks\n\n"
                     "Weights of an image encoder that was trained without labels "
                     "([arXiv 2204.07141](https://arxiv.org/abs/2204.07141)), written by msn " MSN_VERSION ".\n\n" +
                     model_section(model) + "\n## Use\n\n" + use_section(format);
  text +=
      "Pixels from 0 to 1, less the mean (" + numbers(views.mean) + "), divided by the deviation (" +
      numbers(views.std) + "), channels red, green, blue. The paper's evaluation makes the short side " +
      std::to_string((side * 256 + 112) / 224) + " pixels and cuts the middle " + std::to_string(side) + " x " +
      std::to_string(side) +
      " out; its features are the class token of the last block before the final layer norm, those above after it.\n";
  if (model.training) {
    text += training_section(*model.training);
    text += configuration_section(model.config);
  }
  return text;
}

}  // namespace msn
