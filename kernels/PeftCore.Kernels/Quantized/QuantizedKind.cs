namespace PeftCore.Kernels;

/// <summary>The codes of a quantised matrix.</summary>
internal enum QuantizedKind
{
    /// <summary>Four bits: quantiles of the normal distribution (Dettmers et al. 2023, QLoRA, appendix E).</summary>
    NF4,

    /// <summary>Four bits: sign, two exponent bits, one mantissa bit, as bitsandbytes has them.</summary>
    FP4,

    /// <summary>A signed byte, scaled by row (Dettmers et al. 2022, LLM.int8()).</summary>
    Int8,
}
