namespace PeftCore.Kernels;

/// <summary>Dropout of attention's probabilities: kept ones are scaled by 1/(1 − p). The mask is a function of seed, stream and position
/// (Philox), so that the backward pass and a recomputation get it again without storing it.</summary>
/// <param name="Probability">Probability p of a probability to become zero; 0 for no dropout.</param>
/// <param name="Seed">Seed of the run.</param>
/// <param name="Stream">Number of the layer and the step.</param>
internal readonly record struct AttentionDropout(float Probability, ulong Seed, ulong Stream)
{
    public bool Active => Probability > 0;

    /// <summary>The factor of a kept probability.</summary>
    public float Scale => 1f / (1f - Probability);

    /// <summary>p·2²⁴ rounded up: a random word's top 24 bits are at least that exactly if its uniform number is at least p.</summary>
    public uint Below => (uint)Math.Ceiling(Probability * 16777216.0);

    /// <summary>The random number of the first key of a row of scores, row = (b·heads + h)·queries + i. Rows take a multiple of 4 numbers,
    /// because the generator yields 4 at a time: so no four of them belong to two rows.</summary>
    public static ulong RowStart(long row, int keys) => (ulong)row * (((ulong)keys + 3) / 4 * 4);
}
