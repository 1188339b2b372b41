namespace PeftCore.Kernels;

/// <summary>The sixteen numbers that codes of four bits stand for, in units of a block's scale.</summary>
internal static class FourBitLevels
{
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
}
