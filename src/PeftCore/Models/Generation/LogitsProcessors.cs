namespace PeftCore.Models.Generation;

/// <summary>Transforms of the logits before sampling, as in transformers. An excluded token has logit −∞.</summary>
internal static class LogitsProcessors
{
    /// <summary>Lowers the logits of tokens that occurred (Keskar et al. 2019, "CTRL"), once each.</summary>
    public static void RepetitionPenalty(Span<float> logits, HashSet<int> seen, float penalty)
    {
        foreach (int token in seen)
        {
            logits[token] = logits[token] < 0 ? logits[token] * penalty : logits[token] / penalty;
        }
    }

    public static void Temperature(Span<float> logits, float temperature)
    {
        foreach (ref float logit in logits)
        {
            logit /= temperature;
        }
    }

    /// <summary>Keeps the k largest logits and ties of the smallest of them.</summary>
    public static void TopK(Span<float> logits, int k)
    {
        if (k >= logits.Length)
        {
            return;
        }
        // The k largest so far, ascending: nearly all logits fail the first comparison.
        float[] largest = new float[k];
        Array.Fill(largest, float.NegativeInfinity);
        foreach (float logit in logits)
        {
            if (!(logit > largest[0]))
            {
                continue;
            }
            int at = 1;
            for (; at < k && largest[at] < logit; at++)
            {
                largest[at - 1] = largest[at];
            }
            largest[at - 1] = logit;
        }
        RuleOutBelow(logits, largest[0]);
    }

    /// <summary>Keeps the likeliest tokens until their probabilities reach p (Holtzman et al. 2020, nucleus sampling); at least
    /// one.</summary>
    public static void TopP(Span<float> logits, float p)
    {
        double[] probabilities = Probabilities(logits);
        int[] order = [.. Enumerable.Range(0, logits.Length)];
        Array.Sort(Array.ConvertAll(probabilities, probability => probability), order);
        double below = 0;
        foreach (int token in order.AsSpan(0, order.Length - 1))
        {
            below += probabilities[token];
            if (below > 1 - (double)p)
            {
                return;
            }
            logits[token] = float.NegativeInfinity;
        }
    }

    /// <summary>Keeps tokens at least p times as likely as the likeliest (Nguyen et al. 2024, min-p).</summary>
    public static void MinP(Span<float> logits, float p)
    {
        double[] probabilities = Probabilities(logits);
        double least = p * probabilities.Max();
        for (int token = 0; token < logits.Length; token++)
        {
            if (probabilities[token] < least)
            {
                logits[token] = float.NegativeInfinity;
            }
        }
    }

    /// <summary>Keeps the tokens whose information −ln p is closest to its expected value, the entropy, until their probabilities reach the
    /// mass (Meister et al. 2022, locally typical sampling); at least one.</summary>
    public static void Typical(Span<float> logits, float mass)
    {
        double[] probabilities = Probabilities(logits);
        double entropy = -probabilities.Sum(p => p > 0 ? p * Math.Log(p) : 0);
        double[] distance = Array.ConvertAll(probabilities, p => Math.Abs(-Math.Log(p) - entropy));
        int[] order = [.. Enumerable.Range(0, logits.Length).OrderBy(token => distance[token])];
        double sum = 0;
        int kept = order.TakeWhile(token => (sum += probabilities[token]) < mass).Count();
        double farthest = distance[order[Math.Min(kept, order.Length - 1)]];
        for (int token = 0; token < logits.Length; token++)
        {
            logits[token] = distance[token] > farthest ? float.NegativeInfinity : logits[token];
        }
    }

    /// <summary>ln softmax, with the sum in double precision.</summary>
    public static void LogSoftmax(Span<float> logits)
    {
        double largest = Largest(logits), sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp(logit - largest);
        }
        double logSum = largest + Math.Log(sum);
        foreach (ref float logit in logits)
        {
            logit = (float)(logit - logSum);
        }
    }

    /// <summary>Softmax in double precision.</summary>
    public static double[] Probabilities(ReadOnlySpan<float> logits)
    {
        double largest = Largest(logits), sum = 0;
        double[] probabilities = new double[logits.Length];
        for (int i = 0; i < logits.Length; i++)
        {
            sum += probabilities[i] = Math.Exp(logits[i] - largest);
        }
        for (int i = 0; i < logits.Length; i++)
        {
            probabilities[i] /= sum;
        }
        return probabilities;
    }

    private static float Largest(ReadOnlySpan<float> logits)
    {
        float largest = float.NegativeInfinity;
        foreach (float logit in logits)
        {
            largest = Math.Max(largest, logit);
        }
        return largest;
    }

    private static void RuleOutBelow(Span<float> logits, float least)
    {
        foreach (ref float logit in logits)
        {
            logit = logit < least ? float.NegativeInfinity : logit;
        }
    }
}
