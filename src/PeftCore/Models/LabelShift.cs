using PeftCore.Ops;

namespace PeftCore.Models;

/// <summary>Shifts labels to targets. This is the only place that decides which position predicts which token: labels are aligned with
/// their own tokens, as in Hugging Face's files, so position t of a row predicts label t + 1 of that row. With virtual tokens before the
/// row, the last of them predicts label 0; without them no position does.</summary>
internal static class LabelShift
{
    /// <summary>targets[b, t] = labels[b, t + 1]; the last column is <see cref="CrossEntropyOp.Ignore"/>.</summary>
    /// <param name="labels">(B, T): row by row; <see cref="CrossEntropyOp.Ignore"/> where nothing is learned.</param>
    /// <param name="batch">Rows B.</param>
    /// <param name="targets">(B, T): the token that each position predicts.</param>
    /// <returns>The number of targets: positions that predict a token.</returns>
    public static int Shift(ReadOnlySpan<int> labels, int batch, Span<int> targets)
    {
        int length = labels.Length / batch, count = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            targets[i] = (i + 1) % length == 0 ? CrossEntropyOp.Ignore : labels[i + 1];
            count += targets[i] == CrossEntropyOp.Ignore ? 0 : 1;
        }
        return count;
    }

    /// <summary>Shifts targets by P virtual tokens per row: longer[b, P + t] = targets[b, t], and longer[b, P − 1] is label 0 of a row
    /// that has virtual tokens.</summary>
    /// <param name="targets">(B, T): the targets without virtual tokens.</param>
    /// <param name="firstLabels">(B): label 0 of each row; empty if all of them are masked.</param>
    /// <param name="counts">(B): virtual tokens of each row.</param>
    /// <param name="longer">(B, P + T): the targets with virtual tokens; P follows from its length.</param>
    /// <returns>The number of targets.</returns>
    public static int WithPromptTokens(ReadOnlySpan<int> targets, ReadOnlySpan<int> firstLabels, ReadOnlySpan<int> counts, Span<int> longer)
    {
        int batch = counts.Length, length = targets.Length / batch, longerLength = longer.Length / batch;
        longer.Fill(CrossEntropyOp.Ignore);
        for (int b = 0; b < batch; b++)
        {
            var row = longer.Slice(b * longerLength, longerLength);
            targets.Slice(b * length, length).CopyTo(row[^length..]);
            if (counts[b] > 0 && !firstLabels.IsEmpty)
            {
                row[^(length + 1)] = firstLabels[b];
            }
        }
        return longer.Length - longer.Count(CrossEntropyOp.Ignore);
    }

    /// <summary>Label 0 of each row.</summary>
    public static int[] FirstLabels(ReadOnlySpan<int> labels, int batch)
    {
        int[] first = new int[batch];
        for (int b = 0; b < batch; b++)
        {
            first[b] = labels[b * (labels.Length / batch)];
        }
        return first;
    }
}
