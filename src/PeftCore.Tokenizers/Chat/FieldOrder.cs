namespace PeftCore.Tokenizers;

/// <summary>The order of a message's fields in its file, which a template that writes a whole message shows. It does not count when
/// messages are compared.</summary>
/// <param name="names">All names; null for role, content and then the others.</param>
internal readonly struct FieldOrder(IReadOnlyList<string>? names) : IEquatable<FieldOrder>
{
    public IReadOnlyList<string>? Names => names;

    public FieldOrder With(string name) => names?.Contains(name) == false ? new FieldOrder([.. names, name]) : this;

    public FieldOrder Without(string name) => names is null ? this : new FieldOrder([.. names.Where(other => other != name)]);

    public bool Equals(FieldOrder other) => true;

    public override bool Equals(object? obj) => obj is FieldOrder;

    public override int GetHashCode() => 0;
}
