using System.Runtime.InteropServices;

namespace PeftCore.Kernels;

/// <summary>Which processors a thread may run on. A thread that stays where its caches are, and two that never share a core, make rates
/// steadier.</summary>
internal static unsafe partial class Affinity
{
    private const int Processors = 1024, Word = 64;

    /// <summary>Whether threads can be bound to processors here.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>The processors that the calling thread may run on; empty where that cannot be asked.</summary>
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

    /// <summary>Binds the calling thread to some processors.</summary>
    /// <returns>Whether the system agreed.</returns>
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
