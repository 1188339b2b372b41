namespace PeftCore.Models;

/// <summary>A copy of one row to another; row −1 is a spare one.</summary>
internal readonly record struct RowMove(int From, int To);

/// <summary>Gathers rows in place: a parallel move, as compilers order the copies of registers (Boissinot et al. 2009). A row is
/// overwritten only after every row that needs its old content was made, and a spare row breaks cycles, so a gather needs no second copy of
/// all rows.</summary>
internal static class RowMoves
{
    public const int Spare = -1;

    /// <summary>The copies, in order, after which row i holds what row <c>sources[i]</c> held before.</summary>
    public static List<RowMove> Gather(ReadOnlySpan<int> sources)
    {
        int[] source = sources.ToArray();
        int[] readers = new int[Math.Max(source.Length, source.Max() + 1)];
        var pending = new HashSet<int>(Enumerable.Range(0, source.Length).Where(row => source[row] != row));
        foreach (int row in pending)
        {
            readers[source[row]]++;
        }
        var ready = new Stack<int>(pending.Where(row => readers[row] == 0));
        var moves = new List<RowMove>();
        while (pending.Count > 0)
        {
            if (!ready.TryPop(out int row))
            {
                // Only cycles are left, and each of their rows has one reader.
                row = pending.First();
                moves.Add(new RowMove(row, Spare));
                source[pending.First(other => source[other] == row)] = Spare;
            }
            moves.Add(new RowMove(source[row], row));
            pending.Remove(row);
            if (source[row] is var from and not Spare && --readers[from] == 0 && pending.Contains(from))
            {
                ready.Push(from);
            }
        }
        return moves;
    }
}
