namespace PeftCore.Peft;

/// <summary>The parts of the attached adapters at one hook, such as their <see cref="LayerAdapter"/>s on one layer.</summary>
/// <typeparam name="T">The kind of part.</typeparam>
/// <param name="set">The active set.</param>
internal sealed class AdapterParts<T>(ActiveSet set) where T : class
{
    // Look-ups of different calls that are kept.
    private const int MostResolved = 16;

    private readonly Dictionary<Adapter, T> _parts = [];
    private Resolved[] _resolved = [];

    public bool IsEmpty => _parts.Count == 0;

    /// <summary>Parts of the applied adapters, in their order. They are looked up once for each set of adapters; every other call compares
    /// references and allocates nothing.</summary>
    public T[] Applied
    {
        get
        {
            var applied = set.Applied;
            var known = _resolved; // Replaced as a whole, so that threads with other adapters may read it meanwhile.
            foreach (var resolved in known)
            {
                if (resolved.Set == applied)
                {
                    return resolved.Parts;
                }
            }
            var added = new Resolved(applied, [.. applied.Select(Of).OfType<T>()]);
            _resolved = [added, .. known.Take(MostResolved - 1)];
            return added.Parts;
        }
    }

    /// <summary>The part of one adapter; null if it has none here.</summary>
    public T? Of(Adapter? adapter) => adapter is null ? null : _parts.GetValueOrDefault(adapter);

    public void Add(Adapter adapter, T part)
    {
        _parts.Add(adapter, part);
        _resolved = [];
    }

    public void Remove(Adapter adapter)
    {
        _parts.Remove(adapter);
        _resolved = [];
    }

    /// <summary>The result of a look-up. It is one object, so that a concurrent reader gets a set with its own parts.</summary>
    private sealed record Resolved(Adapter[] Set, T[] Parts);
}
