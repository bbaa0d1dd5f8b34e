/* Run the first signature of a LiteRT file of one float input and one float output, with LiteRT 2.3's C library alone.

   gcc -O2 run.c -o run "$LITERT/libLiteRt.so" -Wl,-rpath,"$LITERT"
   ./run model.tflite 64 10 < row.f32 > answer.f32        numbers that go in, numbers that come out

   The Python package ai-edge-litert has the library and no headers; these are the declarations that are needed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *Handle;
typedef struct { uint32_t rank; int32_t sizes[8]; uint32_t strides[8]; } Layout;
typedef struct { int element; Layout layout; } TensorType; /* 72 bytes; element 1 is float32 */

int LiteRtCreateEnvironment(int, const void *, Handle *);
int LiteRtCreateModelFromFile(Handle, const char *, Handle *);
int LiteRtCreateOptions(Handle *);
int LiteRtSetOptionsHardwareAccelerators(Handle, int);
int LiteRtCreateCompiledModel(Handle, Handle, Handle, Handle *);
int LiteRtGetModelSignature(Handle, size_t, Handle *);
int LiteRtGetSignatureInputTensorByIndex(Handle, size_t, Handle *);
int LiteRtGetRankedTensorType(Handle, TensorType *);
int LiteRtCompiledModelResizeInputTensor(Handle, size_t, size_t, const int *, size_t);
int LiteRtGetCompiledModelOutputTensorLayouts(Handle, size_t, size_t, Layout *, _Bool);
int LiteRtCreateTensorBufferFromHostMemory(const TensorType *, void *, size_t, const void *, Handle *);
int LiteRtRunCompiledModel(Handle, size_t, size_t, Handle *, size_t, Handle *);

#define SLACK 4096 /* LiteRT writes as much as the model answers, whatever a buffer was said to hold */
#define CHECK(call) do { int s = (call); if (s) { fprintf(stderr, "%s: LiteRT's status %d\n", #call, s); return 1; } } while (0)

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "run model.tflite NUMBERS_IN NUMBERS_OUT\n"), 2;
    size_t in = strtoul(argv[2], 0, 10) * sizeof(float), out = strtoul(argv[3], 0, 10) * sizeof(float);
    Handle env, model, options, compiled, signature, tensor, given, taken;
    CHECK(LiteRtCreateEnvironment(0, 0, &env));
    CHECK(LiteRtCreateModelFromFile(env, argv[1], &model));
    CHECK(LiteRtCreateOptions(&options));
    CHECK(LiteRtSetOptionsHardwareAccelerators(options, 1)); /* the CPU */
    CHECK(LiteRtCreateCompiledModel(env, model, options, &compiled));

    TensorType type;
    CHECK(LiteRtGetModelSignature(model, 0, &signature));
    CHECK(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor));
    CHECK(LiteRtGetRankedTensorType(tensor, &type));
    if (type.layout.sizes[0] < 0) { /* the rows are open: one */
        type.layout.sizes[0] = 1;
        CHECK(LiteRtCompiledModelResizeInputTensor(compiled, 0, 0, type.layout.sizes, type.layout.rank & 0x7f));
    }
    TensorType answer = {1, {0}};
    CHECK(LiteRtGetCompiledModelOutputTensorLayouts(compiled, 0, 1, &answer.layout, 1));
    size_t numbers = 1;
    for (uint32_t i = 0; i < (answer.layout.rank & 0x7f); i++) numbers *= answer.layout.sizes[i];
    if (numbers * sizeof(float) != out) return fprintf(stderr, "the model answers %zu numbers\n", numbers), 1;

    void *row = aligned_alloc(64, (in + SLACK + 63) / 64 * 64), *scores = aligned_alloc(64, (out + SLACK + 63) / 64 * 64);
    if (!row || !scores || fread(row, 1, in, stdin) != in) return fprintf(stderr, "standard input is too short\n"), 1;
    CHECK(LiteRtCreateTensorBufferFromHostMemory(&type, row, in + SLACK, 0, &given));
    CHECK(LiteRtCreateTensorBufferFromHostMemory(&answer, scores, out + SLACK, 0, &taken));
    CHECK(LiteRtRunCompiledModel(compiled, 0, 1, &given, 1, &taken));
    return fwrite(scores, 1, out, stdout) != out;
}
