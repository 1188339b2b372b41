namespace PeftCore.Fuzz.Inputs;

/// <summary>SplitMix64, seeded by run, kind and index, so that any single input can be reproduced.</summary>
internal sealed class FuzzRandom(ulong state)
{
    private ulong _state = state;

    public static FuzzRandom For(ulong seed, string kind, long index)
    {
        ulong hash = 14695981039346656037;
        foreach (char c in kind)
        {
            hash = (hash ^ c) * 1099511628211;
        }
        var random = new FuzzRandom(seed * 0x9E3779B97F4A7C15 ^ hash);
        return new FuzzRandom(random.Bits() + (ulong)index * 0xD1342543DE82EF95);
    }

    public ulong Bits()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number from 0 to below <paramref name="count"/>.</summary>
    public int Below(int count) => (int)(Bits() % (ulong)count);

    /// <summary>A number between two, both included.</summary>
    public int Between(int first, int last) => first + Below(last - first + 1);

    /// <summary>True once in so many times.</summary>
    public bool OnceIn(int times) => Below(times) == 0;

    public T Pick<T>(params IReadOnlyList<T> choices) => choices[Below(choices.Count)];

    public void Shuffle<T>(IList<T> items)
    {
        for (int i = items.Count - 1; i > 0; i--)
        {
            int other = Below(i + 1);
            (items[i], items[other]) = (items[other], items[i]);
        }
    }

    /// <summary>Calls one of several generators, chosen with probability proportional to its weight.</summary>
    public T OneOf<T>(params ReadOnlySpan<(int Weight, Func<T> Make)> choices)
    {
        int total = 0;
        foreach (var (weight, _) in choices)
        {
            total += weight;
        }
        int at = Below(total);
        foreach (var (weight, make) in choices)
        {
            if (at < weight)
            {
                return make();
            }
            at -= weight;
        }
        throw new InvalidOperationException("the weights have no sum");
    }
}
