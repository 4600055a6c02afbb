"""What the processor can do, where that decides what an engine's integers come to."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import mmap
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

Registers = tuple[int, int, int, int]
Asked = Callable[[int, int], Registers]

# Instruction set -> (leaf, subleaf, register as in EAX EBX ECX EDX, bit, what the system must keep of it). Names are
# Linux's. Intel's Software Developer's Manual, volume 2, CPUID.
_X86: dict[str, tuple[int, int, int, int, str]] = {
    "ssse3": (1, 0, 2, 9, ""),
    "sse4_1": (1, 0, 2, 19, ""),
    "avx": (1, 0, 2, 28, "ymm"),
    "fma": (1, 0, 2, 12, "ymm"),
    "avx2": (7, 0, 1, 5, "ymm"),
    "avx512f": (7, 0, 1, 16, "zmm"),
    "avx512bw": (7, 0, 1, 30, "zmm"),
    "avx512_vnni": (7, 0, 2, 11, "zmm"),
    "avx512_fp16": (7, 0, 3, 23, "zmm"),
    "avx512_bf16": (7, 1, 0, 5, "zmm"),
    "avx_vnni": (7, 1, 0, 4, "ymm"),
    "avx_vnni_int8": (7, 1, 3, 4, "ymm"),
    "amx_bf16": (7, 0, 3, 22, "tiles"),
    "amx_int8": (7, 0, 3, 25, "tiles"),
}
# Bits of XCR0: the registers that the system saves, without which their instructions fault.
_KEPT = {"": 0, "ymm": 0x6, "zmm": 0xE6, "tiles": 0x60006}
_OSXSAVE = 1 << 27  # of leaf 1's ECX: XCR0 can be read
# Instruction set -> (entry of the auxiliary vector, bit). Linux, arch/arm64/include/uapi/asm/hwcap.h.
_HWCAP, _HWCAP2 = 16, 26
_ARM: dict[str, tuple[int, int]] = {
    "asimdhp": (_HWCAP, 10),
    "asimddp": (_HWCAP, 20),
    "sve": (_HWCAP, 22),
    "i8mm": (_HWCAP2, 13),
    "bf16": (_HWCAP2, 14),
}
# The same -> macOS's name.
_MACOS: dict[str, str] = {
    "asimdhp": "hw.optional.arm.FEAT_FP16",
    "asimddp": "hw.optional.arm.FEAT_DotProd",
    "i8mm": "hw.optional.arm.FEAT_I8MM",
    "bf16": "hw.optional.arm.FEAT_BF16",
}
# void cpuid(uint32 leaf, uint32 subleaf, uint32 *eax_ebx_ecx_edx) in the System V calling convention:
# push rbx; mov eax, edi; mov ecx, esi; mov r8, rdx; cpuid; mov [r8], eax; mov [r8+4], ebx; mov [r8+8], ecx;
# mov [r8+12], edx; pop rbx; ret
_CPUID = bytes.fromhex("53 89f8 89f1 4989d0 0fa2 418900 41895804 41894808 4189500c 5b c3")
# uint64 xgetbv(): xor ecx, ecx; xgetbv; shl rdx, 32; or rax, rdx; ret
_XGETBV = bytes.fromhex("31c9 0f01d0 48c1e220 4809d0 c3")


@dataclasses.dataclass(frozen=True)
class Processor:
    """machine: `x86_64` or `aarch64`, else the system's word. features: those that shape answers, by Linux's names."""

    machine: str
    features: frozenset[str]

    @property
    def is_x86(self) -> bool:
        """True on x86-64."""
        return self.machine == "x86_64"

    @property
    def has_vnni(self) -> bool:
        """True where x86 multiplies u8 x s8 into 32-bit sums in one instruction. What has AMX's tiles has VNNI, too."""
        return bool(self.features & {"avx_vnni", "avx512_vnni", "avx_vnni_int8", "amx_int8"})

    @property
    def has_amx(self) -> bool:
        """True where x86 has 8-bit matrix tiles."""
        return "amx_int8" in self.features

    @property
    def saturates(self) -> bool:
        """True where u8 x s8 products are summed pairwise in 16 bits, which they can overflow: x86 without VNNI.

        VPMADDUBSW does that. Arm has no such instruction: its sums have 32 bits, with and without dot products.
        """
        return self.is_x86 and not self.has_vnni

    @property
    def integers(self) -> str:
        """How it multiplies 8-bit integers, in words."""
        if not self.is_x86:
            words = {"i8mm": "matrix products (I8MM)", "asimddp": "dot products (DOTPROD)"}
            how = next((word for name, word in words.items() if name in self.features), "no dot products: slower")
            return f"{how}; sums in 32 bits, exact" if self.machine == "aarch64" else "not known of this processor"
        if self.saturates:
            return (
                "no VNNI: two products are summed in 16 bits, which 8-bit weights can overflow; files made here cannot"
            )
        return f"{'AMX and VNNI' if self.has_amx else 'VNNI'}; sums in 32 bits, exact"

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {"machine": self.machine, "features": sorted(self.features)}


