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
        List<object?> list => list.Count > 0,
        JinjaDict dict => dict.Count > 0,
        _ => true,
    };

    public static bool AreEqual(object? left, object? right, JinjaRun run)
    {
        // Lists that share their elements can have exponentially many to compare.
        run.Step();
        return (left, right) switch
        {
            (null, null) => true,
            (null, _) or (_, null) => false,
            (string a, string b) => a == b,
            (List<object?> a, List<object?> b) => a.Count == b.Count && a.Zip(b).All(p => AreEqual(p.First, p.Second, run)),
            (JinjaDict a, JinjaDict b) => a.Count == b.Count
                && a.Items.All(i => b.TryGet(i.Key, out var other) && AreEqual(i.Value, other, run)),
            (JinjaUndefined, JinjaUndefined) => true,
            _ => IsNumber(left) && IsNumber(right) ? ToDouble(left!).Equals(ToDouble(right!)) : ReferenceEquals(left, right),
        };
    }

    public static int Compare(object? left, object? right, JinjaRun run) => (left, right) switch
    {
        (string a, string b) => string.CompareOrdinal(a, b),
        (long a, long b) => a.CompareTo(b),
        (List<object?> a, List<object?> b) => CompareLists(a, b, run),
        _ when IsNumber(left) && IsNumber(right) => ToDouble(left!).CompareTo(ToDouble(right!)),
        _ => throw JinjaError.Of($"{JinjaText.Repr(left)} and {JinjaText.Repr(right)} have no order"),
    };

    public static bool Contains(object? container, object? item, JinjaRun run) => container switch
    {
        string text => item is string part
            ? text.Contains(part, StringComparison.Ordinal)
            : throw JinjaError.Of($"'in' looks for a string in a string, not for {JinjaText.Repr(item)}"),
        List<object?> list => list.Any(i => AreEqual(i, item, run)),
        JinjaDict dict => dict.TryGet(item, out _),
        JinjaUndefined => false,
        _ => throw JinjaError.Of($"'in' cannot look inside {JinjaText.Repr(container)}"),
    };

    public static object? Binary(string name, object? left, object? right, JinjaRun run) => (name, left, right) switch
    {
        ("+", string a, string b) => Concat(a, b, run),
        ("+", List<object?> a, List<object?> b) => Concat(a, b, run),
        ("*", string a, long n) => Repeat(a, n, run),
        ("*", long n, string a) => Repeat(a, n, run),
        ("*", List<object?> a, long n) => Repeat(a, n, run),
        ("%", string format, _) => JinjaFormat.Percent(format, right, run),
        _ when IsNumber(left) && IsNumber(right) => Arithmetic(name, left!, right!),
        _ => throw JinjaError.Of($"'{name}' does not take {Describe(left)} and {Describe(right)}"),
    };

    public static object Negate(object? value) => value switch
    {
        // The cast keeps the arms from becoming one type, which would be double.
        long number => (object)checked(-number),
        bool flag => flag ? -1L : 0L,
        double number => -number,
        _ => throw JinjaError.Of($"'-' does not take {Describe(value)}"),
    };

    public static bool IsNumber(object? value) => value is long or double or bool;

    public static double ToDouble(object value) => value switch { long l => l, bool b => b ? 1 : 0, _ => (double)value };

    public static string Describe(object? value) => value switch
    {
        JinjaUndefined undefined => $"the undefined '{undefined.Name}'",
        _ => JinjaText.Repr(value) is { Length: > 60 } text ? text[..60] + "…" : JinjaText.Repr(value),
    };

    private static int CompareLists(List<object?> a, List<object?> b, JinjaRun run)
    {
        for (var i = 0; i < Math.Min(a.Count, b.Count); i++)
        {
            if (!AreEqual(a[i], b[i], run))
            {
                return Compare(a[i], b[i], run);
            }
        }

        return a.Count.CompareTo(b.Count);
    }

    private static string Concat(string a, string b, JinjaRun run)
    {
        run.Spend(a.Length + (long)b.Length);
        return a + b;
    }

    private static List<object?> Concat(List<object?> a, List<object?> b, JinjaRun run)
    {
        run.Spend(a.Count + (long)b.Count);
        return [.. a, .. b];
    }

    private static string Repeat(string text, long count, JinjaRun run)
    {
        run.Spend(text.Length * Math.Clamp(count, 0, int.MaxValue));
        return count <= 0 ? "" : new StringBuilder().Insert(0, text, (int)count).ToString();
    }

    private static List<object?> Repeat(List<object?> list, long count, JinjaRun run)
    {
        run.Spend(list.Count * Math.Clamp(count, 0, int.MaxValue));
        return [.. Enumerable.Repeat(list, (int)Math.Clamp(count, 0, list.Count == 0 ? 0 : int.MaxValue)).SelectMany(l => l)];
    }

    private static object Arithmetic(string name, object left, object right)
    {
        if (name != "/" && left is not double && right is not double)
        {
            var (a, b) = (left is bool l ? (l ? 1 : 0) : (long)left, right is bool r ? (r ? 1 : 0) : (long)right);
            try
            {
                return checked(name switch
                {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "//" => b == 0 ? throw JinjaError.Of("it divides by zero") : FloorDivide(a, b),
                    "%" => b == 0 ? throw JinjaError.Of("it divides by zero") : a - b * FloorDivide(a, b),
                    _ when b >= 0 => Power(a, b),
                    _ => (object)Math.Pow(a, b),
                });
            }
            catch (OverflowException)
            {
                throw JinjaError.Of("it makes a number of more than 64 bits");
            }
        }

        var (x, y) = (ToDouble(left), ToDouble(right));
        if (name is "/" or "//" or "%" && y == 0)
        {
            throw JinjaError.Of("it divides by zero");
        }

        return name switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            "/" => x / y,
            "//" => Math.Floor(x / y),
            "%" => x - y * Math.Floor(x / y),
            _ => Math.Pow(x, y),
        };
    }

    private static long FloorDivide(long a, long b) => checked(a / b) - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);

    private static long Power(long a, long exponent)
    {
        if (a is 0 or 1 or -1)
        {
            return exponent == 0 ? 1 : a == -1 && exponent % 2 == 0 ? 1 : a;
        }

        var result = 1L;
        for (var i = 0L; i < exponent; i++)
        {
            result = checked(result * a);
        }

        return result;
    }
}
