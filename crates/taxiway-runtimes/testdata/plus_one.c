/* An op library: `TaxiwayPlusOne` adds one to every float. Written against the C API for operations and kernels, whose
 * headers come with TensorFlow. The initialiser runs when TF_LoadLibrary opens the file. */

#include <stddef.h>
#include <stdint.h>

/* The headers are meant for C++, which needs no such lines. */
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;
typedef struct TF_ShapeHandle TF_ShapeHandle;
typedef struct TF_DimensionHandle TF_DimensionHandle;
typedef struct TF_KernelBuilder TF_KernelBuilder;
typedef struct TF_OpKernelConstruction TF_OpKernelConstruction;
typedef struct TF_OpKernelContext TF_OpKernelContext;

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_status.h"
#include "tensorflow/c/tf_tensor.h"

static void same_shape(TF_ShapeInferenceContext* context, TF_Status* status) {
  TF_ShapeHandle* shape = TF_NewShapeHandle();
  TF_ShapeInferenceContextGetInput(context, 0, shape, status);
  if (TF_GetCode(status) == TF_OK) TF_ShapeInferenceContextSetOutput(context, 0, shape, status);
  TF_DeleteShapeHandle(shape);
}

static void compute(void* kernel, TF_OpKernelContext* context) {
  (void)kernel;
  TF_Status* status = TF_NewStatus();
  TF_Tensor* input = NULL;
  TF_GetInput(context, 0, &input, status);
  int64_t extents[8] = {0};
  int rank = TF_NumDims(input);
  for (int i = 0; i < rank && i < 8; i++) extents[i] = TF_Dim(input, i);
  size_t bytes = TF_TensorByteSize(input);
  TF_Tensor* output = TF_AllocateOutput(context, 0, TF_FLOAT, extents, rank, bytes, status);
  if (TF_GetCode(status) == TF_OK) {
    const float* from = TF_TensorData(input);
    float* to = TF_TensorData(output);
    for (size_t i = 0; i < bytes / sizeof(float); i++) to[i] = from[i] + 1.0f;
  } else {
    TF_OpKernelContext_Failure(context, status);
  }
  TF_DeleteTensor(output);
  TF_DeleteTensor(input);
  TF_DeleteStatus(status);
}

static void delete_kernel(void* kernel) { (void)kernel; }

__attribute__((constructor)) static void register_plus_one(void) {
  TF_Status* status = TF_NewStatus();
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder("TaxiwayPlusOne");
  TF_OpDefinitionBuilderAddInput(op, "x: float");
  TF_OpDefinitionBuilderAddOutput(op, "y: float");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, &same_shape);
  TF_RegisterOpDefinition(op, status);
  TF_KernelBuilder* kernel = TF_NewKernelBuilder("TaxiwayPlusOne", "CPU", NULL, &compute, &delete_kernel);
  TF_RegisterKernelBuilder("TaxiwayPlusOne", kernel, status);
  TF_DeleteStatus(status);
}
