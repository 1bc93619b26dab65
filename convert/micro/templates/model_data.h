// The model, and what a program needs to know of it.
// $title
// Made by `corallite convert --to=micro`; do not edit.
#ifndef CORALLITE_MODEL_DATA_H_
#define CORALLITE_MODEL_DATA_H_

#include <cstddef>
#include <cstdint>

namespace corallite {

// The content of a `.tflite` file, aligned to 16 bytes. It can stay in flash.
constexpr std::size_t kModelBytes = $model_bytes;
extern const unsigned char kModelData[];

// The arena: RAM of the interpreter, for tensors and what describes them.
// Measured with the reference kernels on a machine of 8-byte pointers:
// $activations bytes for tensors and $structures for descriptions; here a tenth is
// added. With 4-byte pointers the descriptions take less. The kernels of a vendor
// (CMSIS-NN, ESP-NN) take more for scratch buffers: `arena_used_bytes()` tells, after
// `AllocateTensors()`, how many a port needs.
constexpr std::size_t kArenaBytes = $arena_bytes;

// The input: $colours pixels of 0 to 255, row by row from the top left, kImageChannels
// bytes for each. $fit
// The input tensor is $input_type and holds pixel - kPixelOffset.
constexpr int kImageHeight = $height;
constexpr int kImageWidth = $width;
constexpr int kImageChannels = $channels;
constexpr std::size_t kImageBytes = $image_bytes;
constexpr int kPixelOffset = $pixel_offset;

// The output: $output_type, a score for each label. With the output tensor's
// `params`, its probability is scale * (score - zero_point).
constexpr int kLabelCount = $label_count;
extern const char* const kLabels[kLabelCount];

// Probabilities p become p^(1 / kTemperature), divided by their sum; 1: they stay.
// Below its threshold, the most probable label counts as unknown.
constexpr float kTemperature = $temperature;
extern const float kThresholds[kLabelCount];

}  // namespace corallite

#endif  // CORALLITE_MODEL_DATA_H_
