using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>Prefetch instructions. A prefetch never faults, so its address may be past the end of a matrix.</summary>
internal static unsafe class Prefetch
{
    /// <summary>Bytes of a cache line.</summary>
    public const int Line = 64;

    /// <summary>Whether a byte offset is the start of a cache line, so that a loop prefetches each line once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsDue(nint at) => Sse.IsSupported && (at & (Line - 1)) == 0;

    /// <summary>Prefetches a line into the second-level cache. Call only if <see cref="IsDue"/> returned true, which implies SSE.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ToL2(byte* at) => Sse.Prefetch1(at);
}
