using System.Runtime.InteropServices;

namespace PeftCore.Kernels;

/// <summary>
/// Memory of the process on large pages where the system has them. A product walks through more pages of 4 KiB than the processor remembers
/// addresses of, and under a hypervisor finding one again takes two dozen reads.
/// </summary>
internal static unsafe partial class HostPages
{
    private const nuint LargePage = 2 << 20, Least = 256 << 10, Alignment = 256;
    private const int AdviseLargePages = 14; // Linux's MADV_HUGEPAGE.

    /// <summary>Takes memory on a 256-byte boundary at least, contents undefined.</summary>
    /// <param name="bytes">How much.</param>
    /// <returns>Its address, for <see cref="Free"/>.</returns>
    /// <exception cref="OutOfMemoryException">The system has no more.</exception>
    public static void* Allocate(nuint bytes)
    {
        if (!OperatingSystem.IsLinux() || bytes < Least)
        {
            return NativeMemory.AlignedAlloc(bytes, Alignment);
        }

        nuint whole = (bytes + LargePage - 1) / LargePage * LargePage;
        void* memory = NativeMemory.AlignedAlloc(whole, LargePage);
        // A system without large pages says so, and gives small ones.
        _ = Advise(memory, whole, AdviseLargePages);
        return memory;
    }

    /// <summary>Gives memory back.</summary>
    /// <param name="memory">What <see cref="Allocate"/> returned, or null.</param>
    public static void Free(void* memory) => NativeMemory.AlignedFree(memory);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* memory, nuint bytes, int advice);
}
