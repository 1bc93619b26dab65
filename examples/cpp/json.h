// Parses and writes JSON.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace corallite {

// A JSON value; throws std::out_of_range if it has another type than is asked for.
struct Json {
  enum class Kind { kNull, kBool, kNumber, kText, kList, kObject };

  const Json& operator[](std::string_view name) const {
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return items[i];
    }
    static const Json null;
    return null;
  }
  double as_number() const {
    require(Kind::kNumber);
    return number;
  }
  const std::string& as_text() const {
    require(Kind::kText);
    return text;
  }
  const std::vector<Json>& as_list() const {
    require(Kind::kList);
    return items;
  }
  bool is_null() const { return kind == Kind::kNull; }

  Kind kind = Kind::kNull;
  double number = 0;
  std::string text;
  std::vector<Json> items;         // of a list or an object
  std::vector<std::string> names;  // of an object's items

 private:
  void require(Kind wanted) const {
    if (kind != wanted) throw std::out_of_range("type");
  }
};

class JsonParser {
 public:
  explicit JsonParser(const std::string& text) : text_(text) {}

  Json parse() {
    Json value = parse_value(0);
    if (peek() != '\0') fail();
    return value;
  }

 private:
  static constexpr int kMostDepth = 32;

  [[noreturn]] static void fail() { throw std::out_of_range("JSON"); }

  char peek() {
    at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool skip(char wanted) {
    const bool found = peek() == wanted;
    at_ += found;
    return found;
  }
  void expect(std::string_view wanted) {
    if (text_.compare(at_, wanted.size(), wanted) != 0) fail();
    at_ += wanted.size();
  }

  Json parse_value(int depth) {
    if (depth > kMostDepth) fail();
    Json value;
    switch (peek()) {
      case '{':
        return parse_items(Json::Kind::kObject, '}', depth);
      case '[':
        return parse_items(Json::Kind::kList, ']', depth);
      case '"':
        value.kind = Json::Kind::kText;
        value.text = parse_text();
        return value;
      case 'n':
        expect("null");
        return value;
      case 't':
        expect("true");
        break;
      case 'f':
        expect("false");
        break;
      default:
        return parse_number();
    }
    value.kind = Json::Kind::kBool;
    return value;
  }

  Json parse_items(Json::Kind kind, char end, int depth) {
    Json value;
    value.kind = kind;
    ++at_;
    if (skip(end)) return value;
    do {
      if (kind == Json::Kind::kObject) {
        if (peek() != '"') fail();
        value.names.push_back(parse_text());
        if (!skip(':')) fail();
      }
      value.items.push_back(parse_value(depth + 1));
    } while (skip(','));
    if (!skip(end)) fail();
    return value;
  }

  Json parse_number() {
    Json value;
    value.kind = Json::Kind::kNumber;
    const char* start = text_.c_str() + at_;
    char* end = nullptr;
    value.number = std::strtod(start, &end);
    if (end == start || !std::isfinite(value.number)) fail();
    at_ += static_cast<size_t>(end - start);
    return value;
  }

  std::string parse_text() {
    std::string text;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') {
        text += text_[at_];
        continue;
      }
      const char escaped = ++at_ < text_.size() ? text_[at_] : '\0';
      constexpr std::string_view kNames = "\"\\/bfnrt", kCharacters = "\"\\/\b\f\n\r\t";
      if (escaped == 'u') {
        append_utf8(parse_code(), text);
      } else if (const size_t i = kNames.find(escaped); i != kNames.npos) {
        text += kCharacters[i];
      } else {
        fail();
      }
    }
    if (at_ >= text_.size()) fail();
    ++at_;
    return text;
  }

  // Reads the digits of \uXXXX, or of a surrogate pair, and stops on the last one.
  uint32_t parse_code() {
    const uint32_t first = parse_hex();
    if (first < 0xD800 || first >= 0xDC00) return first;
    if (text_.compare(at_ + 1, 2, "\\u") != 0) fail();
    at_ += 2;
    return 0x10000 + ((first - 0xD800) << 10) + (parse_hex() - 0xDC00);
  }
  uint32_t parse_hex() {
    const std::string digits = text_.substr(std::min(at_ + 1, text_.size()), 4);
    if (digits.size() < 4 ||
        digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos) {
      fail();
    }
    at_ += 4;
    return static_cast<uint32_t>(std::stoul(digits, nullptr, 16));
  }

  static void append_utf8(uint32_t code, std::string& text) {
    if (code < 0x80) {
      text += static_cast<char>(code);
      return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    text += static_cast<char>((0xFF00 >> (more + 1) & 0xFF) | code >> (6 * more));
    for (int i = more - 1; i >= 0; --i) {
      text += static_cast<char>(0x80 | (code >> (6 * i) & 0x3F));
    }
  }

  const std::string& text_;
  size_t at_ = 0;
};

// Returns the length of the UTF-8 character at `at`; 0 if there is none.
inline size_t count_utf8(const std::string& text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  const size_t length = first < 0x80                     ? 1
                        : first >= 0xC2 && first < 0xE0  ? 2
                        : first >= 0xE0 && first < 0xF0  ? 3
                        : first >= 0xF0 && first <= 0xF4 ? 4
                                                         : 0;
  if (length > text.size() - at) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<uint8_t>(text[at + i]) & 0xC0) != 0x80) return 0;
  }
  return length;
}

// Returns `text` in quotes for JSON; a byte that is not UTF-8 becomes \udcXX.
inline std::string quote(const std::string& text) {
  std::string quoted = "\"";
  for (size_t at = 0; at < text.size();) {
    const size_t length = count_utf8(text, at);
    const auto byte = static_cast<uint8_t>(text[at]);
    if (length == 0 || byte < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x",
                    length == 0 ? 0xDC00U + byte : byte);
      quoted += escaped.data();
    } else {
      if (byte == '"' || byte == '\\') quoted += '\\';
      quoted += text.substr(at, length);
    }
    at += std::max<size_t>(1, length);
  }
  return quoted + '"';
}

}  // namespace corallite
