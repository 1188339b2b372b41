namespace PeftCore.Lab.Engine;

/// <summary>A matrix as a heat map of few cells.</summary>
internal static class BlockSizes
{
    /// <summary>The most cells of a side.</summary>
    public const int MostCells = 32;

    /// <summary>Root of the mean square of each block of a matrix. A matrix with few rows and columns has a block for each
    /// number.</summary>
    /// <param name="rows">Rows of the matrix, at least one.</param>
    /// <param name="columns">Its columns, at least one.</param>
    /// <param name="at">The number of a row and a column.</param>
    public static double[][] Of(int rows, int columns, Func<int, int, double> at)
    {
        int down = Math.Min(rows, MostCells), across = Math.Min(columns, MostCells);
        return [.. Enumerable.Range(0, down).Select(i => Enumerable.Range(0, across).Select(j => Rms(at,
            Start(i, rows, down), Start(i + 1, rows, down), Start(j, columns, across), Start(j + 1, columns, across))).ToArray())];
    }

    private static int Start(int block, int size, int blocks) => (int)((long)block * size / blocks);

    private static double Rms(Func<int, int, double> at, int top, int bottom, int left, int right)
    {
        double sum = 0;
        for (int i = top; i < bottom; i++)
        {
            for (int j = left; j < right; j++)
            {
                sum += at(i, j) * at(i, j);
            }
        }
        return Math.Sqrt(sum / ((bottom - top) * (right - left)));
    }
}