@functools.cache
def processor() -> Processor:
    """The processor that this process runs on: an emulated one under an emulator, less what the system keeps off."""
    machine = _machine()
    found = {"x86_64": _x86_features, "aarch64": _arm_features}.get(machine, frozenset)()
    return Processor(machine, frozenset(found))


def x86_features(cpuid: Asked, xgetbv: Callable[[], int]) -> frozenset[str]:
    """The names of what a processor has and its system keeps, from the answers of its two instructions."""
    highest = cpuid(0, 0)[0]
    kept = xgetbv() if cpuid(1, 0)[2] & _OSXSAVE else 0
    # Of leaf 7, EAX of subleaf 0 is the last subleaf there is.
    subleaves = cpuid(7, 0)[0] if highest >= 7 else -1
    return frozenset(
        name
        for name, (leaf, subleaf, register, bit, state) in _X86.items()
        if leaf <= highest
        and (leaf != 7 or subleaf <= subleaves)
        and cpuid(leaf, subleaf)[register] >> bit & 1
        and kept & _KEPT[state] == _KEPT[state]
    )


def listed_features(cpuinfo: str, known: Mapping[str, object]) -> frozenset[str]:
    """Those `known` among the flags of the first core in Linux's /proc/cpuinfo. An emulator shows its host's."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split()) & known.keys()
    return frozenset()


def _machine() -> str:
    word = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(word, word)


def _x86_features() -> frozenset[str]:
    page = _executable_page()
    if page is None:
        return listed_features(_cpuinfo(), _X86)
    start = 64
    page[: len(_CPUID)] = _CPUID
    page[start : start + len(_XGETBV)] = _XGETBV
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    call = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)(address)
    xgetbv = ctypes.CFUNCTYPE(ctypes.c_uint64)(address + start)

    def cpuid(leaf: int, subleaf: int) -> Registers:
        out = (ctypes.c_uint32 * 4)()
        call(leaf, subleaf, ctypes.addressof(out))
        return out[0], out[1], out[2], out[3]

    with page:
        return x86_features(cpuid, xgetbv)


def _executable_page() -> mmap.mmap | None:
    """None where the code above does not fit Python or system, or the system lets nobody write what is executed."""
    if sys.platform == "win32" or sys.maxsize < 1 << 32:
        return None
    try:
        return mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None


def _arm_features() -> frozenset[str]:
    library = ctypes.CDLL(None)
    if sys.platform == "darwin":
        return frozenset(name for name, key in _MACOS.items() if _sysctl(library, key))
    try:
        getauxval = library.getauxval
    except AttributeError:  # a C library without it
        return listed_features(_cpuinfo(), _ARM)
    getauxval.restype, getauxval.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
    return frozenset(name for name, (entry, bit) in _ARM.items() if getauxval(entry) >> bit & 1)


def _sysctl(library: ctypes.CDLL, key: str) -> bool:
    value, size = ctypes.c_int32(0), ctypes.c_size_t(4)
    refused = library.sysctlbyname(key.encode(), ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0))
    return not refused and value.value == 1


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
