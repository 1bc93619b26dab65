// The part of LiteRT's C API that is used here, declared as libLiteRt.so of ai-edge-litert
// 2.3.0 exports it on 64-bit Linux: the library comes without headers. A result of type
// int is a status, 0: success.

#pragma once

#include <cstddef>
#include <cstdint>

struct LiteRtEnvironmentT;
struct LiteRtModelT;
struct LiteRtOptionsT;
struct LiteRtOpaqueOptionsT;
struct LiteRtCompiledModelT;
struct LiteRtSubgraphT;
struct LiteRtTensorT;
struct LiteRtTensorBufferT;
struct LiteRtTensorBufferRequirementsT;

struct LiteRtAny {
  int32_t type;
  int64_t int_value;
};
struct LiteRtEnvOption {
  int32_t tag;
  LiteRtAny value;
};
struct LiteRtRankedTensorType {
  int32_t element_type;
  uint32_t rank : 7;
  uint32_t has_strides : 1;
  int32_t dimensions[8];
  uint32_t strides[8];
};
struct LiteRtQuantizationPerTensor {
  float scale;
  int64_t zero_point;
};
static_assert(sizeof(LiteRtEnvOption) == 24 && sizeof(LiteRtRankedTensorType) == 72 &&
              sizeof(LiteRtQuantizationPerTensor) == 16);

extern "C" {
int LiteRtCreateEnvironment(int count, const LiteRtEnvOption*, LiteRtEnvironmentT**);
void LiteRtDestroyEnvironment(LiteRtEnvironmentT*);
int LiteRtCreateModelFromBuffer(LiteRtEnvironmentT*, const void*, size_t,
                                LiteRtModelT**);
void LiteRtDestroyModel(LiteRtModelT*);
int LiteRtGetMainModelSubgraphIndex(LiteRtModelT*, size_t*);
int LiteRtGetModelSubgraph(LiteRtModelT*, size_t, LiteRtSubgraphT**);
int LiteRtGetNumSubgraphInputs(LiteRtSubgraphT*, size_t*);
int LiteRtGetNumSubgraphOutputs(LiteRtSubgraphT*, size_t*);
int LiteRtGetSubgraphInput(LiteRtSubgraphT*, size_t, LiteRtTensorT**);
int LiteRtGetSubgraphOutput(LiteRtSubgraphT*, size_t, LiteRtTensorT**);
int LiteRtGetRankedTensorType(LiteRtTensorT*, LiteRtRankedTensorType*);
int LiteRtGetQuantizationTypeId(LiteRtTensorT*, int*);
int LiteRtGetPerTensorQuantization(LiteRtTensorT*, LiteRtQuantizationPerTensor*);
int LiteRtCreateOptions(LiteRtOptionsT**);
void LiteRtDestroyOptions(LiteRtOptionsT*);
int LiteRtSetOptionsHardwareAccelerators(LiteRtOptionsT*, int);
int LiteRtCreateOpaqueOptions(const char*, void*, void (*)(void*),
                              LiteRtOpaqueOptionsT**);
void LiteRtDestroyOpaqueOptions(LiteRtOpaqueOptionsT*);
int LiteRtAddOpaqueOptions(LiteRtOptionsT*, LiteRtOpaqueOptionsT*);
int LiteRtCreateCompiledModel(LiteRtEnvironmentT*, LiteRtModelT*, LiteRtOptionsT*,
                              LiteRtCompiledModelT**);
void LiteRtDestroyCompiledModel(LiteRtCompiledModelT*);
int LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModelT*, size_t, size_t,
                                                  LiteRtTensorBufferRequirementsT**);
int LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModelT*, size_t,
                                                   size_t,
                                                   LiteRtTensorBufferRequirementsT**);
int LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironmentT*,
                                                    const LiteRtRankedTensorType*,
                                                    LiteRtTensorBufferRequirementsT*,
                                                    LiteRtTensorBufferT**);
void LiteRtDestroyTensorBuffer(LiteRtTensorBufferT*);
int LiteRtLockTensorBuffer(LiteRtTensorBufferT*, void**, int mode);
int LiteRtUnlockTensorBuffer(LiteRtTensorBufferT*);
int LiteRtRunCompiledModel(LiteRtCompiledModelT*, size_t, size_t, LiteRtTensorBufferT**,
                           size_t, LiteRtTensorBufferT**);
}
