namespace PeftCore.Models;

/// <summary>A setting with one value for each layer. Two are equal if their values are.</summary>
internal sealed class PerLayer<T> : IEquatable<PerLayer<T>>
{
    private readonly T[] _values; // one if all layers have the same

    /// <summary>One value for all layers.</summary>
    public PerLayer(T common) => _values = [common];

    /// <summary>A value for each layer.</summary>
    public PerLayer(IEnumerable<T> values)
    {
        _values = [.. values];
        if (_values.Length > 0 && Array.TrueForAll(_values, value => EqualityComparer<T>.Default.Equals(value, _values[0])))
        {
            _values = [_values[0]];
        }
    }

    /// <summary>The value of a layer.</summary>
    public T this[int layer] => _values.Length == 1 ? _values[0] : _values[layer];

    /// <summary>The values that occur.</summary>
    public IEnumerable<T> Distinct => _values.Distinct();

    /// <summary>One value for all layers.</summary>
    public static implicit operator PerLayer<T>(T common) => new(common);

    /// <inheritdoc/>
    public bool Equals(PerLayer<T>? other) => other is not null && _values.AsSpan().SequenceEqual(other._values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PerLayer<T>);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_values.Length, _values[0]);

    /// <inheritdoc/>
    public override string ToString() => string.Join(", ", _values);
}
