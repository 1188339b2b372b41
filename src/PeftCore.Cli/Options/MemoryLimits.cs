using System.Globalization;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Options;

/// <summary>The value of --max-memory: one limit, or limits by device as Hugging Face's <c>max_memory={0: "6GiB", "cpu": "30GiB"}</c>. The
/// limit of the device of the run has an effect, and beside a card's that of the CPU, whose memory holds what does not fit.</summary>
/// <param name="Text">"6442450944", or "cuda=6442450944,cpu=32212254720": sizes in bytes, so that equal limits are equal texts.</param>
internal sealed record MemoryLimits(string Text)
{
    /// <summary>What is accepted, in words.</summary>
    public const string Expected = "a size such as 6GiB, or one for each device such as cuda=6GiB,cpu=30GiB";

    private const string AnyDevice = "";

    private static readonly Dictionary<string, string> Devices = new(StringComparer.Ordinal)
    {
        ["cpu"] = "cpu", ["cuda"] = "cuda", ["ilgpu-cpu"] = "ilgpu-cpu", ["0"] = "cuda", ["cuda:0"] = "cuda",
    };

    /// <summary>Reads a size, or pairs of a device and a size with commas between. A card is cuda, cuda:0, or 0 as in Hugging Face's
    /// dictionary.</summary>
    public static bool TryParse(string text, out MemoryLimits limits)
    {
        limits = new MemoryLimits("");
        var all = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (string part in text.Split(','))
        {
            int middle = part.IndexOf('=', StringComparison.Ordinal);
            string device = AnyDevice;
            if ((middle >= 0 && !Devices.TryGetValue(part[..middle].Trim(), out device!))
                || !ByteSize.TryParse(part[(middle + 1)..], out var size) || !all.TryAdd(device, size.Bytes))
            {
                return false;
            }
        }
        limits = new MemoryLimits(string.Join(',', all.Select(limit =>
            (limit.Key == AnyDevice ? "" : limit.Key + "=") + limit.Value.ToString(CultureInfo.InvariantCulture))));
        return all.Count == 1 || !all.ContainsKey(AnyDevice);
    }

    /// <summary>Reads the value of a flag.</summary>
    /// <exception cref="BadInputException">The text is no limit.</exception>
    public static MemoryLimits Parse(string place, string text) => TryParse(text, out var limits) ? limits
        : throw new BadInputException($"{place} is \"{text}\", expected {Expected}.");

    /// <summary>The limit of a device; null if it has none.</summary>
    public ByteSize? For(string device)
    {
        foreach (var (name, bytes) in All)
        {
            if (name == AnyDevice || name == device)
            {
                return new ByteSize(bytes);
            }
        }
        return null;
    }

    /// <summary>The most bytes of host memory for what does not fit on a device; null if nothing is kept there, because the device has no
    /// limit or computes in host memory itself.</summary>
    public long? HostFor(string device) => device == "cpu" || For(device) is null ? null
        : All.Where(limit => limit.Device == "cpu").Select(limit => limit.Bytes).DefaultIfEmpty(long.MaxValue).First();

    /// <summary>The end of the sentence "--max-memory has no effect …" about limits of other devices; null if there are none.</summary>
    /// <param name="device">The device of the run.</param>
    public string? Idle(string device)
    {
        string[] others = [.. All.Select(limit => limit.Device).Where(name => name != AnyDevice && name != device
            && !(name == "cpu" && HostFor(device) is not null))];
        return others.Length == 0 ? null
            : $"for {string.Join(" and ", others)}: a run with --device {device} keeps all of its tensors on that device"
                + (For(device) is null ? ", which has no limit then" : "");
    }

    private IEnumerable<(string Device, long Bytes)> All => Text.Split(',').Select(limit => limit.Split('='))
        .Select(parts => (parts.Length > 1 ? parts[0] : AnyDevice, long.Parse(parts[^1], NumberStyles.None, CultureInfo.InvariantCulture)));
}
