// A model on LiteRT: every object of the C API has one owner, every status is checked.

#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "file.h"
#include "litert_c.h"

namespace corallite {

constexpr int kMinLoggerSeverity = 25, kAnyInt = 2, kSilent = 4;
constexpr int kCpu = 1, kLockRead = 0, kLockWrite = 1, kPerTensor = 1;
constexpr int kFloat32 = 1, kUint8 = 3, kInt16 = 7, kInt8 = 9;

template <auto Destroy>
struct Destroyer {
  template <class T>
  void operator()(T* owned) const {
    Destroy(owned);
  }
};

// Owns an object of LiteRT.
template <class T, auto Destroy>
using Handle = std::unique_ptr<T, Destroyer<Destroy>>;

using Environment = Handle<LiteRtEnvironmentT, LiteRtDestroyEnvironment>;
using LoadedModel = Handle<LiteRtModelT, LiteRtDestroyModel>;
using Options = Handle<LiteRtOptionsT, LiteRtDestroyOptions>;
using OpaqueOptions = Handle<LiteRtOpaqueOptionsT, LiteRtDestroyOpaqueOptions>;
using CompiledModel = Handle<LiteRtCompiledModelT, LiteRtDestroyCompiledModel>;
using TensorBuffer = Handle<LiteRtTensorBufferT, LiteRtDestroyTensorBuffer>;

// Returns what a status of LiteRT means.
inline std::string explain(int status) {
  switch (status) {
    case 2:
      return "not enough memory";
    case 3:
      return "LiteRT cannot prepare or run it";
    case 5:
      return "not supported by this libLiteRt.so";
    case 8:
      return "made for another version of LiteRT";
    case 501:
      return "the file is damaged";
    case 504:
      return "it has an operator that this libLiteRt.so lacks";
    default:
      return "status " + std::to_string(status) + " of LiteRT";
  }
}

// Throws unless a call of LiteRT succeeded.
inline void check(int status, const std::string& path) {
  if (status != 0) {
    throw RequestError(path + ": cannot be run (" + explain(status) +
                       "); copy or convert it again, or update libLiteRt.so.");
  }
}

// An input or output of a model.
struct Tensor {
  int type = 0;
  std::vector<int> shape;
  float scale = 0;  // 0: not quantized
  int64_t zero_point = 0;
  LiteRtRankedTensorType ranked{};

