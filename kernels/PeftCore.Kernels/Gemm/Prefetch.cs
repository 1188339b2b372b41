using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>Asks for memory before it is read. It never faults, so it may reach past the end of a matrix.</summary>
internal static unsafe class Prefetch
{
    /// <summary>Bytes that come together.</summary>
    public const int Line = 64;

    /// <summary>Whether a loop that has come to this byte stands at the beginning of a line, where it should ask for one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsDue(nint at) => Sse.IsSupported && (at & (Line - 1)) == 0;

    /// <summary>Asks for a line into the second-level cache; only after <see cref="IsDue"/> said so.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ToL2(byte* at) => Sse.Prefetch1(at);
}
