using System.Numerics;

namespace PeftCore.Data;

/// <summary>Packs samples into rows by first-fit decreasing: the longest first, each into the first row with room. It needs at most 11/9 of
/// the fewest rows possible, plus one (Dósa 2007), and the same samples always give the same rows.</summary>
internal static class Packing
{
    /// <summary>Assigns samples to rows.</summary>
    /// <param name="lengths">The length of each sample; none may be longer than a row.</param>
    /// <param name="rowLength">How many tokens fit into a row.</param>
    /// <returns>For each row the indices of its samples.</returns>
    public static int[][] Pack(IReadOnlyList<int> lengths, int rowLength)
    {
        ArgumentNullException.ThrowIfNull(lengths);
        var rows = new List<List<int>>();
        var room = new BinTree(lengths.Count, rowLength);
        foreach (int sample in Enumerable.Range(0, lengths.Count).OrderByDescending(i => lengths[i]).ThenBy(i => i))
        {
            if (lengths[sample] > rowLength || lengths[sample] < 1)
            {
                throw new ArgumentException($"Sample {sample} has {lengths[sample]} tokens, which do not fit a row of {rowLength}.",
                    nameof(lengths));
            }

            int row = room.TakeFirst(lengths[sample]);
            if (row == rows.Count)
            {
                rows.Add([]);
            }

            rows[row].Add(sample);
        }
        return [.. rows.Select(row => row.ToArray())];
    }

    // A max tree over the free room of each row: finds the first row with enough room in logarithmic time.
    private sealed class BinTree
    {
        private readonly int _leaves;
        private readonly int[] _max;

        public BinTree(int rows, int room)
        {
            _leaves = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, rows));
            _max = new int[2 * _leaves];
            Array.Fill(_max, room);
        }

        public int TakeFirst(int length)
        {
            int node = 1;
            while (node < _leaves)
            {
                node = _max[2 * node] >= length ? 2 * node : 2 * node + 1;
            }

            int row = node - _leaves;
            _max[node] -= length;
            while ((node /= 2) > 0)
            {
                _max[node] = Math.Max(_max[2 * node], _max[2 * node + 1]);
            }

            return row;
        }
    }
}
