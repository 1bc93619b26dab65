// An example: classifies images with TensorFlow Lite Micro (TFLM).
//
// Compile it and model_data.cc as C++17, and link the TFLM library of your platform.
// On a PC, it reads raw images from stdin, kImageBytes each, and prints two lines for
// each. A port changes the two functions that are marked PORT, and on some platforms
// where the arena lies. It keeps the model in flash: kModelData is const.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "model_data.h"
#include "op_resolver.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

using corallite::kLabelCount;

// PORT: put it into the fastest RAM that is large enough.
alignas(16) uint8_t arena[corallite::kArenaBytes];

struct Result {
  int label;          // Of the most probable class.
  float probability;  // 0 to 1.
  bool is_known;      // False: the image counts as unknown.
};

// PORT: fill `pixels` with the next image, and return false if there is none. Scale a
// camera's frame to kImageWidth x kImageHeight as the comment in model_data.h says.
bool ReadImage(uint8_t* pixels) {
  return std::fread(pixels, 1, corallite::kImageBytes, stdin) ==
         corallite::kImageBytes;
}

int ScoreAt(const TfLiteTensor& scores, int label) {
  return scores.type == kTfLiteInt8 ? scores.data.int8[label]
                                    : scores.data.uint8[label];
}

// PORT: light a LED, send a message.
void Report(const TfLiteTensor& scores, const Result& result) {
  std::printf("scores");
  for (int i = 0; i < kLabelCount; ++i) std::printf(" %d", ScoreAt(scores, i));
  // Without %f, which many small C libraries lack.
  std::printf("\nlabel %d %% %s\n",
              static_cast<int>(100 * result.probability + 0.5f),
              result.is_known ? corallite::kLabels[result.label] : "unknown");
}

// Quantizes in place: the image is read into the input tensor, which saves a buffer.
void Encode(uint8_t* pixels) {
  for (std::size_t i = 0; i < corallite::kImageBytes; ++i) {
    pixels[i] = static_cast<uint8_t>(pixels[i] - corallite::kPixelOffset);
  }
}

Result Choose(const TfLiteTensor& scores) {
  float values[kLabelCount];
  int best = 0;
  for (int i = 0; i < kLabelCount; ++i) {
    values[i] = scores.params.scale *
                static_cast<float>(ScoreAt(scores, i) - scores.params.zero_point);
    if (values[i] > values[best]) best = i;
  }
  float probability = values[best];
  if (corallite::kTemperature != 1.0f && probability > 0.0f) {
    // Relative to the largest, whose power is 1.
    float total = 0.0f;
    for (float value : values) {
      const float relative = value > 0.0f ? value / values[best] : 0.0f;
      total += std::pow(relative, 1.0f / corallite::kTemperature);
    }
    probability = 1.0f / total;
  }
  return {best, probability, probability >= corallite::kThresholds[best]};
}

}  // namespace

int main() {
  tflite::InitializeTarget();
  const tflite::Model* model = tflite::GetModel(corallite::kModelData);
  if (model->version() != TFLITE_SCHEMA_VERSION) {
    MicroPrintf("The model has another schema than TFLM.");
    return 1;
  }
  static corallite::OpResolver resolver;
  if (corallite::AddOperators(resolver) != kTfLiteOk) return 1;
  tflite::MicroInterpreter interpreter(model, resolver, arena, sizeof(arena));
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    MicroPrintf("Raise kArenaBytes, or see the message above.");
    return 1;
  }
  TfLiteTensor* input = interpreter.input(0);
  TfLiteTensor* output = interpreter.output(0);
  while (ReadImage(input->data.uint8)) {
    Encode(input->data.uint8);
    if (interpreter.Invoke() != kTfLiteOk) return 1;
    Report(*output, Choose(*output));
  }
  return 0;
}
