namespace PeftCore.Tokenizers;

/// <summary>The filter pprint, for what fits on one line.</summary>
internal static class JinjaPrettyPrint
{
    private const int Width = 80;

    public static string Write(object? value, JinjaRun run)
    {
        string text = JinjaText.Repr(Sorted(value, run));
        return text.Length <= Width || !(value is string or JinjaMarkup or List<object?> or JinjaDict)
            ? text
            : throw JinjaError.Of($"pprint writes a value of more than {Width} characters");
    }

    private static object? Sorted(object? value, JinjaRun run)
    {
        run.Step();
        switch (value)
        {
            case JinjaDict dict:
                var sorted = new JinjaDict();
                foreach (var (key, item) in JinjaSort.Sort(dict.Items.ToList(), (a, b) =>
                    JinjaOperators.IsLess(a.Key, b.Key, run), reverse: false))
                {
                    sorted[key] = Sorted(item, run);
                }

                return sorted;
            case JinjaTuple tuple:
                return new JinjaTuple(tuple.Select(i => Sorted(i, run)));
            case List<object?> list:
                return list.Select(i => Sorted(i, run)).ToList();
            default:
                return value;
        }
    }
}
