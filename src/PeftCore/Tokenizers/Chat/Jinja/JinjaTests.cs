namespace PeftCore.Tokenizers;

/// <summary>What can stand after "is".</summary>
internal static class JinjaTests
{
    public static bool IsKnown(string name) => name is "defined" or "undefined" or "none" or "boolean" or "true" or "false" or "integer" or "float"
        or "number" or "string" or "sequence" or "iterable" or "mapping" or "callable" or "lower" or "upper" or "odd" or "even" or "divisibleby"
        or "sameas" or "in" or "equalto" or "eq" or "==" or "ne" or "!=" or "lt" or "lessthan" or "<" or "le" or "<=" or "gt" or "greaterthan"
        or ">" or "ge" or ">=";

    public static bool Check(string name, object? value, JinjaArguments arguments, JinjaRun run) => name switch
    {
        "defined" => value is not JinjaUndefined,
        "undefined" => value is JinjaUndefined,
        "none" => value is null,
        "boolean" => value is bool,
        "true" => value is true,
        "false" => value is false,
        "integer" => value is long,
        "float" => value is double,
        "number" => JinjaOperators.IsNumber(value),
        "string" => value is string,
        "sequence" => value is string or List<object?> or JinjaDict or JinjaUndefined,
        "iterable" => value is string or List<object?> or JinjaDict or JinjaUndefined,
        "mapping" => value is JinjaDict,
        "callable" => value is JinjaFunction,
        "lower" => value is string text && text == text.ToLowerInvariant() && text.Any(char.IsLetter),
        "upper" => value is string text && text == text.ToUpperInvariant() && text.Any(char.IsLetter),
        "odd" => value is long number && number % 2 != 0,
        "even" => value is long number && number % 2 == 0,
        "divisibleby" => value is long number && arguments.Integer(0, "num", 0) is not 0 and var by && number % by == 0,
        "sameas" => value is null or bool or long or string
            ? JinjaOperators.AreEqual(value, arguments[0, "other"], run) && value?.GetType() == arguments[0, "other"]?.GetType()
            : ReferenceEquals(value, arguments[0, "other"]),
        "in" => JinjaOperators.Contains(arguments[0, "seq"], value, run),
        "equalto" or "eq" or "==" => JinjaOperators.AreEqual(value, arguments[0, "other"], run),
        "ne" or "!=" => !JinjaOperators.AreEqual(value, arguments[0, "other"], run),
        "lt" or "lessthan" or "<" => JinjaOperators.Compare(value, arguments[0, "other"], run) < 0,
        "le" or "<=" => JinjaOperators.Compare(value, arguments[0, "other"], run) <= 0,
        "gt" or "greaterthan" or ">" => JinjaOperators.Compare(value, arguments[0, "other"], run) > 0,
        "ge" or ">=" => JinjaOperators.Compare(value, arguments[0, "other"], run) >= 0,
        _ => throw JinjaError.Of($"there is no test '{name}'"),
    };
}
