namespace PeftCore.Io.Gguf;

/// <summary>The order of the rows of q and k for ggml's rotation of neighbours. Hugging Face's rotation turns row i of a head together with
/// row i + d/2; in the file these are the neighbours 2i and 2i + 1.</summary>
internal static class GgufRows
{
    /// <summary>The row of the file that holds a row of the model.</summary>
    /// <param name="row">The row of the model.</param>
    /// <param name="headDim">Rows of a head, an even number.</param>
    public static long InFile(long row, long headDim)
    {
        long head = row / headDim, inside = row % headDim, half = headDim / 2;
        return head * headDim + inside % half * 2 + inside / half;
    }

    /// <summary>The row of the model that a row of the file holds.</summary>
    /// <param name="row">The row of the file.</param>
    /// <param name="headDim">Rows of a head, an even number.</param>
    public static long InModel(long row, long headDim)
    {
        long head = row / headDim, inside = row % headDim;
        return head * headDim + inside % 2 * (headDim / 2) + inside / 2;
    }
}
