namespace PeftCore.Data;

/// <summary>Samples side by side, ready to be put into tensors. All lists are row-major over (BatchSize, Length).</summary>
public sealed class Batch
{
    private int[]? _ranges;

    internal Batch(int batchSize, int length)
    {
        (BatchSize, Length) = (batchSize, length);
        InputIds = new int[batchSize * length];
        Labels = new int[batchSize * length];
        Positions = new int[batchSize * length];
        Lengths = new int[batchSize];
        ClassLabels = new int[batchSize];
        Clear(0);
    }

    /// <summary>Makes all of it padding.</summary>
    internal void Clear(int padId)
    {
        Array.Fill(InputIds, padId);
        Array.Fill(Labels, Example.Masked);
        Array.Clear(Positions);
        Array.Clear(Lengths);
        Array.Fill(ClassLabels, -1);
        (CausalRanges, TaskIds, TrainableTokens) = (null, null, 0);
    }

    /// <summary>Room for <see cref="CausalRanges"/>: where they stood before, if they did.</summary>
    internal int[] NewRanges() => CausalRanges = _ranges ??= new int[InputIds.Length * 2];

    /// <summary>How many rows there are.</summary>
    public int BatchSize { get; }

    /// <summary>How many tokens a row has, padding included.</summary>
    public int Length { get; }

    /// <summary>The tokens; padding is on the right.</summary>
    public int[] InputIds { get; } // (B, T)

    /// <summary>The tokens to learn, <see cref="Example.Masked"/> elsewhere; aligned with <see cref="InputIds"/>, the loss shifts
    /// them.</summary>
    public int[] Labels { get; } // (B, T)

    /// <summary>The place of each token in its own sample, counted from zero; zero for padding.</summary>
    public int[] Positions { get; } // (B, T)

    /// <summary>How many tokens of each row are not padding.</summary>
    public int[] Lengths { get; } // (B)

    /// <summary>The class of each row, -1 where there is none.</summary>
    public int[] ClassLabels { get; } // (B)

    /// <summary>The task of each row, 0 for one that names none; null where no row names one.</summary>
    public int[]? TaskIds { get; internal set; } // (B)

    /// <summary>For causal attention: the first key each token sees, and one past the last (itself). Null where no row holds more than
    /// one sample: then plain causal attention is right, for padding stands to the right of all that is real.</summary>
    public int[]? CausalRanges { get; internal set; } // (B, T, 2)

    /// <summary>How many tokens are not padding.</summary>
    public int Tokens
    {
        get
        {
            // Loops, here and below: before it is compiled for good, LINQ leaves garbage behind in every step.
            int sum = 0;
            foreach (int length in Lengths)
            {
                sum += length;
            }
            return sum;
        }
    }

    /// <summary>The largest of <see cref="Positions"/>.</summary>
    internal int LongestPosition
    {
        get
        {
            int longest = 0;
            foreach (int position in Positions)
            {
                longest = Math.Max(longest, position);
            }
            return longest;
        }
    }

    /// <summary>How many tokens are learned. Labels in the first column are not counted: nothing predicts them.</summary>
    public int TrainableTokens { get; internal set; }

    /// <summary>One row by itself, without its padding.</summary>
    /// <param name="row">Its number.</param>
    internal Batch Row(int row)
    {
        int length = Lengths[row], start = row * Length;
        var alone = new Batch(1, length)
        {
            CausalRanges = CausalRanges?[(2 * start)..(2 * (start + length))],
            TaskIds = TaskIds?[row..(row + 1)]
        };
        InputIds.AsSpan(start, length).CopyTo(alone.InputIds);
        Labels.AsSpan(start, length).CopyTo(alone.Labels);
        Positions.AsSpan(start, length).CopyTo(alone.Positions);
        alone.Lengths[0] = length;
        alone.ClassLabels[0] = ClassLabels[row];
        alone.TrainableTokens = alone.Labels.AsSpan(Math.Min(1, length)).ToArray().Count(label => label != Example.Masked);
        return alone;
    }

    /// <summary>The ranges for attention both ways, as encoders have it: each token sees its own sample, a padding token sees
    /// itself.</summary>
    public int[] BidirectionalRanges() // (B, T, 2)
    {
        int[] ranges = new int[InputIds.Length * 2];
        for (int row = 0; row < BatchSize; row++)
        {
            int end = Lengths[row];
            for (int i = Length - 1; i >= 0; i--)
            {
                int at = row * Length + i;
                bool padding = i >= Lengths[row];
                ranges[2 * at] = padding ? i : i - Positions[at];
                ranges[2 * at + 1] = padding ? i + 1 : end;
                if (!padding && Positions[at] == 0)
                {
                    end = i;
                }
            }
        }
        return ranges;
    }
}
