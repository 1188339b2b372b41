using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>The attribute that a filter looks at: a name, a number, or several with dots between them.</summary>
internal sealed class JinjaPath(object? attribute, bool fold = false, object? missing = null)
{
    private readonly List<object?> _parts = attribute switch
    {
        null => [],
        string or JinjaMarkup => [.. JinjaText.Str(attribute).Split('.').Select(Part)],
        _ => [attribute],
    };

    public object? Find(object? value, JinjaRun run)
    {
        foreach (object? part in _parts)
        {
            value = JinjaMembers.Item(value, part, run);
            value = missing is not null && value is JinjaUndefined ? missing : value;
        }

        return Fold(value, fold);
    }

    /// <summary>Strings in lower case, if the case does not matter.</summary>
    public static object? Fold(object? value, bool fold) => fold && JinjaText.IsText(value)
        ? JinjaCase.ToLower(JinjaText.Str(value)) : value;

    private static object? Part(string part) => part.Length is > 0 and < 18 && part.All(char.IsAsciiDigit)
        ? long.Parse(part, CultureInfo.InvariantCulture) : part;
}
