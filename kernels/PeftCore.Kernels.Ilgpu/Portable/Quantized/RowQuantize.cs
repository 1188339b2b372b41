using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Quantized;

internal struct RowQuantizeArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> Numbers;
    public ArrayView<sbyte> Codes;
    public ArrayView<float> Scales;
    public int Columns;

    /// <summary>Not 0 for a column that is multiplied apart, whose codes are 0; empty for none.</summary>
    public ArrayView<int> Outliers;

    /// <summary>Numbers of at least this magnitude do not count for the scale; 0 for none.</summary>
    public float Threshold;

    /// <summary>Zero, which the compiler does not know.</summary>
    public uint Zero;
}

/// <summary>INT8 codes of rows, bit by bit as <see cref="RowCodes"/> computes them: numbers are rounded to F16 first. A thread block
/// quantises a row.</summary>
internal readonly struct RowQuantize<TElement> : IKernel<RowQuantizeArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    private const float Largest = 127;

    // 1.5·2²³: adding it rounds to an integer, ties to even.
    private const float Rounding = 12582912;

    public static void Run(RowQuantizeArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Columns;
        float scale = 0, notFinite = 0;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            float x = Int8Unit.Rounded(args.Numbers[row + c]), magnitude = x < 0 ? -x : x;
            if (args.Threshold == 0 || !(magnitude >= args.Threshold))
            {
                scale = magnitude > scale ? magnitude : scale;
                notFinite += x - x;
            }
        }

        scale = Threads.Max(shared, scale) + Threads.Sum(shared, notFinite);
        float factor = 1 / scale * Largest;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            bool apart = scale == 0 || (args.Outliers.Length > 0 && args.Outliers[c] != 0);
            float product = Interop.IntAsFloat(Interop.FloatAsInt(Int8Unit.Rounded(args.Numbers[row + c]) * factor) ^ args.Zero);
            float code = product + Rounding - Rounding;
            args.Codes[row + c] = (sbyte)(apart ? 0 : (int)code);
        }

        if (Group.IdxX == 0)
        {
            args.Scales[Grid.IdxX] = scale;
        }
    }
}

internal struct RowDequantizeArgs<TElement> where TElement : unmanaged
{
    public ArrayView<sbyte> Codes;
    public ArrayView<float> Scales;
    public ArrayView<TElement> Numbers;
    public int Columns;
}

/// <summary>y = code·(scale/127), bit by bit as <see cref="RowCodes"/> computes it. A thread dequantises a number.</summary>
internal readonly struct RowDequantize<TElement> : IKernel<RowDequantizeArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(RowDequantizeArgs<TElement> args)
    {
        long i = Threads.Linear();
        if (i < args.Numbers.Length)
        {
            args.Numbers[i] = TElement.FromFloat(Int8Unit.Value(args.Codes[i], args.Scales[i / args.Columns]));
        }
    }
}

/// <summary>Numbers and codes of INT8.</summary>
internal static class Int8Unit
{
    private const float InverseLargest = 1 / 127f;

    /// <summary>The number that is quantised: bitsandbytes rounds to F16 first.</summary>
    public static float Rounded<TElement>(TElement x) where TElement : unmanaged, IElement<TElement> =>
        Float16.ToFloat(Float16.FromFloat(TElement.ToFloat(x)));

    /// <summary>The number that a code stands for.</summary>
    public static float Value(int code, float scale) => code * (scale * InverseLargest);
}
