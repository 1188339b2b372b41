namespace PeftCore.Extensions.AI.Embeddings;

/// <summary>A way to make one vector of the hidden states of a text's tokens, as Sentence Transformers names it.</summary>
internal enum PoolingKind
{
    /// <summary>The first token.</summary>
    Cls,

    /// <summary>The largest value of each column.</summary>
    Max,

    /// <summary>Σ h / T.</summary>
    Mean,

    /// <summary>Σ h / √T.</summary>
    MeanSqrtLength,

    /// <summary>Σ w·h / Σ w, where w is the position of the token, counted from 1.</summary>
    WeightedMean,

    /// <summary>The last token.</summary>
    LastToken,
}

/// <summary>Pools hidden states: (T, C) to (C). The tokens of a prompt can be left out.</summary>
internal static class TokenPooling
{
    /// <summary>The pooled vector of one text.</summary>
    /// <param name="kind">How.</param>
    /// <param name="hidden">(T, C): the states of the text's tokens, padding excluded.</param>
    /// <param name="columns">C.</param>
    /// <param name="first">Tokens at the start that are left out.</param>
    public static float[] Pool(PoolingKind kind, ReadOnlySpan<float> hidden, int columns, int first)
    {
        int tokens = hidden.Length / columns;
        first = Math.Min(first, tokens - 1);
        return kind switch
        {
            PoolingKind.Cls => hidden.Slice(first * columns, columns).ToArray(),
            PoolingKind.LastToken => hidden[^columns..].ToArray(),
            PoolingKind.Max => Largest(hidden[(first * columns)..], columns),
            PoolingKind.Mean => Sum(hidden, columns, first, _ => 1, weights => weights),
            PoolingKind.MeanSqrtLength => Sum(hidden, columns, first, _ => 1, Math.Sqrt),
            _ => Sum(hidden, columns, first, token => token + 1, weights => weights),
        };
    }

    private static float[] Largest(ReadOnlySpan<float> hidden, int columns)
    {
        float[] largest = hidden[..columns].ToArray();
        for (int i = columns; i < hidden.Length; i++)
        {
            largest[i % columns] = Math.Max(largest[i % columns], hidden[i]);
        }
        return largest;
    }

    /// <summary>Σ w·h divided by a function of Σ w.</summary>
    private static float[] Sum(ReadOnlySpan<float> hidden, int columns, int first, Func<int, double> weightOf,
        Func<double, double> divisorOf)
    {
        double[] sums = new double[columns];
        double weights = 0;
        for (int token = first; token < hidden.Length / columns; token++)
        {
            double weight = weightOf(token);
            weights += weight;
            for (int column = 0; column < columns; column++)
            {
                sums[column] += weight * hidden[token * columns + column];
            }
        }
        double divisor = divisorOf(weights);
        return Array.ConvertAll(sums, sum => (float)(sum / divisor));
    }
}
