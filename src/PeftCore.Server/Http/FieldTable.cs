using System.Text.Json;

namespace PeftCore.Server.Http;

/// <summary>The fields of a request, one row each: those that are honoured, and those that are refused by name.</summary>
/// <typeparam name="T">The request that the fields are read into.</typeparam>
internal sealed class FieldTable<T>
    where T : class
{
    private readonly Dictionary<string, Action<T, Field>> _rows = new(StringComparer.Ordinal);

    /// <summary>Names of all fields, in the order of the rows.</summary>
    public IReadOnlyCollection<string> Names => _rows.Keys;

    /// <summary>A field that is honoured.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="read">Checks the value and stores it; not called for null, which stands for a missing field.</param>
    public FieldTable<T> Add(string name, Action<T, Field> read)
    {
        _rows.Add(name, read);
        return this;
    }

    /// <summary>A field that is accepted only with a value that changes nothing.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="isNeutral">Whether a value changes nothing.</param>
    /// <param name="why">The end of the sentence "name is not supported: …".</param>
    public FieldTable<T> Refuse(string name, Func<Field, bool> isNeutral, string why) => Add(name, (_, field) =>
    {
        if (!isNeutral(field))
        {
            throw ApiException.Bad(name, $"{name} is not supported: {why}", "unsupported_parameter");
        }
    });

    /// <summary>Fields that would change the answer and are not supported, with any value.</summary>
    public FieldTable<T> Refuse(string why, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            Refuse(name, _ => false, why);
        }
        return this;
    }

    /// <summary>Fields that change no answer here, whatever their value.</summary>
    public FieldTable<T> Accept(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            Add(name, (_, _) => { });
        }
        return this;
    }

    /// <summary>Reads the members of an object.</summary>
    /// <exception cref="ApiException">A field is unknown, refused, or has a bad value.</exception>
    public T Read(JsonElement value, T into)
    {
        foreach (var field in new Field("", value).Members())
        {
            if (!_rows.TryGetValue(field.Name, out var read))
            {
                throw ApiException.Bad(field.Name,
                    $"there is no field {field.Name} in this request{Spelling.DidYouMean(field.Name, _rows.Keys)}", "unknown_parameter");
            }
            if (!field.IsNull)
            {
                read(into, field);
            }
        }
        return into;
    }
}
