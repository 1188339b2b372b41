using System.Runtime.InteropServices;

namespace PeftCore.Kernels;

/// <summary>Binds threads to processors. Bound threads keep their caches and never share a core, so measured rates vary less.</summary>
internal static unsafe partial class Affinity
{
    private const int Processors = 1024, Word = 64;

    /// <summary>Whether the system can bind threads to processors.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>The processors that the calling thread may run on; empty if the system does not report them.</summary>
    public static IReadOnlyList<int> OfThisThread()
    {
        ulong* mask = stackalloc ulong[Processors / Word];
        var allowed = new List<int>();
        if (IsSupported && GetAffinity(0, Processors / 8, mask) >= 0)
        {
            for (int i = 0; i < Processors; i++)
            {
                if ((mask[i / Word] >> (i % Word) & 1) != 0)
                {
                    allowed.Add(i);
                }
            }
        }
        return allowed;
    }

    /// <summary>Restricts the calling thread to some processors.</summary>
    /// <returns>False on failure.</returns>
    public static bool TryBind(params IReadOnlyList<int> processors)
    {
        ulong* mask = stackalloc ulong[Processors / Word];
        foreach (int processor in processors)
        {
            if (processor is < 0 or >= Processors)
            {
                return false;
            }
            mask[processor / Word] |= 1UL << (processor % Word);
        }
        return IsSupported && SetAffinity(0, Processors / 8, mask) == 0;
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nuint bytes, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nuint bytes, ulong* mask);
}
