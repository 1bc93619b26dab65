// Classifies images with a model of `corallite convert`, through LiteRT's C API.
//
//   ./classify [--threads=N] [--repeat=N] [--scores] [--raw] MODEL.tflite IMAGE...
//
// Writes one line of JSON for each image: source, label, probability, latency_ms. The
// label is "unknown" if the model is not sure enough. Labels and preprocessing are read
// from the model file, so that predictions are those of `corallite classify`. An image
// that cannot be read is reported in one line, and the exit status is 2.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#ifdef WITH_OPENCV
#include <opencv2/core/utils/logger.hpp>
#endif

#include "classifier.h"
#include "file.h"
#include "image.h"
#include "json.h"

namespace {

using corallite::Classifier;
using corallite::Image;
using corallite::Prediction;
using corallite::RequestError;
using corallite::quote;

struct Arguments {
  int threads = 1, repeat = 1;
  bool is_raw = false, has_scores = false;
  std::vector<std::string> paths;  // the model, then images
};

int parse_count(const std::string& flag, int most) {
  const std::string digits = flag.substr(flag.find('=') + 1);
  const bool is_number = !digits.empty() && digits.size() < 9 &&
                         digits.find_first_not_of("0123456789") == digits.npos;
  const int count = is_number ? std::stoi(digits) : 0;
  if (count < 1 || count > most) {
    throw RequestError(flag + ": is not from 1 to " + std::to_string(most) + ".");
  }
  return count;
}

Arguments parse_arguments(const std::vector<std::string>& given) {
  Arguments found;
  for (const std::string& argument : given) {
    if (argument.rfind("--threads=", 0) == 0) {
      found.threads = parse_count(argument, 256);
    } else if (argument.rfind("--repeat=", 0) == 0) {
      found.repeat = parse_count(argument, 10'000'000);
    } else if (argument == "--raw") {
      found.is_raw = true;
    } else if (argument == "--scores") {
      found.has_scores = true;
    } else if (argument.rfind("--", 0) == 0) {
      throw RequestError(argument + ": is not a flag of this program.");
    } else {
      found.paths.push_back(argument);
    }
  }
  if (found.paths.size() < 2) {
    throw RequestError("Give a model and images: classify [--threads=N] [--repeat=N] "
                       "[--scores] [--raw] MODEL.tflite IMAGE...");
  }
  return found;
}

std::string format_number(const char* format, double number) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), format, number);
  return text.data();
}

std::string to_json(const std::string& source, const Prediction& found,
                    bool has_scores) {
  std::string line = "{\"source\": " + quote(source) + ", \"label\": " +
                     quote(found.label) + ", \"probability\": " +
                     format_number("%.6f", found.probability) + ", \"latency_ms\": " +
                     format_number("%.3f", found.latency_ms);
  if (has_scores) {
    line += ", \"scores\": [";
    for (size_t i = 0; i < found.scores.size(); ++i) {
      line += (i == 0 ? "" : ", ") + format_number("%.9g", found.scores[i]);
    }
    line += ']';
  }
  return line + '}';
}

// Classifies an image `repeat` times; the latency is the median.
Prediction classify(Classifier& classifier, Image& image, int repeat) {
  std::vector<double> latencies_ms(static_cast<size_t>(repeat));
  Prediction found;
  for (double& latency_ms : latencies_ms) {
    found = classifier.classify(image);
    latency_ms = found.latency_ms;
  }
  const auto middle = latencies_ms.begin() + repeat / 2;
  std::nth_element(latencies_ms.begin(), middle, latencies_ms.end());
  found.latency_ms = *middle;
  return found;
}

void report(const std::exception& error) {
  std::cerr << "classify: " << error.what() << '\n';
}

// Classifies all images; returns the exit status.
int run(const Arguments& arguments) {
  constexpr int kDone = 0, kBadRequest = 2;
  Classifier classifier(arguments.paths[0], arguments.threads);
  int status = kDone;
  for (size_t i = 1; i < arguments.paths.size(); ++i) {
    const std::string& path = arguments.paths[i];
    try {
      Image image(path, arguments.is_raw, classifier.manifest());
      const Prediction found = classify(classifier, image, arguments.repeat);
      std::cout << to_json(path, found, arguments.has_scores) << std::endl;
    } catch (const RequestError& error) {
      report(error);
      status = kBadRequest;
    }
  }
  if (!std::cout) throw RequestError("stdout: cannot be written; is the disk full?");
  return status;
}

}  // namespace

int main(int count, char** arguments) {
#ifdef WITH_OPENCV
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
#endif
  try {
    return run(parse_arguments({arguments + 1, arguments + count}));
  } catch (const std::bad_alloc&) {
    std::cerr << "classify: there is not enough memory; give a smaller model or image.\n";
  } catch (const std::exception& error) {
    report(error);
  }
  return 2;
}
