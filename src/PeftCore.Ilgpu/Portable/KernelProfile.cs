using System.Globalization;
using System.Text;

namespace PeftCore.Ilgpu;

/// <summary>Time by kernel. Measuring waits before and behind each launch, so the total is longer than that of an undisturbed run.</summary>
internal sealed class KernelProfile
{
    private readonly Dictionary<string, (int Count, TimeSpan Time)> _times = [];

    public void Add(string kernel, TimeSpan time)
    {
        var (count, sum) = _times.GetValueOrDefault(kernel);
        _times[kernel] = (count + 1, sum + time);
    }

    public void Clear() => _times.Clear();

    /// <summary>A line a kernel, the longest first.</summary>
    public override string ToString()
    {
        double all = _times.Values.Sum(entry => entry.Time.TotalMilliseconds);
        var text = new StringBuilder();
        foreach (var (kernel, (count, time)) in _times.OrderByDescending(entry => entry.Value.Time))
        {
            text.Append(CultureInfo.InvariantCulture,
                $"{time.TotalMilliseconds,9:0.000} ms {100 * time.TotalMilliseconds / Math.Max(all, 1e-9),5:0.0} % {count,6} × {kernel}\n");
        }
        return text.Append(CultureInfo.InvariantCulture, $"{all,9:0.000} ms in all\n").ToString();
    }

    /// <summary>A kernel's name without namespaces.</summary>
    public static string NameOf(Type type) => type.IsGenericType
        ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>"
        : type.Name;
}
