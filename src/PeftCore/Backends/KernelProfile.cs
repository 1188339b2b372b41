using System.Globalization;
using System.Text;

namespace PeftCore.Backends;

/// <summary>Time, launches and rate of each kernel.</summary>
internal sealed class KernelProfile
{
    private readonly Dictionary<string, Line> _lines = [];
    private readonly Dictionary<string, Line> _copies = [];

    /// <summary>Peak floating-point operations per second of the device; 0 if unknown.</summary>
    public double PeakFlops { get; init; }

    private readonly record struct Line(int Count, double Milliseconds, Work Work);

    public void Add(string kernel, double milliseconds, Work work = default) => Add(_lines, kernel, milliseconds, work);

    /// <summary>Adds a copy between host and device that ran beside kernels, so that its time is no part of theirs.</summary>
    public void AddCopy(string copy, double milliseconds, long bytes) => Add(_copies, copy, milliseconds, new Work(0, bytes));

    private void Add(Dictionary<string, Line> lines, string name, double milliseconds, Work work)
    {
        lock (_lines)
        {
            var line = lines.GetValueOrDefault(name);
            lines[name] = new Line(line.Count + 1, line.Milliseconds + milliseconds, line.Work + work);
        }
    }

    /// <summary>A table with one line per kernel, the longest time first.</summary>
    public override string ToString()
    {
        double all = _lines.Values.Sum(line => line.Milliseconds);
        var text = new StringBuilder();
        foreach (var (kernel, (count, milliseconds, work)) in _lines.OrderByDescending(entry => entry.Value.Milliseconds))
        {
            text.Append(CultureInfo.InvariantCulture,
                $"{milliseconds,9:0.000} ms {100 * milliseconds / Math.Max(all, 1e-9),5:0.0} % {count,6} × " +
                $"{work.RateOver(milliseconds),12}{ShareOfPeak(work, milliseconds)}  {kernel}\n");
        }
        if (PeakFlops > 0)
        {
            double flops = _lines.Values.Sum(line => line.Work.Flops);
            text.Append(CultureInfo.InvariantCulture,
                $"{new Work(flops, 0).RateOver(all)} in all, of {PeakFlops / 1e9:0} GFLOP/s that these cores can do\n");
        }
        text.Append(CultureInfo.InvariantCulture, $"{all,9:0.000} ms in all\n");
        foreach (var (copy, (count, milliseconds, work)) in _copies)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"{milliseconds,9:0.000} ms beside the kernels {count,6} × {work.RateOver(milliseconds),12}  {copy}\n");
        }
        return text.ToString();
    }

    private string ShareOfPeak(Work work, double milliseconds) => PeakFlops == 0 ? ""
        : work.Flops == 0 ? new string(' ', 10)
        : string.Create(CultureInfo.InvariantCulture, $"{1e5 * work.Flops / milliseconds / PeakFlops,4:0} % peak");

    /// <summary>The name of a kernel type without namespaces.</summary>
    public static string NameOf(Type type) => type.IsGenericType
        ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>"
        : type.Name;
}

/// <summary>The least work of a launch: floating-point operations, and bytes moved to and from the device's memory.</summary>
internal readonly record struct Work(double Flops, double Bytes)
{
    public static Work operator +(Work a, Work b) => new(a.Flops + b.Flops, a.Bytes + b.Bytes);

    /// <summary>FLOP/s if operations were counted, else bytes per second if bytes were; else empty.</summary>
    public string RateOver(double milliseconds) => (Flops, Bytes) switch
    {
        ( > 0, _) => Rate(Flops / milliseconds / 1e9, "0.0", "FLOP/s"),
        (_, > 0) => Rate(Bytes / milliseconds / 1e9, "0.00", "B/s"),
        _ => "",
    };

    private static string Rate(double tera, string format, string unit) => tera >= 1
        ? $"{tera.ToString(format, CultureInfo.InvariantCulture)} T{unit}"
        : $"{(1e3 * tera).ToString(format, CultureInfo.InvariantCulture)} G{unit}";
}
