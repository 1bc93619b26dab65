// Reads files, and numbers and text in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace corallite {

using Bytes = std::vector<uint8_t>;

// An error that the user can fix: what failed, why, and what to do, in one sentence.
struct RequestError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline Bytes read_file(const std::string& path, size_t most_bytes) {
  std::error_code error;
  // Reading a pipe or a device may never end.
  if (!std::filesystem::is_regular_file(path, error)) {
    throw RequestError(path + ": is not a file; check its name.");
  }
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size > most_bytes) {
    throw RequestError(path + ": is larger than " + std::to_string(most_bytes >> 20) +
                       " MiB; give a smaller file.");
  }
  std::ifstream file(path, std::ios::binary);
  Bytes content(error ? 0 : size);
  if (!file.read(reinterpret_cast<char*>(content.data()),
                 static_cast<std::streamsize>(content.size()))) {
    throw RequestError(path + ": cannot be read; check its permissions.");
  }
  return content;
}


// Reads numbers of any byte order; throws if they lie beyond the end.
class Reader {
 public:
  explicit Reader(const Bytes& bytes) : bytes_(bytes) {}

  uint32_t little(size_t at, size_t size) const {
    uint32_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | byte(at + i);
    return value;
  }
  uint32_t big(size_t at, size_t size) const {
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) value = value << 8 | byte(at + i);
    return value;
  }
  std::string text(size_t at, size_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) throw std::out_of_range("end");
    return {bytes_.begin() + static_cast<ptrdiff_t>(at),
            bytes_.begin() + static_cast<ptrdiff_t>(at + size)};
  }
  size_t size() const { return bytes_.size(); }

 private:
  uint8_t byte(size_t at) const { return bytes_.at(at); }

  const Bytes& bytes_;
};

}  // namespace corallite
