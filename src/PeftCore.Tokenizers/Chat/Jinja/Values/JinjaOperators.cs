using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Truth, equality, order and arithmetic as Python has them.</summary>
internal static class JinjaOperators
{
    public static bool IsTrue(object? value) => value switch
    {
        null or JinjaUndefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        string text => text.Length > 0,
        JinjaMarkup markup => markup.Text.Length > 0,
        List<object?> list => list.Count > 0,
        JinjaDict dict => dict.Count > 0,
        JinjaDictView view => view.Dict.Count > 0,
        JinjaRange range => range.Count > 0,
        JinjaLoop loop => loop.Length > 0,
        _ => true,
    };

    public static bool AreEqual(object? left, object? right, JinjaRun run)
    {
        // Lists that share their elements can have exponentially many to compare.
        run.Step();
        run.Read(left);
        return (left, right) switch
        {
            (null, null) => true,
            (null, _) or (_, null) => false,
            (string a, string b) => a == b,
            (List<object?> a, List<object?> b) => a is JinjaTuple == b is JinjaTuple && a.Count == b.Count
                && a.Zip(b).All(p => ReferenceEquals(p.First, p.Second) || AreEqual(p.First, p.Second, run)),
            (JinjaDict a, JinjaDict b) => a.Count == b.Count
                && a.Items.All(i => b.TryGet(i.Key, out object? other) && AreEqual(i.Value, other, run)),
            (JinjaUndefined, JinjaUndefined) => true,
            (JinjaRange a, JinjaRange b) => a.Count == b.Count && (a.Count == 0 || (a.Start == b.Start && (a.Count == 1
                || a.Step == b.Step))),
            (JinjaDictView a, JinjaDictView b) when !ReferenceEquals(a, b) && a.Kind != "values" && b.Kind != "values" =>
                a.Items.Count() == b.Items.Count() && a.Items.All(i => b.Items.Any(j => AreEqual(i, j, run))),
            (JinjaFunction a, JinjaFunction b) when a.Text is null && b.Text is null && a.Name == b.Name && !ReferenceEquals(a, b) =>
                throw JinjaError.Of("it compares methods"),
            _ when JinjaText.IsText(left) && JinjaText.IsText(right) => JinjaText.Str(left) == JinjaText.Str(right),
            _ when JinjaNumbers.IsNumber(left) && JinjaNumbers.IsNumber(right) => JinjaNumbers.Compare(left!, right!) == 0,
            _ => ReferenceEquals(left, right),
        };
    }

    /// <summary>left &lt; right, and so on. A float that is no number is in no order.</summary>
    public static bool Compare(string name, object? left, object? right, JinjaRun run) => name switch
    {
        "==" => AreEqual(left, right, run),
        "!=" => JinjaNumbers.IsNumber(left) && JinjaNumbers.IsNumber(right)
            ? JinjaNumbers.Compare(left!, right!) != 0 : !AreEqual(left, right, run),
        "in" => Contains(right, left, run),
        "not in" => !Contains(right, left, run),
        "<" => Order(left, right, name, run) < 0,
        "<=" => Order(left, right, name, run) <= 0,
        ">" => Order(left, right, name, run) > 0,
        _ => Order(left, right, name, run) >= 0,
    };

    public static bool IsLess(object? left, object? right, JinjaRun run) => Order(left, right, "<", run) < 0;

    public static bool Contains(object? container, object? item, JinjaRun run)
    {
        run.Read(container);
        switch (container)
        {
            case string or JinjaMarkup:
                return JinjaText.IsText(item)
                    ? JinjaText.Str(container).Contains(JinjaText.Str(item), StringComparison.Ordinal)
                    : throw JinjaError.Of($"'in' looks for a string in a string, not for {JinjaText.Describe(item)}");
            case JinjaDict dict:
                return dict.TryGet(item, out _);
            case JinjaDictView { Kind: "keys" } view:
                return view.Dict.TryGet(item, out _);
            default:
                return JinjaMembers.Iterate(container, run).Any(i => ReferenceEquals(i, item) || AreEqual(i, item, run));
        }
    }