  size_t count() const {
    return std::accumulate(shape.begin(), shape.end(), size_t{1}, std::multiplies<>());
  }
  size_t element_size() const {
    return type == kFloat32 ? 4 : type == kInt16 ? 2 : 1;
  }
};

// Keeps a buffer's memory mapped, to write or to read it.
class Lock {
 public:
  Lock(LiteRtTensorBufferT* buffer, int mode, const std::string& path)
      : buffer_(buffer) {
    check(LiteRtLockTensorBuffer(buffer, &memory_, mode), path);
  }
  ~Lock() { LiteRtUnlockTensorBuffer(buffer_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  uint8_t* bytes() const { return static_cast<uint8_t*>(memory_); }

 private:
  LiteRtTensorBufferT* buffer_;
  void* memory_ = nullptr;
};

// Discards what is written to stderr: LiteRT tells there which kernels it uses.
class Silence {
 public:
  Silence() : shown_(dup(STDERR_FILENO)), discarded_(open("/dev/null", O_WRONLY)) {
    if (shown_ >= 0 && discarded_ >= 0) dup2(discarded_, STDERR_FILENO);
  }
  ~Silence() {
    if (shown_ >= 0) dup2(shown_, STDERR_FILENO);
    if (shown_ >= 0) close(shown_);
    if (discarded_ >= 0) close(discarded_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  int shown_, discarded_;
};

// A model file, compiled for the CPU (with XNNPACK, LiteRT's default).
class Model {
 public:
  Model(Bytes content, std::string path, int threads)
      : path_(std::move(path)),
        content_(std::move(content)),
        cpu_toml_("num_threads = " + std::to_string(threads)) {
    const Silence silence;
    const LiteRtEnvOption quiet{kMinLoggerSeverity, {kAnyInt, kSilent}};
    make(environment_, [&](auto** made) {
      return LiteRtCreateEnvironment(1, &quiet, made);
    });
    make(model_, [&](auto** made) {
      return LiteRtCreateModelFromBuffer(environment_.get(), content_.data(),
                                         content_.size(), made);
    });
    find_tensors();
    const Options options = make_options();
    make(compiled_, [&](auto** made) {
      return LiteRtCreateCompiledModel(environment_.get(), model_.get(), options.get(),
                                       made);
    });
    input_buffer_ = make_buffer(input_, LiteRtGetCompiledModelInputBufferRequirements);
    output_buffer_ =
        make_buffer(output_, LiteRtGetCompiledModelOutputBufferRequirements);
  }

  const Tensor& input() const { return input_; }
  const Tensor& output() const { return output_; }

  // Calls `fill` with the input's memory, runs the model, and calls `take` with the
  // output's.
  template <class Fill, class Take>
  void run(Fill fill, Take take) {
    LiteRtTensorBufferT* inputs[] = {input_buffer_.get()};
    LiteRtTensorBufferT* outputs[] = {output_buffer_.get()};
    fill(Lock(inputs[0], kLockWrite, path_).bytes());
    check(LiteRtRunCompiledModel(compiled_.get(), 0, 1, inputs, 1, outputs), path_);
    take(Lock(outputs[0], kLockRead, path_).bytes());
  }

 private:
  // Lets `create` write a pointer, and takes it over.
  template <class T, auto Destroy, class Create>
  void make(Handle<T, Destroy>& handle, Create create) const {
    T* made = nullptr;
    check(create(&made), path_);
    handle.reset(made);
  }

  void find_tensors() {
    size_t main = 0, inputs = 0, outputs = 0;
    LiteRtSubgraphT* graph = nullptr;
    LiteRtTensorT *input = nullptr, *output = nullptr;
    check(LiteRtGetMainModelSubgraphIndex(model_.get(), &main), path_);
    check(LiteRtGetModelSubgraph(model_.get(), main, &graph), path_);
    check(LiteRtGetNumSubgraphInputs(graph, &inputs), path_);
    check(LiteRtGetNumSubgraphOutputs(graph, &outputs), path_);
    if (inputs != 1 || outputs != 1) {
      throw RequestError(path_ + ": has several inputs or outputs; give a classifier.");
    }
    check(LiteRtGetSubgraphInput(graph, 0, &input), path_);
    check(LiteRtGetSubgraphOutput(graph, 0, &output), path_);
    input_ = describe(input);
    output_ = describe(output);
  }

  Tensor describe(LiteRtTensorT* tensor) const {
    Tensor found;
    check(LiteRtGetRankedTensorType(tensor, &found.ranked), path_);
    found.type = found.ranked.element_type;
    const int32_t* sizes = found.ranked.dimensions;
    found.shape.assign(sizes, sizes + std::min(found.ranked.rank, 8U));
    int quantization = 0;
    check(LiteRtGetQuantizationTypeId(tensor, &quantization), path_);
    if (quantization == kPerTensor) {
      LiteRtQuantizationPerTensor numbers{};
      check(LiteRtGetPerTensorQuantization(tensor, &numbers), path_);
      found.scale = numbers.scale;
      found.zero_point = numbers.zero_point;
    }
    const auto types = {kFloat32, kUint8, kInt16, kInt8};
    if (std::count(types.begin(), types.end(), found.type) == 0 ||
        std::any_of(sizes, sizes + found.shape.size(), [](int x) { return x < 1; }) ||
        (found.type != kFloat32 && found.scale == 0)) {
      throw RequestError(path_ + ": its input and output are not of fixed size, and "
                         "float32 or quantized with one scale; convert it again.");
    }
    return found;
  }

  Options make_options() {
    Options options;
    make(options, LiteRtCreateOptions);
    check(LiteRtSetOptionsHardwareAccelerators(options.get(), kCpu), path_);
    OpaqueOptions cpu;
    make(cpu, [&](auto** made) {
      return LiteRtCreateOpaqueOptions(
          "xnnpack", cpu_toml_.data(), [](void*) {}, made);
    });
    check(LiteRtAddOpaqueOptions(options.get(), cpu.get()), path_);
    cpu.release();  // `options` owns it now.
    return options;
  }

  template <class Find>
  TensorBuffer make_buffer(const Tensor& tensor, Find find) const {
    LiteRtTensorBufferRequirementsT* requirements = nullptr;
    check(find(compiled_.get(), 0, 0, &requirements), path_);
    TensorBuffer buffer;
    make(buffer, [&](auto** made) {
      return LiteRtCreateManagedTensorBufferFromRequirements(
          environment_.get(), &tensor.ranked, requirements, made);
    });
    return buffer;
  }

  // In the order of creation: each uses those before it, and is destroyed before them.
  std::string path_;
  Bytes content_;
  std::string cpu_toml_;  // LiteRT's options of the CPU
  Environment environment_;
  LoadedModel model_;
  Tensor input_, output_;
  CompiledModel compiled_;
  TensorBuffer input_buffer_, output_buffer_;
};

}  // namespace corallite
