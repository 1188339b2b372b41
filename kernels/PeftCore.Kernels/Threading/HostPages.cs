using System.Runtime.InteropServices;

namespace PeftCore.Kernels;

/// <summary>
/// Host memory on large pages if the system has them. A matrix product touches more 4 KiB pages than the TLB has entries, and under a
/// hypervisor a TLB miss costs up to 24 reads.
/// </summary>
internal static unsafe partial class HostPages
{
    private const nuint LargePage = 2 << 20, Least = 256 << 10, Alignment = 256;
    private const int AdviseWillNeed = 3, AdviseDontNeed = 4, AdviseLargePages = 14; // Linux's MADV_WILLNEED, _DONTNEED, _HUGEPAGE.

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

    /// <summary>Lets the system read a part of a memory-mapped file ahead.</summary>
    public static void Prefetch(void* mapped, nuint bytes) => AdviseOnPages(mapped, bytes, AdviseWillNeed, inside: false);

    /// <summary>Unmaps the pages of a part of a memory-mapped file that was read. They stay in the system's cache of files, and a later
    /// access maps them again; the process does not hold them any more.</summary>
    public static void Release(void* mapped, nuint bytes) => AdviseOnPages(mapped, bytes, AdviseDontNeed, inside: true);

    /// <summary>Frees memory.</summary>
    /// <param name="memory">The address returned by <see cref="Allocate"/>, or null.</param>
    public static void Free(void* memory) => NativeMemory.AlignedFree(memory);

    private static void AdviseOnPages(void* start, nuint bytes, int advice, bool inside)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        nuint page = (nuint)Environment.SystemPageSize, first = (nuint)start, end = first + bytes;
        first = (inside ? first + page - 1 : first) / page * page;
        end = (inside ? end : end + page - 1) / page * page;
        if (end > first)
        {
            _ = Advise((void*)first, end - first, advice);
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* memory, nuint bytes, int advice);
}