    public static object? Binary(string name, object? left, object? right, JinjaRun run) => (name, left, right) switch
    {
        (_, JinjaUndefined undefined, _) => throw undefined.Raise(),
        ("%", string format, _) => JinjaFormat.Percent(format, right, run),
        ("%", JinjaMarkup, _) => throw JinjaError.Of("it formats text that is marked as safe with %"),
        (_, _, JinjaUndefined undefined) => throw undefined.Raise(),
        ("+", string a, string b) => Concat(a, b, run),
        ("+", JinjaMarkup a, string or JinjaMarkup) => new JinjaMarkup(Concat(a.Text, JinjaHtml.Escape(right).Text, run)),
        ("+", string a, JinjaMarkup b) => new JinjaMarkup(Concat(JinjaHtml.Escape(a).Text, b.Text, run)),
        ("+", List<object?> a, List<object?> b) when a is JinjaTuple == b is JinjaTuple => Join(a, b, run),
        ("*", _, _) when IsSequence(left) && JinjaNumbers.IsInteger(right) => Repeat(left!, right!, run),
        ("*", _, _) when IsSequence(right) && JinjaNumbers.IsInteger(left) => Repeat(right!, left!, run),
        _ when JinjaNumbers.IsNumber(left) && JinjaNumbers.IsNumber(right) => JinjaNumbers.Arithmetic(name, left!, right!),
        _ => throw JinjaError.Of($"'{name}' does not take {JinjaText.Describe(left)} and {JinjaText.Describe(right)}"),
    };

    public static object Sign(object? value, bool negate) => value switch
    {
        JinjaUndefined undefined => throw undefined.Raise(),
        // The cast keeps the arms from becoming one type, which would be double.
        double number => (object)(negate ? -number : number),
        _ when JinjaNumbers.IsInteger(value) => JinjaNumbers.Make(negate ? -JinjaNumbers.ToBig(value!) : JinjaNumbers.ToBig(value!)),
        _ => throw JinjaError.Of($"'{(negate ? '-' : '+')}' does not take {JinjaText.Describe(value)}"),
    };

    private static int? Order(object? left, object? right, string name, JinjaRun run)
    {
        run.Step();
        run.Read(left);
        return (left, right) switch
        {
            (JinjaUndefined undefined, _) => throw undefined.Raise(),
            (_, JinjaUndefined undefined) => throw undefined.Raise(),
            (List<object?> a, List<object?> b) when a is JinjaTuple == b is JinjaTuple => OrderLists(a, b, name, run),
            _ when JinjaText.IsText(left) && JinjaText.IsText(right) => JinjaStrings.Compare(JinjaText.Str(left), JinjaText.Str(right)),
            _ when JinjaNumbers.IsNumber(left) && JinjaNumbers.IsNumber(right) => JinjaNumbers.Compare(left!, right!),
            _ => throw JinjaError.Of($"{JinjaText.Describe(left)} and {JinjaText.Describe(right)} have no order"),
        };
    }

    private static int? OrderLists(List<object?> a, List<object?> b, string name, JinjaRun run)
    {
        for (int i = 0; i < Math.Min(a.Count, b.Count); i++)
        {
            if (!ReferenceEquals(a[i], b[i]) && !AreEqual(a[i], b[i], run))
            {
                return Order(a[i], b[i], name, run);
            }
        }

        return a.Count.CompareTo(b.Count);
    }

    private static bool IsSequence(object? value) => value is string or JinjaMarkup or List<object?>;

    private static string Concat(string a, string b, JinjaRun run)
    {
        run.Spend(a.Length + (long)b.Length);
        return a + b;
    }

    private static List<object?> Join(List<object?> a, List<object?> b, JinjaRun run)
    {
        run.Spend(a.Count + (long)b.Count);
        return a is JinjaTuple ? new JinjaTuple(a.Concat(b)) : a.Concat(b).ToList();
    }

    private static object Repeat(object sequence, object times, JinjaRun run)
    {
        int count = JinjaNumbers.ToBig(times) is var big && big > int.MaxValue ? int.MaxValue : big.Sign < 0 ? 0 : (int)big;
        int length = sequence is List<object?> items ? items.Count : JinjaText.Str(sequence).Length;
        run.Spend(length * (long)count);
        count = length == 0 ? 0 : count;
        return sequence switch
        {
            string text => Repeat(text, count),
            JinjaMarkup markup => new JinjaMarkup(Repeat(markup.Text, count)),
            JinjaTuple tuple => new JinjaTuple(Enumerable.Repeat(tuple, count).SelectMany(l => l)),
            _ => Enumerable.Repeat((List<object?>)sequence, count).SelectMany(l => l).ToList(),
        };
    }

    private static string Repeat(string text, int count) => count == 0 ? "" : new StringBuilder().Insert(0, text, count).ToString();
}
