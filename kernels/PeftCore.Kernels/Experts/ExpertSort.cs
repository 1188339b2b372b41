using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>A stable counting sort of token-expert pairs by expert.</summary>
internal static class ExpertSort
{
    /// <summary>Sorts pairs; pair q = token·k + j is the j-th expert of a token.</summary>
    /// <param name="chosen">(pairs), the expert of each pair.</param>
    /// <param name="order">(pairs), receives the pair of each sorted row.</param>
    /// <param name="position">(pairs), receives the sorted row of each pair: the inverse.</param>
    /// <param name="experts">(pairs), receives the expert of each sorted row.</param>
    /// <param name="offsets">(experts + 1), receives the first row of each expert, and the number of pairs.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sort(ReadOnlySpan<int> chosen, Span<int> order, Span<int> position, Span<int> experts, Span<int> offsets)
    {
        offsets.Clear();
        foreach (int expert in chosen)
        {
            offsets[expert + 1]++;
        }

        for (int e = 1; e < offsets.Length; e++)
        {
            offsets[e] += offsets[e - 1];
        }

        int[] next = offsets[..^1].ToArray();
        for (int q = 0; q < chosen.Length; q++)
        {
            int row = next[chosen[q]]++;
            order[row] = q;
            position[q] = row;
            experts[row] = chosen[q];
        }
    }
}
