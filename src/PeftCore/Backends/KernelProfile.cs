using System.Globalization;
using System.Text;

namespace PeftCore.Backends;

/// <summary>Time by kernel, and how fast that was.</summary>
internal sealed class KernelProfile
{
    private readonly Dictionary<string, Line> _lines = [];

    private readonly record struct Line(int Count, double Milliseconds, Work Work);

    public void Add(string kernel, double milliseconds, Work work = default)
    {
        var line = _lines.GetValueOrDefault(kernel);
        _lines[kernel] = new Line(line.Count + 1, line.Milliseconds + milliseconds, line.Work + work);
    }

    /// <summary>A line a kernel, the longest first.</summary>
    public override string ToString()
    {
        double all = _lines.Values.Sum(line => line.Milliseconds);
        var text = new StringBuilder();
        foreach (var (kernel, (count, milliseconds, work)) in _lines.OrderByDescending(entry => entry.Value.Milliseconds))
        {
            text.Append(CultureInfo.InvariantCulture,
                $"{milliseconds,9:0.000} ms {100 * milliseconds / Math.Max(all, 1e-9),5:0.0} % {count,6} × {work.RateOver(milliseconds),12}  {kernel}\n");
        }
        return text.Append(CultureInfo.InvariantCulture, $"{all,9:0.000} ms in all\n").ToString();
    }

    /// <summary>A kernel's name without namespaces.</summary>
    public static string NameOf(Type type) => type.IsGenericType
        ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>"
        : type.Name;
}

/// <summary>What a launch must do at least: floating-point operations, and bytes to and from the device's memory.</summary>
internal readonly record struct Work(double Flops, double Bytes)
{
    public static Work operator +(Work a, Work b) => new(a.Flops + b.Flops, a.Bytes + b.Bytes);

    /// <summary>TFLOP/s where operations were counted, TB/s where only bytes were; empty where neither was.</summary>
    public string RateOver(double milliseconds) => (Flops, Bytes) switch
    {
        ( > 0, _) => string.Create(CultureInfo.InvariantCulture, $"{Flops / milliseconds / 1e9:0.0} TFLOP/s"),
        (_, > 0) => string.Create(CultureInfo.InvariantCulture, $"{Bytes / milliseconds / 1e9:0.00} TB/s"),
        _ => "",
    };
}
