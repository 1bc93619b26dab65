// Reads the manifest of a model: JSON in the zip archive at the end of its file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "file.h"
#include "json.h"

namespace corallite {

// Returns a stored file of the archive at the end of `content`; "" if there is none.
inline std::string read_archived(const Bytes& content, std::string_view name) {
  constexpr uint32_t kEnd = 0x06054b50, kEntry = 0x02014b50;
  constexpr size_t kEndSize = 22, kMostComment = 65535;
  const Reader reader(content);
  size_t end = reader.size() < kEndSize ? 0 : reader.size() - kEndSize;
  const size_t least = end > kMostComment ? end - kMostComment : 0;
  while (end > least && reader.little(end, 4) != kEnd) --end;
  if (end == least) return "";
  size_t entry = reader.little(end + 16, 4);
  for (uint32_t left = reader.little(end + 10, 2); left > 0; --left) {
    if (reader.little(entry, 4) != kEntry) throw std::out_of_range("entry");
    const size_t name_size = reader.little(entry + 28, 2);
    if (reader.text(entry + 46, name_size) == name) {
      if (reader.little(entry + 10, 2) != 0) throw std::out_of_range("compressed");
      const size_t local = reader.little(entry + 42, 4);
      const size_t start = local + 30 + reader.little(local + 26, 2) +
                           reader.little(local + 28, 2);
      return reader.text(start, reader.little(entry + 24, 4));
    }
    entry += 46 + name_size + reader.little(entry + 30, 2) + reader.little(entry + 32, 2);
  }
  return "";
}

// How to prepare an image for a model, and what its numbers mean.
struct Manifest {
  int height = 0, width = 0;
  std::string fit;                // "crop", "pad" or "stretch"
  double low = 0, high = 1;       // input values of pixels 0 and 255
  std::vector<std::string> labels;
  std::vector<float> thresholds;  // least probability of each label that is named
  std::string values;             // "probabilities", "logits", ...
  float temperature = 1;
};

// Returns a number of the manifest; throws std::out_of_range if it is not in a range.
inline double parse_number(const Json& json, double least, double most) {
  const double number = json.as_number();
  if (!(number >= least && number <= most)) throw std::out_of_range("number");
  return number;
}

inline Manifest parse_manifest(const std::string& text) {
  const Json json = JsonParser(text).parse();
  if (json["format"].as_number() != 2) throw std::out_of_range("format");
  const Json& image = json["inputs"].as_list().at(0);
  const Json& classes = json["outputs"].as_list().at(0);
  const Json& refusal = classes["refusal"];
  const Json& size_hw = image["preprocessing"]["size_hw"];
  Manifest found;
  constexpr double kMostPixels = 1 << 14, kMostValue = 1e9;
  found.height = static_cast<int>(parse_number(size_hw.as_list().at(0), 1, kMostPixels));
  found.width = static_cast<int>(parse_number(size_hw.as_list().at(1), 1, kMostPixels));
  found.fit = image["preprocessing"]["fit"].as_text();
  const Json& range = image["input_range"];
  found.low = parse_number(range.as_list().at(0), -kMostValue, kMostValue);
  found.high = parse_number(range.as_list().at(1), -kMostValue, kMostValue);
  found.values = classes["values"].as_text();
  if (!refusal.is_null()) {
    found.temperature =
        static_cast<float>(parse_number(refusal["temperature"], 0.01, 100));
  }
  for (const Json& label : classes["labels"].as_list()) {
    found.labels.push_back(label.as_text());
    double threshold = 0;
    if (!refusal.is_null()) {
      const Json& own = refusal["thresholds"][label.as_text()];
      threshold = parse_number(own.is_null() ? refusal["threshold"] : own, 0, 1);
      // The class of photos that show none of the others is never named.
      if (label.as_text() == refusal["background"].as_text()) {
        threshold = std::numeric_limits<double>::infinity();
      }
    }
    found.thresholds.push_back(static_cast<float>(threshold));
  }
  return found;
}

inline Manifest read_manifest(const Bytes& content, const std::string& path) {
  try {
    const std::string text = read_archived(content, "corallite.json");
    if (!text.empty()) return parse_manifest(text);
  } catch (const std::out_of_range&) {
    throw RequestError(path + ": its manifest is damaged or of another format; " +
                       "convert the model again.");
  }
  throw RequestError(path + ": has no manifest; make it with corallite convert.");
}

}  // namespace corallite
