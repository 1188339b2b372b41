using System.Numerics;

namespace PeftCore.Tokenizers;

/// <summary>A dictionary that keeps the order of its keys. As in Python 1, 1.0 and True are one key, and the first one stays.</summary>
internal sealed class JinjaDict
{
    private const int MaxKeyParts = 1000;

    private static readonly object None = new();

    private readonly OrderedDictionary<object, object?> _items = new(new KeyComparer());

    public int Count => _items.Count;

    public IEnumerable<KeyValuePair<object?, object?>> Items =>
        _items.Select(i => KeyValuePair.Create(ReferenceEquals(i.Key, None) ? null : i.Key, i.Value));

    public object? this[object? key]
    {
        set => _items[Check(key) ?? None] = value;
    }

    /// <exception cref="BadInputException">The key is a list or dictionary.</exception>
    public bool TryGet(object? key, out object? value) => _items.TryGetValue(Check(key) ?? None, out value);

    public JinjaDict Copy()
    {
        var copy = new JinjaDict();
        foreach (var (key, value) in Items)
        {
            copy[key] = value;
        }

        return copy;
    }

    /// <summary>Whether Python can use the value as a key.</summary>
    public static bool IsKey(object? value)
    {
        int parts = 0;
        return IsKey(value, ref parts);
    }

    private static bool IsKey(object? value, ref int parts)
    {
        // Tuples that share their items can have exponentially many.
        if (++parts > MaxKeyParts)
        {
            throw JinjaError.Of($"a key of a dictionary has more than {MaxKeyParts} parts");
        }

        if (value is JinjaTuple tuple)
        {
            foreach (object? item in tuple)
            {
                if (!IsKey(item, ref parts))
                {
                    return false;
                }
            }

            return true;
        }

        return value is not (List<object?> or JinjaDict or JinjaDictView { Kind: not "values" });
    }

    private static object? Check(object? key) =>
        IsKey(key) ? key : throw JinjaError.Of($"{JinjaText.Describe(key)} cannot be a key of a dictionary");

    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public new bool Equals(object? x, object? y) => (x, y) switch
        {
            (JinjaTuple a, JinjaTuple b) => a.Count == b.Count && a.Zip(b).All(p => Equals(p.First ?? None, p.Second ?? None)),
            (JinjaUndefined, JinjaUndefined) => true,
            _ when JinjaText.IsText(x) && JinjaText.IsText(y) => JinjaText.Str(x) == JinjaText.Str(y),
            _ when JinjaNumbers.IsNumber(x) && JinjaNumbers.IsNumber(y) => ReferenceEquals(x, y) || JinjaNumbers.Compare(x!, y!) == 0,
            _ => ReferenceEquals(x, y),
        };

        public int GetHashCode(object key) => key switch
        {
            string or JinjaMarkup => JinjaText.Str(key).GetHashCode(StringComparison.Ordinal),
            bool flag => (flag ? 1L : 0L).GetHashCode(),
            double real => Math.Floor(real) == real && Math.Abs(real) < 9e18 ? ((long)real).GetHashCode()
                : double.IsFinite(real) && Math.Floor(real) == real ? new BigInteger(real).GetHashCode() : real.GetHashCode(),
            JinjaTuple tuple => tuple.Aggregate(17, (hash, item) => hash * 31 + (item is null ? 0 : GetHashCode(item))),
            JinjaUndefined => 3,
            _ => key.GetHashCode(),
        };
    }
}
