using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Elements of each row at chosen columns, and their gradient.</summary>
internal static class TakeColumns
{
    /// <summary>y[r, j] = x[r, chosen[r, j]].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Forward(ReadOnlySpan<float> x, ReadOnlySpan<int> chosen, Span<float> y, int rows, int columns, int k)
    {
        Sizes.AtLeast(x, (long)rows * columns);
        for (int i = 0; i < rows * k; i++)
        {
            y[i] = x[(i / k * columns) + chosen[i]];
        }
    }

    /// <summary>dx[r, chosen[r, j]] (+)= dy[r, j], and zero elsewhere when not accumulating. The columns of a row differ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gradient(ReadOnlySpan<float> dy, ReadOnlySpan<int> chosen, Span<float> dx, int rows, int columns, int k,
        bool accumulate)
    {
        Sizes.AtLeast<float>(dx, (long)rows * columns);
        if (!accumulate)
        {
            dx[..(rows * columns)].Clear();
        }

        for (int i = 0; i < rows * k; i++)
        {
            dx[(i / k * columns) + chosen[i]] += dy[i];
        }
    }
}
