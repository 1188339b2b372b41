using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>Values from outside, such as JSON, as the interpreter keeps them.</summary>
internal static class JinjaJson
{
    private const int MaxDepth = 50;

    public static object? Import(object? value, int depth = 0)
    {
        if (depth > MaxDepth)
        {
            throw JinjaError.Of($"a value given to it is more than {MaxDepth} levels deep");
        }

        return value switch
        {
            null or string or bool or long or double or BigInteger or JinjaDict or JinjaFunction or JinjaUndefined => value,
            int or short or byte or uint or ushort or sbyte => Convert.ToInt64(value, CultureInfo.InvariantCulture),
            ulong number => JinjaNumbers.Make(number),
            float or decimal => Convert.ToDouble(value, CultureInfo.InvariantCulture),
            JsonElement element => Import(element, depth),
            ChatMessage message => ImportPairs(message.Members(), depth),
            IEnumerable<KeyValuePair<string, object?>> pairs => ImportPairs(pairs, depth),
            System.Collections.IEnumerable items => items.Cast<object?>().Select(i => Import(i, depth + 1)).ToList(),
            _ => value.ToString(),
        };
    }

    private static JinjaDict ImportPairs(IEnumerable<KeyValuePair<string, object?>> pairs, int depth)
    {
        var dict = new JinjaDict();
        foreach (var (key, value) in pairs)
        {
            dict[key] = Import(value, depth + 1);
        }

        return dict;
    }

    private static object? Import(JsonElement element, int depth) => element.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => ImportNumber(element),
        JsonValueKind.Array => element.EnumerateArray().Select(i => Import(i, depth + 1)).ToList(),
        _ => ImportPairs(element.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, (object?)p.Value)), depth),
    };

    /// <summary>A number without point and exponent is an integer, however long.</summary>
    private static object ImportNumber(JsonElement element)
    {
        string text = element.GetRawText();
        return text.AsSpan().IndexOfAny(".eE") >= 0 ? element.GetDouble()
            : JinjaNumbers.Make(BigInteger.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
    }
}
