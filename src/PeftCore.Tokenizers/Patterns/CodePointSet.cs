namespace PeftCore.Tokenizers;

/// <summary>A set of code points as sorted, disjoint, non-touching ranges (first, last, first, last …). Surrogates may be inside a
/// range; no text holds them.</summary>
internal sealed class CodePointSet
{
    private const int Last = 0x10FFFF;
    private readonly int[] _bounds;

    private CodePointSet(int[] bounds) => _bounds = bounds;

    public static CodePointSet Empty { get; } = new([]);

    public int RangeCount => _bounds.Length / 2;

    public (int First, int Last) this[int range] => (_bounds[2 * range], _bounds[2 * range + 1]);

    public static CodePointSet Range(int first, int last) => new([first, last]);

    public static CodePointSet Of(IEnumerable<(int First, int Last)> ranges)
    {
        var bounds = new List<int>();
        foreach (var (first, last) in ranges.OrderBy(r => r.First))
        {
            if (bounds.Count > 0 && first <= bounds[^1] + 1)
            {
                bounds[^1] = Math.Max(bounds[^1], last);
            }
            else
            {
                bounds.Add(first);
                bounds.Add(last);
            }
        }

        return new CodePointSet([.. bounds]);
    }

    public bool Contains(int codePoint)
    {
        int index = Array.BinarySearch(_bounds, codePoint);
        return index >= 0 || (~index & 1) == 1;
    }

    public IEnumerable<(int First, int Last)> Ranges()
    {
        for (int i = 0; i < _bounds.Length; i += 2)
        {
            yield return (_bounds[i], _bounds[i + 1]);
        }
    }

    public CodePointSet Union(CodePointSet other) => Of(Ranges().Concat(other.Ranges()));

    public CodePointSet Complement()
    {
        var result = new List<(int, int)>();
        int next = 0;
        foreach (var (first, last) in Ranges())
        {
            if (first > next)
            {
                result.Add((next, first - 1));
            }

            next = last + 1;
        }

        if (next <= Last)
        {
            result.Add((next, Last));
        }

        return Of(result);
    }

    public CodePointSet Intersect(CodePointSet other) => Complement().Union(other.Complement()).Complement();

    public CodePointSet Except(CodePointSet other) => Intersect(other.Complement());
}
