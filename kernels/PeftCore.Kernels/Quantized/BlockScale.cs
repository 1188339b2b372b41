namespace PeftCore.Kernels;

/// <summary>The scale of a block, and the division by it as bitsandbytes 0.50 computes it: a whole block is multiplied by the scale's
/// reciprocal, the shorter rest of a matrix is divided. A divisor is at least 1e-38, so a block of zeros gives zeros and no NaN.</summary>
/// <param name="Stored">The scale that is stored: of a whole block of zeros 0, of a rest of zeros the least divisor.</param>
/// <param name="Divisor">The divisor.</param>
/// <param name="IsWhole">Whether the block is whole.</param>
internal readonly record struct BlockScale(float Stored, float Divisor, bool IsWhole)
{
    private const float Least = 1e-38f;

    /// <summary>1/divisor.</summary>
    public float Reciprocal { get; } = 1 / Divisor;

    /// <summary>The scale of some numbers of a block; not finite if one of them is not.</summary>
    public static BlockScale Of(ReadOnlySpan<float> numbers, int blockSize)
    {
        float largest = LargestMagnitude.Of(numbers), divisor = Math.Max(largest, Least);
        bool isWhole = numbers.Length == blockSize;
        return new BlockScale(isWhole ? largest : divisor, divisor, isWhole);
    }

    /// <summary>x in units of the scale.</summary>
    public float Divide(float x) => IsWhole ? x * Reciprocal : x / Divisor;
}
