using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The inputs of a decoder in training (teacher forcing): the labels one place later, −100 replaced by padding. Position t reads
/// token t − 1 and predicts token t.</summary>
internal static class ShiftedLabels
{
    /// <summary>Puts a start token before each row.</summary>
    /// <param name="labels">(B, T).</param>
    /// <param name="batch">Rows B.</param>
    /// <param name="start">The first token.</param>
    /// <param name="pad">The padding token.</param>
    public static int[] FromStart(int[] labels, int batch, int start, int pad) => Shift(labels, batch, pad, _ => start);

    /// <summary>Puts the last token of each row, the language of mBART's texts, before the row (Liu et al. 2020).</summary>
    /// <param name="labels">(B, T).</param>
    /// <param name="batch">Rows B.</param>
    /// <param name="pad">The padding token.</param>
    public static int[] FromLast(int[] labels, int batch, int pad) => Shift(labels, batch, pad, row =>
    {
        // As in transformers the tokens that are not padding are counted, and those before the last of them may be padding.
        int count = row.Count(token => token != CrossEntropyOp.Ignore && token != pad);
        int last = row[(count > 0 ? count : row.Length) - 1];
        return last == CrossEntropyOp.Ignore ? pad : last;
    });

    private static int[] Shift(int[] labels, int batch, int pad, Func<int[], int> start)
    {
        if (batch <= 0 || labels.Length == 0 || labels.Length % batch != 0)
        {
            throw new ShapeException("labels", $"{labels.Length} tokens do not fill {batch} rows of one length");
        }
        int length = labels.Length / batch;
        int[] shifted = new int[labels.Length];
        for (int b = 0; b < batch; b++)
        {
            int[] row = labels[(b * length)..((b + 1) * length)];
            shifted[b * length] = start(row);
            for (int t = 1; t < length; t++)
            {
                shifted[b * length + t] = row[t - 1] == CrossEntropyOp.Ignore ? pad : row[t - 1];
            }
        }
        return shifted;
    }
}
