using System.Runtime.InteropServices;

namespace PeftCore.Kernels;

/// <summary>
/// Host memory on large pages if the system has them. A matrix product touches more 4 KiB pages than the TLB has entries, and under a
/// hypervisor a TLB miss costs up to 24 reads.
/// </summary>
internal static unsafe partial class HostPages
{
    private const nuint LargePage = 2 << 20, Least = 256 << 10, Alignment = 256;
    private const int AdviseLargePages = 14; // Linux's MADV_HUGEPAGE.

    /// <summary>Allocates memory on a 256-byte boundary at least, contents undefined.</summary>
    /// <param name="bytes">The size.</param>
    /// <returns>Its address, for <see cref="Free"/>.</returns>
    /// <exception cref="OutOfMemoryException">The system has not enough memory.</exception>
    public static void* Allocate(nuint bytes)
    {
        if (!OperatingSystem.IsLinux() || bytes < Least)
        {
            return NativeMemory.AlignedAlloc(bytes, Alignment);
        }

        nuint whole = (bytes + LargePage - 1) / LargePage * LargePage;
        void* memory = NativeMemory.AlignedAlloc(whole, LargePage);
        // On a system without large pages this fails, and the memory keeps small pages.
        _ = Advise(memory, whole, AdviseLargePages);
        return memory;
    }

    /// <summary>Frees memory.</summary>
    /// <param name="memory">The address returned by <see cref="Allocate"/>, or null.</param>
    public static void Free(void* memory) => NativeMemory.AlignedFree(memory);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* memory, nuint bytes, int advice);
}
