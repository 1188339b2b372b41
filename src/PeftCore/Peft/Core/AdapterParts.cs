namespace PeftCore.Peft;

/// <summary>The parts of the attached adapters at one hook, such as their <see cref="LayerAdapter"/>s on one layer.</summary>
/// <typeparam name="T">The kind of part.</typeparam>
/// <param name="set">The active set.</param>
internal sealed class AdapterParts<T>(ActiveSet set) where T : class
{
    private readonly Dictionary<Adapter, T> _parts = [];
    private Resolved? _resolved;

    public bool IsEmpty => _parts.Count == 0;

    /// <summary>Parts of the applied adapters, in their order. They are looked up once after each change of the active set; every other
    /// call compares one reference and allocates nothing.</summary>
    public T[] Applied
    {
        get
        {
            var applied = set.Applied;
            if (_resolved is not { } resolved || resolved.Set != applied)
            {
                _resolved = resolved = new Resolved(applied, [.. applied.Select(Of).OfType<T>()]);
            }
            return resolved.Parts;
        }
    }

    /// <summary>The part of one adapter; null if it has none here.</summary>
    public T? Of(Adapter? adapter) => adapter is null ? null : _parts.GetValueOrDefault(adapter);

    public void Add(Adapter adapter, T part)
    {
        _parts.Add(adapter, part);
        _resolved = null;
    }

    public void Remove(Adapter adapter)
    {
        _parts.Remove(adapter);
        _resolved = null;
    }

    /// <summary>The result of a look-up. It is one object, so that a concurrent reader gets a set with its own parts.</summary>
    private sealed record Resolved(Adapter[] Set, T[] Parts);
}
