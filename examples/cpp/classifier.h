// Turns pixels into a label, as device/engine/pixels.py and heads.py do.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "file.h"
#include "image.h"
#include "manifest.h"
#include "model.h"

namespace corallite {

struct Prediction {
  std::string label;  // "unknown" if the model is not sure enough
  float probability = 0;
  std::vector<float> scores;  // the probability of each label
  double latency_ms = 0;      // of preprocessing and inference
};

class Classifier {
 public:
  Classifier(const std::string& path, int threads)
      : Classifier(path, read_file(path, kMostBytes), threads) {}

  const Manifest& manifest() const { return manifest_; }

  Prediction classify(Image& image) {
    const auto start = std::chrono::steady_clock::now();
    const uint8_t* pixels = image.fit(manifest_);
    Prediction found;
    model_.run([&](uint8_t* input) { encode(pixels, input); },
               [&](const uint8_t* output) { found.scores = decode(output); });
    const auto best = std::max_element(found.scores.begin(), found.scores.end());
    const auto index = static_cast<size_t>(best - found.scores.begin());
    found.probability = *best;
    const bool is_named = found.probability >= manifest_.thresholds[index];
    found.label = is_named ? manifest_.labels[index] : "unknown";
    const std::chrono::duration<double, std::milli> passed =
        std::chrono::steady_clock::now() - start;
    found.latency_ms = passed.count();
    return found;
  }

 private:
  static constexpr size_t kMostBytes = size_t{1} << 30;

  Classifier(const std::string& path, Bytes content, int threads)
      : path_(path),
        manifest_(read_manifest(require_model(content, path), path)),
        model_(std::move(content), path, threads) {
    const Tensor& input = model_.input();
    const std::vector<int> expected{1, manifest_.height, manifest_.width, 3};
    if (input.shape != expected) {
      throw RequestError(path + ": its input is not the RGB image of its manifest; "
                         "convert it again.");
    }
    const size_t labels = manifest_.labels.size(), outputs = model_.output().count();
    is_pair_ = outputs == 1 && labels == 2 &&
               manifest_.values.find("multilabel") == std::string::npos;
    if (labels == 0 || (outputs != labels && !is_pair_)) {
      throw RequestError(path + ": has " + std::to_string(outputs) + " outputs for " +
                         std::to_string(labels) + " labels; convert it again.");
    }
    fill_table();
  }

  static const Bytes& require_model(const Bytes& content, const std::string& path) {
    if (content.size() < 8 || std::memcmp(content.data() + 4, "TFL3", 4) != 0) {
      throw RequestError(path + ": is not a TFLite model; give the file of convert.");
    }
    return content;
  }

  // Computes the bytes of the input's value for each pixel value.
  void fill_table() {
    const Tensor& input = model_.input();
    for (size_t pixel = 0; pixel < table_.size(); ++pixel) {
      const double value =
          manifest_.low + (manifest_.high - manifest_.low) * double(pixel) / 255;
      if (input.type == kFloat32) {
        store(static_cast<float>(value), table_[pixel]);
        continue;
      }
      const double quantized =
          std::nearbyint(value / double(input.scale)) + double(input.zero_point);
      if (input.type == kInt8) {
        store(static_cast<int8_t>(std::clamp(quantized, -128.0, 127.0)), table_[pixel]);
      } else if (input.type == kUint8) {
        store(static_cast<uint8_t>(std::clamp(quantized, 0.0, 255.0)), table_[pixel]);
      } else {
        store(static_cast<int16_t>(std::clamp(quantized, -32768.0, 32767.0)),
              table_[pixel]);
      }
    }
  }

  using Element = std::array<uint8_t, 4>;  // its first bytes are used

  template <class T>
  static void store(T value, Element& element) {
    std::memcpy(element.data(), &value, sizeof value);
  }
  template <class T>
  static T load(const uint8_t* memory, size_t index) {
    T value;
    std::memcpy(&value, memory + index * sizeof value, sizeof value);
    return value;
  }

  void encode(const uint8_t* pixels, uint8_t* input) const {
    const size_t size = model_.input().element_size();
    for (size_t i = 0; i < model_.input().count(); ++i) {
      std::memcpy(input + i * size, table_[pixels[i]].data(), size);
    }
  }

  std::vector<float> decode(const uint8_t* output) const {
    std::vector<float> values;
    for (size_t i = 0; i < model_.output().count(); ++i) {
      values.push_back(read_output(output, i));
    }
    interpret(values);
    if (is_pair_) values.insert(values.begin(), 1 - values[0]);
    calibrate(values);
    if (!std::all_of(values.begin(), values.end(), [](float x) {
          return std::isfinite(x);
        })) {
      throw RequestError(path_ + ": its outputs are not all numbers for this image; "
                         "convert it again.");
    }
    return values;
  }

  float read_output(const uint8_t* memory, size_t index) const {
    const Tensor& output = model_.output();
    if (output.type == kFloat32) return load<float>(memory, index);
    const int64_t value = output.type == kInt8    ? load<int8_t>(memory, index)
                          : output.type == kUint8 ? load<uint8_t>(memory, index)
                                                  : load<int16_t>(memory, index);
    return static_cast<float>(double(value - output.zero_point) * double(output.scale));
  }

  // Turns logits into probabilities.
  void interpret(std::vector<float>& values) const {
    const bool is_softmax = manifest_.values == "logits" && !is_pair_;
    if (is_softmax) {
      const float most = *std::max_element(values.begin(), values.end());
      for (float& value : values) value = std::exp(value - most);
      divide_by_sum(values);
    } else if (manifest_.values == "logits" || manifest_.values == "multilabel_logits") {
      for (float& value : values) value = 0.5F * (1 + std::tanh(0.5F * value));
    }
  }

  // Applies the temperature of the manifest.
  void calibrate(std::vector<float>& values) const {
    if (manifest_.temperature == 1) return;
    const float most = *std::max_element(values.begin(), values.end());
    if (!(most > 0)) return std::fill(values.begin(), values.end(), 0.0F);
    for (float& value : values) {
      value = std::pow(std::max(value / most, 0.0F), 1 / manifest_.temperature);
    }
    divide_by_sum(values);
  }

  static void divide_by_sum(std::vector<float>& values) {
    const float sum = std::accumulate(values.begin(), values.end(), 0.0F);
    for (float& value : values) value /= sum;
  }

  std::string path_;
  Manifest manifest_;
  Model model_;
  bool is_pair_ = false;  // one number, the probability of the second label
  std::array<Element, 256> table_{};
};

}  // namespace corallite
