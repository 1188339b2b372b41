using System.Numerics.Tensors;
using PeftCore.Kernels;

namespace PeftCore.Models.Generation;

/// <summary>Chooses the next token from processed logits: the likeliest, or temperature, top-k, top-p, min-p, typical p and a draw, in the
/// order of transformers.</summary>
internal sealed class TokenChooser
{
    // A separate Philox stream: dropout, data order and initial weights use others with the same seed.
    private const ulong Stream = 0x6765_6E65_7261_7465;

    private readonly GenerationOptions _options;
    private ulong _draws;

    public TokenChooser(GenerationOptions options) => _options = options;

    /// <summary>Chooses a token; overwrites the logits.</summary>
    /// <exception cref="BadInputException">The processors excluded every token.</exception>
    public int Choose(Span<float> logits)
    {
        int likeliest = TensorPrimitives.IndexOfMax(logits);
        if (float.IsNegativeInfinity(logits[likeliest]))
        {
            throw new BadInputException(LogitsProcessorList.NothingLeft);
        }
        return _options.Temperature == 0 ? likeliest : Draw(logits);
    }

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
        if (_options.TypicalP < 1)
        {
            LogitsProcessors.Typical(logits, _options.TypicalP);
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
