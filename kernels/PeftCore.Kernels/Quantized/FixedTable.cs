using System.Runtime.InteropServices;

namespace PeftCore.Kernels;

/// <summary>Small tables at addresses that never change, on a 64-byte boundary, for kernels that read by pointers.</summary>
internal static unsafe class FixedTable
{
    /// <summary>The address of a copy that lives as long as the process.</summary>
    public static float* Of(ReadOnlySpan<float> numbers)
    {
        float* table = (float*)NativeMemory.AlignedAlloc((nuint)numbers.Length * sizeof(float), 64);
        numbers.CopyTo(new Span<float>(table, numbers.Length));
        return table;
    }
}
