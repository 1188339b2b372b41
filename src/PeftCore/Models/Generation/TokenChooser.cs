using System.Numerics.Tensors;
using PeftCore.Kernels;

namespace PeftCore.Models.Generation;

/// <summary>Samples the next token from logits: penalty, temperature, top-k, top-p, min-p, draw, in transformers' order.</summary>
internal sealed class TokenChooser
{
    // A separate Philox stream: dropout, data order and initial weights use others with the same seed.
    private const ulong Stream = 0x6765_6E65_7261_7465;

    private readonly GenerationOptions _options;
    private readonly HashSet<int> _seen;
    private ulong _draws;

    public TokenChooser(GenerationOptions options, ReadOnlySpan<int> prompt)
    {
        _options = options;
        _seen = [.. prompt];
    }

    /// <summary>Samples a token; overwrites the logits.</summary>
    public int Choose(Span<float> logits)
    {
        // The index of the first NaN, if any; an infinite logit has no softmax.
        if (!float.IsFinite(logits[Likeliest(logits)]))
        {
            throw new BadInputException(DamagedOutput.Sentence);
        }
        if (_options.RepetitionPenalty != 1)
        {
            LogitsProcessors.RepetitionPenalty(logits, _seen, _options.RepetitionPenalty);
        }
        int token = _options.Temperature == 0 ? Likeliest(logits) : Draw(logits);
        _seen.Add(token);
        return token;
    }

    /// <summary>The index of the first of the largest logits.</summary>
    internal static int Likeliest(ReadOnlySpan<float> logits) => TensorPrimitives.IndexOfMax(logits);

    private int Draw(Span<float> logits)
    {
        if (_options.Temperature != 1)
        {
            LogitsProcessors.Temperature(logits, _options.Temperature);
        }
        if (_options.TopK > 0)
        {
            LogitsProcessors.TopK(logits, _options.TopK);
        }
        if (_options.TopP < 1)
        {
            LogitsProcessors.TopP(logits, _options.TopP);
        }
        if (_options.MinP > 0)
        {
            LogitsProcessors.MinP(logits, _options.MinP);
        }
        double[] probabilities = LogitsProcessors.Probabilities(logits);
        double left = Uniform();
        int last = 0;
        for (int token = 0; token < probabilities.Length; token++)
        {
            if (probabilities[token] > 0)
            {
                last = token;
                left -= probabilities[token];
                if (left < 0)
                {
                    break;
                }
            }
        }
        return last;
    }

    /// <summary>A number in [0, 1) with 53 random bits.</summary>
    private double Uniform()
    {
        var words = Philox.Next(_options.Seed, Stream, _draws++);
        return ((ulong)(words.X >> 5) << 26 | words.Y >> 6) * (1.0 / (1L << 53));
    }
}
