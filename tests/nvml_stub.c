/* NVML of a machine with two GPUs, by the signatures of nvml.h. The first tells all; the second, and with -DOLD both, what
   an old card and driver tell. */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID = 2, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7 };
typedef struct { int number; } *device;
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned pid; unsigned long long used; unsigned instance, compute; } process;
typedef struct { unsigned gpu, memory; unsigned long long most, time, start; unsigned running, reserved[5]; } accounting;

static struct { int number; } gpus[2] = {{0}, {1}};
static unsigned long long millijoules = 1000000;

int nvmlInitWithFlags(unsigned flags) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { return code == NOT_SUPPORTED ? "Not Supported" : "Error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { strncpy(text, "580.95.05", size); return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *found) {
  if (index > 1) return INVALID;
  *found = (device)&gpus[index];
  return SUCCESS;
}
int nvmlDeviceGetName(device gpu, char *name, unsigned size) {
  strncpy(name, gpu->number ? "Quadro K620" : "NVIDIA L4", size);
  return SUCCESS;
}
int nvmlDeviceGetCudaComputeCapability(device gpu, int *major, int *minor) {
  *major = gpu->number ? 5 : 8;
  *minor = gpu->number ? 0 : 9;
  return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(device gpu, memory *found) {
  found->total = 24ULL << 30;
  found->used = 3ULL << 30;
  found->free = found->total - found->used;
  return SUCCESS;
}
int nvmlDeviceGetClockInfo(device gpu, unsigned kind, unsigned *mhz) {
  if (gpu->number) return NOT_SUPPORTED;
  *mhz = kind == 1 ? 1455 : kind == 2 ? 6251 : 1;  /* nvmlClockType_t: NVML_CLOCK_SM, NVML_CLOCK_MEM */
  return SUCCESS;
}
int nvmlDeviceGetMaxClockInfo(device gpu, unsigned kind, unsigned *mhz) {
  if (gpu->number) return NOT_SUPPORTED;
  *mhz = kind == 1 ? 2040 : 1;
  return SUCCESS;
}
int nvmlDeviceGetTemperature(device gpu, unsigned sensor, unsigned *degrees) {
  if (sensor) return INVALID;
  *degrees = 71;
  return SUCCESS;
}
int nvmlDeviceGetPowerUsage(device gpu, unsigned *milliwatts) {
  if (gpu->number) return NOT_SUPPORTED;
  *milliwatts = 71500;
  return SUCCESS;
}
int nvmlDeviceGetEnforcedPowerLimit(device gpu, unsigned *milliwatts) {
  if (gpu->number) return NOT_SUPPORTED;
  *milliwatts = 72000;
  return SUCCESS;
}
/* The power limit (4), too hot by the driver (0x20), application clocks (2), idle (1), and one of the future. */
#define REASONS (0x4 | 0x20 | 0x2 | 0x1 | 0x100000)
#ifdef OLD
int nvmlDeviceGetCurrentClocksThrottleReasons(device gpu, unsigned long long *bits) {
  if (gpu->number) return NOT_SUPPORTED;
  *bits = REASONS;
  return SUCCESS;
}
#else
int nvmlDeviceGetCurrentClocksEventReasons(device gpu, unsigned long long *bits) {
  if (gpu->number) return NOT_SUPPORTED;
  *bits = REASONS;
  return SUCCESS;
}
int nvmlDeviceGetTotalEnergyConsumption(device gpu, unsigned long long *found) {
  if (gpu->number) return NOT_SUPPORTED;
  *found = millijoules += 2500;
  return SUCCESS;
}
int nvmlDeviceGetAccountingStats(device gpu, unsigned pid, accounting *found) {
  if (gpu->number) return NOT_SUPPORTED;
  memset(found, 0, sizeof *found);
  found->most = 900ULL << 20;
  return SUCCESS;
}
#endif
#ifdef OLD
#define LISTED(kind) nvmlDeviceGet##kind##RunningProcesses_v2
#else
#define LISTED(kind) nvmlDeviceGet##kind##RunningProcesses_v3
#endif
static int listed(device gpu, unsigned *count, process *found, const process *all, unsigned many) {
  if (gpu->number) return NOT_SUPPORTED;
  if (*count < many) { *count = many; return INSUFFICIENT_SIZE; }
  for (unsigned one = 0; one < many; one++) found[one] = all[one];
  *count = many;
  return SUCCESS;
}
int LISTED(Compute)(device gpu, unsigned *count, process *found) {
  process all[] = {{getpid(), 512ULL << 20, -1, -1}, {1, ~0ULL, -1, -1}};
  return listed(gpu, count, found, all, 2);
}
int LISTED(Graphics)(device gpu, unsigned *count, process *found) {
  process all[] = {{getpid(), 512ULL << 20, -1, -1}};
  return listed(gpu, count, found, all, 1);
}
