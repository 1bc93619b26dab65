// Reads an image and fits it to a model's input, as device/image/preprocess.py does.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#ifdef WITH_OPENCV
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#endif

#include "file.h"
#include "manifest.h"

namespace corallite {

#ifdef WITH_OPENCV

// Larger images are reduced while they are decoded, as in training.
constexpr uint64_t kWholePixels = 4'200'000, kMostPixels = uint64_t{1} << 27;

inline uint64_t count_pixels_of_png(const Reader& reader) {
  size_t at = 8;
  while (reader.text(at + 4, 4) != "IEND") at += 12 + size_t{reader.big(at, 4)};
  reader.big(at + 8, 4);
  return uint64_t{reader.big(16, 4)} * reader.big(20, 4);
}

inline uint64_t count_pixels_of_jpeg(const Reader& reader) {
  uint64_t pixels = 0;
  for (size_t at = 2;;) {
    const uint32_t marker = reader.big(at, 2);
    const uint32_t kind = marker & 0xFF;
    // Stuffed bytes, restarts and fill bytes are inside the pixels.
    if (marker <= 0xFF01 || kind == 0xFF || (kind >= 0xD0 && kind <= 0xD7)) {
      ++at;
      continue;
    }
    if (kind == 0xD9) return pixels;
    const bool is_frame =
        kind >= 0xC0 && kind <= 0xCF && kind != 0xC4 && kind != 0xC8 && kind != 0xCC;
    if (is_frame && pixels == 0) {
      pixels = uint64_t{reader.big(at + 5, 2)} * reader.big(at + 7, 2);
    }
    at += 2 + (kind == 0xD8 ? 0 : std::max(2U, reader.big(at + 2, 2)));
  }
}

inline uint64_t count_pixels_of_pnm(const Reader& reader) {
  std::istringstream header(reader.text(0, std::min<size_t>(reader.size(), 64)));
  std::string kind;
  uint32_t width = 0, height = 0;
  header >> kind >> width >> height;
  return header ? uint64_t{width} * height : 0;
}

// Returns the number of pixels of a complete image; 0 for other files.
// Throws std::out_of_range if it is truncated.
inline uint64_t count_pixels(const Bytes& content) {
  const Reader reader(content);
  if (reader.text(0, 3) == "\xFF\xD8\xFF") return count_pixels_of_jpeg(reader);
  if (reader.text(0, 4) == "\x89PNG") return count_pixels_of_png(reader);
  const std::string kind = reader.text(0, 2);
  return kind == "P5" || kind == "P6" ? count_pixels_of_pnm(reader) : 0;
}

inline cv::Mat decode_image(const Bytes& content, const std::string& path) {
  try {
    const uint64_t pixels = count_pixels(content);
    if (pixels > kMostPixels) {
      throw RequestError(path + ": has more than 134 megapixels; shrink it.");
    }
    const int flags = pixels <= kWholePixels        ? cv::IMREAD_COLOR
                      : pixels <= 4 * kWholePixels  ? cv::IMREAD_REDUCED_COLOR_2
                      : pixels <= 16 * kWholePixels ? cv::IMREAD_REDUCED_COLOR_4
                                                    : cv::IMREAD_REDUCED_COLOR_8;
    cv::Mat image = pixels == 0 ? cv::Mat() : cv::imdecode(content, flags);
    if (!image.empty()) {
      cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
      return image;
    }
  } catch (const std::out_of_range&) {
  } catch (const cv::Exception&) {
  }
  throw RequestError(path + ": is damaged, truncated, or not a JPEG, PNG, PGM or PPM; " +
                     "copy it again, or convert it.");
}

// Returns length * numerator / denominator, rounded, at least 1.
inline int scale(int length, int numerator, int denominator) {
  const int64_t twice = 2 * int64_t{length} * numerator;
  return static_cast<int>(
      std::max<int64_t>(1, (twice + denominator) / (2 * int64_t{denominator})));
}

inline cv::Mat resize(cv::Mat image, int height, int width) {
  // INTER_AREA averages only if both axes shrink; so enlarging is a second step.
  if (image.rows > height || image.cols > width) {
    const cv::Size shrunk(std::min(image.cols, width), std::min(image.rows, height));
    cv::Mat result;
    cv::resize(image, result, shrunk, 0, 0, cv::INTER_AREA);
    image = result;
  }
  if (image.rows != height || image.cols != width) {
    cv::Mat result;
    cv::resize(image, result, cv::Size(width, height), 0, 0, cv::INTER_LINEAR);
    image = result;
  }
  return image.isContinuous() ? image : image.clone();
}

inline cv::Mat fit_image(const cv::Mat& image, const Manifest& manifest) {
  const int height = manifest.height, width = manifest.width;
  const int rows = image.rows, columns = image.cols;
  const bool is_wider = int64_t{columns} * height > int64_t{rows} * width;
  if (manifest.fit == "crop") {
    const int kept_rows = is_wider ? rows : scale(columns, height, width);
    const int kept_columns = is_wider ? scale(rows, width, height) : columns;
    const cv::Rect centre((columns - kept_columns) / 2, (rows - kept_rows) / 2,
                          kept_columns, kept_rows);
    return resize(image(centre), height, width);
  }
  if (manifest.fit == "pad") {
    const int inner_height = is_wider ? scale(width, rows, columns) : height;
    const int inner_width = is_wider ? width : scale(height, columns, rows);
    cv::Mat padded = cv::Mat::zeros(height, width, CV_8UC3);
    const cv::Rect centre((width - inner_width) / 2, (height - inner_height) / 2,
                          inner_width, inner_height);
    resize(image, inner_height, inner_width).copyTo(padded(centre));
    return padded;
  }
  return resize(image, height, width);
}

#endif  // WITH_OPENCV

// An image of any size, or pixels that fit already.
class Image {
 public:
  // Reads a JPEG, PNG, PGM or PPM; or the pixels themselves, RGB, a byte each, row by row.
  Image(const std::string& path, bool is_raw, const Manifest& manifest) {
    constexpr size_t kMostBytes = 170'000'000;
    Bytes content = read_file(path, kMostBytes);
    const size_t size = size_t{3} * manifest.height * manifest.width;
    if (is_raw && content.size() != size) {
      throw RequestError(path + ": has " + std::to_string(content.size()) +
                         " bytes, but the model takes " + std::to_string(size) + " (" +
                         std::to_string(manifest.height) + " rows of " +
                         std::to_string(manifest.width) + " RGB pixels); resize it.");
    }
    if (is_raw) {
      fitted_ = std::move(content);
      return;
    }
#ifdef WITH_OPENCV
    decoded_ = decode_image(content, path);
#else
    throw RequestError(path + ": cannot be decoded, because this program was built "
                       "without OpenCV; install libopencv-dev and build it again, or "
                       "give pixels with --raw.");
#endif
  }

  // Returns the pixels in the size of the model's input; they stay in this object.
  const uint8_t* fit([[maybe_unused]] const Manifest& manifest) {
#ifdef WITH_OPENCV
    if (!decoded_.empty()) {
      resized_ = fit_image(decoded_, manifest);
      return resized_.data;
    }
#endif
    return fitted_.data();
  }

 private:
  Bytes fitted_;
#ifdef WITH_OPENCV
  cv::Mat decoded_, resized_;
#endif
};

}  // namespace corallite
