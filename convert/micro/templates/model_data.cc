// $title
// Made by `corallite convert --to=micro`; do not edit.
#include "model_data.h"

namespace corallite {

const char* const kLabels[kLabelCount] = {
$labels
};

const float kThresholds[kLabelCount] = {
$thresholds
};

alignas(16) const unsigned char kModelData[] = {
$bytes
};
static_assert(sizeof(kModelData) == kModelBytes, "model_data.h is of another model");

}  // namespace corallite
