/* A CUDA driver without a GPU, for tests: its device memory is the host's, and what is queued in a stream is done at
 * once. It shows that the calls of engines/cuda reach the driver with the right arguments, in the right order; how a GPU
 * behaves it cannot show. Built without -DWITHOUT_DEVICE it has one device, 0, of compute capability 8.9; with
 * -DDRIVER=12060 it is a driver of CUDA 12.6, which refuses functions in the form of a later version, as real ones do;
 * with -DINTEGRATED=1 its memory is the processor's.
 */
#ifndef INTEGRATED
#define INTEGRATED 0
#endif
#ifndef DRIVER
#define DRIVER 13010
#endif
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
       INVALID_CONTEXT = 201, NOT_FOUND = 500, NOT_SUPPORTED = 801, CAPTURE_INVALIDATED = 901 };

typedef int Result;
typedef struct { int kind; } Handle;          /* streams and contexts */
typedef struct { double ms; int recorded; } Event;
typedef struct { void *to; const void *from; size_t bytes; } Copy;
typedef struct { int count; Copy copies[64]; } Graph;

static int initialized, retained, created, live;       /* live: handles and allocations not yet freed */
static __thread int depth;                    /* contexts pushed on this thread */
static Handle context;
static Graph *capturing;
static Handle *captured_stream;

static Result ready(void) { return initialized && depth > 0 ? SUCCESS : (initialized ? INVALID_CONTEXT : NOT_INITIALIZED); }

/* Of this library alone: how many things of the caller are still alive, and on how many contexts. */
int stub_live(void) { return live; }
int stub_depth(void) { return depth; }
int stub_retained(void) { return retained; }
int stub_created(void) { return created; }

Result cuInit(unsigned flags) {
#ifdef WITHOUT_DEVICE
    return NO_DEVICE;
#endif
    initialized = 1;
    return flags ? INVALID_VALUE : SUCCESS;
}
Result cuDriverGetVersion(int *version) { *version = DRIVER; return SUCCESS; }
Result cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
Result cuDeviceGet(int *device, int index) { *device = index; return index ? INVALID_DEVICE : SUCCESS; }
Result cuDeviceGetName(char *name, int length, int device) { strncpy(name, "Stub GPU", length); return SUCCESS; }
Result cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)1 << 34; return SUCCESS; }
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 9 : attribute == 18 ? INTEGRATED : 0;
    return SUCCESS;
}
Result cuDeviceComputeCapability(int *major, int *minor, int device) { *major = 8; *minor = 9; return SUCCESS; }
Result cuDevicePrimaryCtxRetain(Handle **made, int device) { *made = &context; created += !retained++; return SUCCESS; }
Result cuDevicePrimaryCtxRelease_v2(int device) { return retained-- > 0 ? SUCCESS : INVALID_CONTEXT; }
Result cuCtxPushCurrent_v2(Handle *which) { depth++; return which == &context ? SUCCESS : INVALID_CONTEXT; }
Result cuCtxPopCurrent_v2(Handle **popped) {
    if (popped) *popped = &context;
    return depth-- > 0 ? SUCCESS : INVALID_CONTEXT;
}
Result cuCtxGetCurrent(Handle **which) { *which = depth > 0 ? &context : 0; return SUCCESS; }
Result cuCtxSetCurrent(Handle *which) { depth = which != 0; return SUCCESS; }
Result cuCtxGetDevice(int *device) { *device = 0; return ready(); }
Result cuCtxSynchronize(void) { return ready(); }

static size_t taken;                          /* bytes of the device's memory */
Result cuMemGetInfo_v2(size_t *unused, size_t *total) {
    *total = (size_t)1 << 34;
    *unused = *total - taken;
    return ready();
}
Result cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    if (ready()) return ready();
    if (bytes > (size_t)1 << 34) return OUT_OF_MEMORY;
    size_t *block = malloc(bytes + 64);       /* its size lies before it */
    *block = bytes;
    *address = (uint64_t)(uintptr_t)block + 64;
    taken += bytes;
    live++;
    return SUCCESS;
}
Result cuMemFree_v2(uint64_t address) {
    size_t *block = (size_t *)(uintptr_t)(address - 64);
    taken -= *block;
    free(block);
    live--;
    return ready();
}
Result cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
    if (ready()) return ready();
    *address = malloc(bytes);
    live++;
    return SUCCESS;
}
Result cuMemFreeHost(void *address) { free(address); live--; return ready(); }

Result cuStreamCreate(Handle **stream, unsigned flags) {
    if (ready()) return ready();
    *stream = calloc(1, sizeof(Handle));
    (*stream)->kind = flags;
    live++;
    return SUCCESS;
}
Result cuStreamDestroy_v2(Handle *stream) { free(stream); live--; return ready(); }
Result cuStreamSynchronize(Handle *stream) { return capturing && stream == captured_stream ? CAPTURE_INVALIDATED : ready(); }

