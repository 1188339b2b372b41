using PeftCore.Kernels;

namespace PeftCore.Data;

/// <summary>Masks tokens for masked language modelling (Devlin et al. 2018, arXiv:1810.04805): of 15 % of the tokens, 80 % become the mask
/// token, 10 % a random token, 10 % stay; the model predicts all of them. The choice is a pure function of seed, epoch and sample, so that
/// it is drawn anew in each epoch and a resumed run repeats it.</summary>
internal sealed class TokenMasking
{
    // A Philox stream of its own: the order of samples, dropout and initial weights use others with the same seed.
    private const ulong Streams = 0x6D61_736B_0000_0000;
    private const float Replaced = 0.8f, Random = 0.9f;

    private readonly int _maskId;
    private readonly int _vocabulary;
    private readonly float _probability;

    /// <summary>Creates a masking.</summary>
    /// <param name="maskId">The mask token.</param>
    /// <param name="vocabulary">Random tokens are below this.</param>
    /// <param name="probability">The share of tokens to predict.</param>
    public TokenMasking(int maskId, int vocabulary, double probability = 0.15)
    {
        if (!(probability is > 0 and < 1))
        {
            throw new BadInputException($"mlm_probability is {probability}, expected a share between 0 and 1, such as 0.15.");
        }
        (_maskId, _vocabulary, _probability) = (maskId, vocabulary, (float)probability);
    }

    /// <summary>A hash of the parameters, for the fingerprint of the data.</summary>
    public long Key => HashCode(_maskId, _vocabulary, BitConverter.SingleToInt32Bits(_probability));

    /// <summary>Masks the tokens of a sample and sets their labels. A sample of which no token was drawn predicts one, so that it has a
    /// loss.</summary>
    /// <param name="ids">The tokens; masked ones are overwritten.</param>
    /// <param name="labels">Receives the tokens to predict; all others are not changed.</param>
    /// <param name="isSpecial">Tokens that are not masked; empty for none.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="epoch">The pass over the data.</param>
    /// <param name="sample">Index of the sample in the data.</param>
    public void Apply(Span<int> ids, Span<int> labels, ReadOnlySpan<bool> isSpecial, ulong seed, int epoch, int sample)
    {
        RandomWords WordsOf(int token) => Philox.Next(seed, Streams + (uint)epoch, ((ulong)(uint)sample << 32) | (uint)token);
        int masked = 0, lowest = -1;
        float lowestDraw = float.PositiveInfinity;
        for (int i = 0; i < ids.Length; i++)
        {
            if (!isSpecial.IsEmpty && isSpecial[i])
            {
                continue;
            }
            float draw = Philox.Uniform(WordsOf(i).X);
            if (draw < _probability)
            {
                Mask(ids, labels, i, WordsOf(i));
                masked++;
            }
            else if (draw < lowestDraw)
            {
                (lowest, lowestDraw) = (i, draw);
            }
        }
        if (masked == 0 && lowest >= 0)
        {
            Mask(ids, labels, lowest, WordsOf(lowest));
        }
    }

    private void Mask(Span<int> ids, Span<int> labels, int at, RandomWords words)
    {
        labels[at] = ids[at];
        float kind = Philox.Uniform(words.Y);
        ids[at] = kind < Replaced ? _maskId : kind < Random ? (int)(((ulong)words.Z * (ulong)_vocabulary) >> 32) : ids[at];
    }

    private static long HashCode(params ReadOnlySpan<long> values)
    {
        long hash = 17;
        foreach (long value in values)
        {
            hash = unchecked(hash * 31 + value);
        }
        return hash;
    }
}
