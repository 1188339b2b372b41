namespace PeftCore.Kernels;

/// <summary>Σ x in F32 in the order of PyTorch's sum on processors ("cascade sum"), whose bits the mean of double quantisation needs.
/// <para>x is read as vectors of 8, which four accumulators take in turn. Each accumulator has four levels: after 2^p vectors (p = max(4,
/// ⌈log₂ n⌉/4) of n vectors an accumulator) the sum of a level is added to the next one and cleared. At the end the levels, then the
/// vectors that are left, then the accumulators are added; the elements after the last whole vector come first in the sum of its
/// lanes.</para>
/// <para>From 32,768 numbers on PyTorch splits the sum over its threads, so the last bit of a mean depends on their number; this is the
/// order of one thread.</para></summary>
internal static class CascadeSum
{
    private const int Lanes = 8, Accumulators = 4, Levels = 4;

    /// <summary>The sum of all numbers; 0 of none.</summary>
    public static float Of(ReadOnlySpan<float> x)
    {
        int vectors = x.Length / Lanes, rows = vectors / Accumulators;
        Span<float> sums = stackalloc float[Levels * Accumulators * Lanes];
        sums.Clear();
        SumRows(x, rows, sums);
        var total = sums[..Lanes];
        for (int vector = rows * Accumulators; vector < vectors; vector++)
        {
            Add(total, x.Slice(vector * Lanes, Lanes));
        }
        for (int k = 1; k < Accumulators; k++)
        {
            Add(total, sums.Slice(k * Lanes, Lanes));
        }
        float sum = 0;
        foreach (float number in x[(vectors * Lanes)..])
        {
            sum += number;
        }
        foreach (float number in total)
        {
            sum += number;
        }
        return sum;
    }

    // A row is one vector for each accumulator. The result is the first level.
    private static void SumRows(ReadOnlySpan<float> x, int rows, Span<float> sums)
    {
        const int Row = Accumulators * Lanes;
        int power = Math.Max(4, CeilLog2(rows) / Levels), mask = (1 << power) - 1;
        for (int i = 0; i < rows;)
        {
            Add(sums[..Row], x.Slice(i * Row, Row));
            i++;
            // Only whole groups of 2^p rows are carried to the next level.
            for (int level = 1; level < Levels && (i & mask) == 0; level++)
            {
                Add(sums.Slice(level * Row, Row), sums.Slice((level - 1) * Row, Row));
                sums.Slice((level - 1) * Row, Row).Clear();
                if ((i & (mask << (level * power))) != 0)
                {
                    break;
                }
            }
        }
        for (int level = 1; level < Levels; level++)
        {
            Add(sums[..Row], sums.Slice(level * Row, Row));
        }
    }

    private static void Add(Span<float> sums, ReadOnlySpan<float> x)
    {
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] += x[i];
        }
    }

    private static int CeilLog2(int x) => x <= 1 ? 0 : 32 - int.LeadingZeroCount(x - 1);
}