static Result copy(void *to, const void *from, size_t bytes, Handle *stream) {
    if (capturing && stream == captured_stream) {
        Copy one = {to, from, bytes};
        capturing->copies[capturing->count++] = one;
    } else {
        memcpy(to, from, bytes);
    }
    return ready();
}
Result cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, Handle *stream) {
    return copy((void *)(uintptr_t)to, from, bytes, stream);
}
Result cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, Handle *stream) {
    return copy(to, (const void *)(uintptr_t)from, bytes, stream);
}
Result cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Handle *stream) {
    return copy((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes, stream);
}

Result cuEventCreate(Event **event, unsigned flags) { *event = calloc(1, sizeof(Event)); live++; return ready(); }
Result cuEventDestroy_v2(Event *event) { free(event); live--; return ready(); }
Result cuEventRecord(Event *event, Handle *stream) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    event->ms = now.tv_sec * 1e3 + now.tv_nsec / 1e6;
    event->recorded = 1;
    return ready();
}
Result cuEventSynchronize(Event *event) { return ready(); }
Result cuEventElapsedTime(float *ms, Event *begin, Event *end) {
    *ms = (float)(end->ms - begin->ms);
    return begin->recorded && end->recorded ? SUCCESS : INVALID_VALUE;
}
Result cuEventElapsedTime_v2(float *ms, Event *begin, Event *end) { return cuEventElapsedTime(ms, begin, end); }

Result cuStreamBeginCapture_v2(Handle *stream, int mode) {
    if (capturing) return INVALID_VALUE;
    capturing = calloc(1, sizeof(Graph));
    captured_stream = stream;
    live++;
    return ready();
}
Result cuStreamEndCapture(Handle *stream, Graph **graph) {
    if (!capturing || stream != captured_stream) return INVALID_VALUE;
    *graph = capturing;
    capturing = 0;
    return ready();
}
Result cuGraphInstantiateWithFlags(Graph **made, Graph *graph, uint64_t flags) {
    *made = malloc(sizeof(Graph));
    **made = *graph;
    live++;
    return ready();
}
Result cuGraphDestroy(Graph *graph) { free(graph); live--; return ready(); }
Result cuGraphExecDestroy(Graph *graph) { free(graph); live--; return ready(); }
Result cuGraphLaunch(Graph *graph, Handle *stream) {
    for (int i = 0; i < graph->count; i++) memcpy(graph->copies[i].to, graph->copies[i].from, graph->copies[i].bytes);
    return ready();
}

Result cuGetErrorName(Result code, const char **name) {
    switch (code) {
    case SUCCESS: *name = "CUDA_SUCCESS"; break;
    case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case NOT_INITIALIZED: *name = "CUDA_ERROR_NOT_INITIALIZED"; break;
    case NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; break;
    case INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
    case INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
    case CAPTURE_INVALIDATED: *name = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"; break;
    default: *name = "CUDA_ERROR_NOT_SUPPORTED";
    }
    return SUCCESS;
}
Result cuGetErrorString(Result code, const char **text) { return cuGetErrorName(code, text); }

typedef struct { const char *name; void *address; } Symbol;
#define PLAIN(name) {#name, name}
#define V2(name) {#name, name##_v2}
Result cuGetProcAddress_v2(const char *, void **, int, uint64_t, int *);
static const Symbol symbols[] = {
    PLAIN(cuInit), PLAIN(cuDriverGetVersion), PLAIN(cuDeviceGetCount), PLAIN(cuDeviceGet), PLAIN(cuDeviceGetName),
    V2(cuDeviceTotalMem), PLAIN(cuDeviceGetAttribute), PLAIN(cuDevicePrimaryCtxRetain), V2(cuDevicePrimaryCtxRelease),
    V2(cuCtxPushCurrent), V2(cuCtxPopCurrent), PLAIN(cuCtxGetCurrent), PLAIN(cuCtxSetCurrent), V2(cuMemAlloc), V2(cuMemGetInfo),
    V2(cuMemFree), PLAIN(cuMemHostAlloc), PLAIN(cuMemFreeHost), PLAIN(cuStreamCreate), V2(cuStreamDestroy),
    PLAIN(cuStreamSynchronize), V2(cuMemcpyHtoDAsync), V2(cuMemcpyDtoHAsync), V2(cuMemcpyDtoDAsync),
    PLAIN(cuEventCreate), V2(cuEventDestroy), PLAIN(cuEventRecord), PLAIN(cuEventElapsedTime), V2(cuStreamBeginCapture), PLAIN(cuStreamEndCapture),
    {"cuGraphInstantiate", cuGraphInstantiateWithFlags}, PLAIN(cuGraphInstantiateWithFlags), PLAIN(cuGraphDestroy),
    PLAIN(cuGraphExecDestroy), PLAIN(cuGraphLaunch), PLAIN(cuGetErrorName), PLAIN(cuGetErrorString),
    V2(cuGetProcAddress),
};
Result cuGetProcAddress_v2(const char *name, void **address, int version, uint64_t flags, int *status) {
    if (version > DRIVER) {
        *address = 0;
        if (status) *status = 2;              /* CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT */
        return INVALID_VALUE;
    }
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (!strcmp(name, symbols[i].name)) {
            *address = symbols[i].address;
            if (status) *status = 0;
            return SUCCESS;
        }
    *address = 0;
    if (status) *status = 1;
    return NOT_FOUND;
}
