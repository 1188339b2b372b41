namespace PeftCore.Models;

/// <summary>Decoding of connectionist temporal classification: the labels that frames of logits spell.</summary>
internal static class CtcDecoding
{
    /// <summary>The fewest frames that can spell labels: one each, and a blank between two equal ones.</summary>
    /// <param name="labels">The labels, negative for padding after them.</param>
    public static int FramesFor(ReadOnlySpan<int> labels)
    {
        int frames = 0;
        for (int i = 0; i < labels.Length && labels[i] >= 0; i++)
        {
            frames += i > 0 && labels[i] == labels[i - 1] ? 2 : 1;
        }
        return frames;
    }

    /// <summary>The labels of the most probable alignment: the best symbol of each frame, repeats collapsed, blanks left out.</summary>
    /// <param name="logits">(frames, classes), row-major.</param>
    /// <param name="classes">Symbols.</param>
    /// <param name="blank">The symbol between labels.</param>
    public static int[] Greedy(ReadOnlySpan<float> logits, int classes, int blank)
    {
        var labels = new List<int>();
        int last = blank;
        for (int at = 0; at + classes <= logits.Length; at += classes)
        {
            int best = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(logits.Slice(at, classes));
            if (best != last && best != blank)
            {
                labels.Add(best);
            }
            last = best;
        }
        return [.. labels];
    }

    /// <summary>The most probable labels by prefix beam search (Hannun et al. 2014), which adds up the alignments that spell the same
    /// labels, with blank and other endings apart.</summary>
    /// <param name="logits">(frames, classes), row-major.</param>
    /// <param name="classes">Symbols.</param>
    /// <param name="blank">The symbol between labels.</param>
    /// <param name="beams">Prefixes that are kept after each frame.</param>
    public static int[] Beam(ReadOnlySpan<float> logits, int classes, int blank, int beams)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(beams, 1);
        var root = new Prefix(null, blank) { Blank = 0 };
        List<Prefix> kept = [root];
        double[] logs = new double[classes];
        for (int at = 0; at + classes <= logits.Length; at += classes)
        {
            LogSoftmax(logits.Slice(at, classes), logs);
            var reached = new HashSet<Prefix>();
            foreach (var prefix in kept)
            {
                prefix.Stay(logs[blank], prefix.Parent is null ? double.NegativeInfinity : logs[prefix.Symbol]);
                reached.Add(prefix);
                for (int c = 0; c < classes; c++)
                {
                    if (c != blank)
                    {
                        reached.Add(prefix.Extend(c, logs[c]));
                    }
                }
            }
            foreach (var prefix in reached)
            {
                prefix.Advance();
            }
            kept = [.. reached.OrderByDescending(prefix => prefix.Total).Take(beams)];
            foreach (var prefix in reached.Except(kept))
            {
                prefix.Forget();
            }
        }
        return kept[0].Labels();
    }

    private static void LogSoftmax(ReadOnlySpan<float> row, Span<double> logs)
    {
        double max = System.Numerics.Tensors.TensorPrimitives.Max(row), sum = 0;
        foreach (float x in row)
        {
            sum += Math.Exp(x - max);
        }
        for (int c = 0; c < row.Length; c++)
        {
            logs[c] = row[c] - max - Math.Log(sum);
        }
    }

    private static double LogAdd(double a, double b)
    {
        double max = Math.Max(a, b);
        return double.IsNegativeInfinity(max) ? max : max + Math.Log(Math.Exp(a - max) + Math.Exp(b - max));
    }

    /// <summary>Labels with the logarithms of the probabilities of the alignments that spell them so far.</summary>
    private sealed class Prefix(Prefix? parent, int symbol)
    {
        private readonly Dictionary<int, Prefix> _longer = [];
        private double _nextBlank = double.NegativeInfinity;
        private double _nextSymbol = double.NegativeInfinity;

        public Prefix? Parent => parent;

        /// <summary>The last label.</summary>
        public int Symbol => symbol;

        /// <summary>Alignments that end with a blank.</summary>
        public double Blank { get; set; } = double.NegativeInfinity;

        /// <summary>Alignments that end with the last label.</summary>
        private double Label { get; set; } = double.NegativeInfinity;

        public double Total => LogAdd(Blank, Label);

        /// <summary>A frame that adds no label: a blank, or the last label again.</summary>
        public void Stay(double blank, double again)
        {
            _nextBlank = LogAdd(_nextBlank, Total + blank);
            _nextSymbol = LogAdd(_nextSymbol, Label + again);
        }

        /// <summary>A frame that adds a label. The last label again is a new one only after a blank.</summary>
        public Prefix Extend(int c, double log)
        {
            if (!_longer.TryGetValue(c, out var longer))
            {
                _longer.Add(c, longer = new Prefix(this, c));
            }
            longer._nextSymbol = LogAdd(longer._nextSymbol, (parent is not null && c == symbol ? Blank : Total) + log);
            return longer;
        }

        /// <summary>The frame is over.</summary>
        public void Advance()
        {
            (Blank, Label) = (_nextBlank, _nextSymbol);
            _nextBlank = _nextSymbol = double.NegativeInfinity;
        }

        /// <summary>The prefix is not among the best: a later frame reaches it anew.</summary>
        public void Forget() => Blank = Label = double.NegativeInfinity;

        public int[] Labels()
        {
            var labels = new List<int>();
            for (var at = this; at.Parent is not null; at = at.Parent)
            {
                labels.Add(at.Symbol);
            }
            labels.Reverse();
            return [.. labels];
        }
    }
}
