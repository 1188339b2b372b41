using PeftCore.Models.Generation;

namespace PeftCore.Tests.Models.Generation;

/// <summary>A decoder without a model: the logits are a function of the sequence.</summary>
internal sealed class TableDecoder(int vocabulary, Func<IReadOnlyList<int>, float[]> scores, int sequences = 1, int room = 1000)
    : IStepDecoder
{
    private List<int[]> _sequences = [.. Enumerable.Repeat(Array.Empty<int>(), sequences)];

    public int VocabularySize => vocabulary;

    public int Sequences => _sequences.Count;

    public int Room => room - _sequences[0].Length;

    /// <summary>Number of calls of Read.</summary>
    public int Steps { get; private set; }

    /// <summary>A decoder whose logits are seeded noise, different for every sequence.</summary>
    public static TableDecoder Noise(int vocabulary, int seed = 1, int sequences = 1) =>
        new(vocabulary, sequence => NoiseOf(sequence, vocabulary, seed), sequences);

    public static float[] NoiseOf(IReadOnlyList<int> sequence, int vocabulary, int seed = 1)
    {
        var random = new Random(sequence.Aggregate(seed, (hash, token) => unchecked(hash * 31 + token + 1)));
        return [.. Enumerable.Range(0, vocabulary).Select(_ => (float)(4 * random.NextDouble()))];
    }

    public void Read(ReadOnlySpan<int> ids, Span<float> logits)
    {
        Steps++;
        int length = ids.Length / Sequences;
        for (int row = 0; row < Sequences; row++)
        {
            _sequences[row] = [.. _sequences[row], .. ids.Slice(row * length, length)];
            scores(_sequences[row]).CopyTo(logits[(row * vocabulary)..]);
        }
    }

    public void Reorder(ReadOnlySpan<int> rows) => _sequences = [.. rows.ToArray().Select(row => _sequences[row])];

    public void Dispose()
    {
    }
}
