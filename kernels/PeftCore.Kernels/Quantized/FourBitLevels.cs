namespace PeftCore.Kernels;

/// <summary>The sixteen numbers that codes of four bits stand for, in units of a block's scale, and the bounds between them.</summary>
internal static class FourBitLevels
{
    /// <summary>Number of levels.</summary>
    public const int Count = 16;

    private static readonly byte[] _fp4Order = [11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3];

    private static readonly float[] _nf4Bounds = BoundsOf(QuantizedKind.NF4), _fp4Bounds = BoundsOf(QuantizedKind.FP4);

    /// <summary>NF4: quantiles of the normal distribution, with an exact zero (Dettmers et al. 2023, QLoRA, appendix E).</summary>
    public static ReadOnlySpan<float> NF4 =>
    [
        -1f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
        -0.09105003625154495f, 0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
        0.7229568362236023f, 1f,
    ];

    /// <summary>FP4 of bitsandbytes: code 1 is a subnormal number, and the upper bit is the sign.</summary>
    public static ReadOnlySpan<float> FP4 =>
    [
        0f, 0.0052083334885537624f, 0.6666666865348816f, 1f, 0.3333333432674408f, 0.5f, 0.1666666716337204f, 0.25f,
        0f, -0.0052083334885537624f, -0.6666666865348816f, -1f, -0.3333333432674408f, -0.5f, -0.1666666716337204f, -0.25f,
    ];

    /// <summary>The levels of a kind of codes.</summary>
    public static ReadOnlySpan<float> Of(QuantizedKind kind) => kind == QuantizedKind.NF4 ? NF4 : FP4;

    /// <summary>The address of the levels of a kind of codes, for kernels.</summary>
    public static unsafe float* Address(QuantizedKind kind) => kind == QuantizedKind.NF4 ? Tables.NF4 : Tables.FP4;

    /// <summary>The fifteen means of neighbouring levels, ascending, in F32.</summary>
    public static ReadOnlySpan<float> Bounds(QuantizedKind kind) => kind == QuantizedKind.NF4 ? _nf4Bounds : _fp4Bounds;

    /// <summary>The code of the level with a number of bounds below x. Of FP4's two zeros, 0 is for x ≤ 0 and 8 for x &gt; 0, as
    /// bitsandbytes' stable sort of the levels has it.</summary>
    public static int CodeAt(QuantizedKind kind, int boundsBelow) => kind == QuantizedKind.NF4 ? boundsBelow : _fp4Order[boundsBelow];

    private static unsafe class Tables
    {
        public static readonly float* NF4 = FixedTable.Of(FourBitLevels.NF4), FP4 = FixedTable.Of(FourBitLevels.FP4);
    }

    private static float[] BoundsOf(QuantizedKind kind)
    {
        var levels = Of(kind);
        float[] bounds = new float[Count - 1];
        for (int i = 0; i < bounds.Length; i++)
        {
            bounds[i] = (levels[CodeAt(kind, i)] + levels[CodeAt(kind, i + 1)]) / 2;
        }
        return bounds;
    }
}
