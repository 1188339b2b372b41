namespace PeftCore.Kernels;

/// <summary>What an attention call has beyond q, k and v: masks, additive terms of the scores, sinks, dropout. An empty span is an absent
/// option.</summary>
internal readonly ref struct AttentionTerms
{
    /// <summary>(batch, queries, 2): query (b, i) attends to keys [ranges[2(b·Tq+i)], ranges[2(b·Tq+i)+1]) of batch row b. Empty means
    /// causal, with the queries at the end of the keys.</summary>
    public ReadOnlySpan<int> Ranges { get; init; }

    /// <summary>One ALiBi slope a head; slope·(j − i − Tk + Tq) is added to a score.</summary>
    public ReadOnlySpan<float> Slopes { get; init; }

    /// <summary>Added to the scores; −∞ masks a key.</summary>
    public ReadOnlySpan<float> Bias { get; init; }

    public BiasStrides BiasStrides { get; init; }

    /// <summary>One logit a head in the softmax's denominator that attends to no key.</summary>
    public ReadOnlySpan<float> Sinks { get; init; }

    public AttentionDropout Dropout { get; init; }
}

/// <summary><see cref="AttentionTerms"/> by address; a null pointer is an absent option.</summary>
internal readonly unsafe struct AttentionTermPointers(int* ranges, float* slopes, float* bias, float* sinks, in AttentionTerms terms)
{
    public readonly int* Ranges = ranges;
    public readonly float* Slopes = slopes, Bias = bias, Sinks = sinks;

    public BiasStrides BiasStrides { get; } = terms.BiasStrides;

    public AttentionDropout Dropout { get; } = terms.Dropout;
}
