// The operators of the model; a program links no others.
// Made by `corallite convert --to=micro`; do not edit.
#ifndef CORALLITE_OP_RESOLVER_H_
#define CORALLITE_OP_RESOLVER_H_

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace corallite {

using OpResolver = tflite::MicroMutableOpResolver<$count>;

inline TfLiteStatus AddOperators(OpResolver& resolver) {
$operators
  return kTfLiteOk;
}

}  // namespace corallite

#endif  // CORALLITE_OP_RESOLVER_H_
