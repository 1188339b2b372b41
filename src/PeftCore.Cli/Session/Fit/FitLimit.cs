using PeftCore.Cli.Options;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Session.Fit;

/// <summary>The limit that --fit keeps if --max-memory names none for the device of the run: a part of the device's memory, because the
/// program itself, the driver and other programs take some as well.</summary>
internal static class FitLimit
{
    /// <summary>The part of the memory of this machine, and of a card.</summary>
    public const double OfMachine = 0.8, OfCard = 0.9;

    /// <summary>The settings with a limit of the device.</summary>
    /// <exception cref="BadInputException">There is no limit, and no such device whose memory would be one.</exception>
    public static TrainOptions Within(TrainOptions options)
    {
        if (options.MaxMemory is not null)
        {
            return options;
        }
        var size = new ByteSize(options.Device == "cuda" ? OfDevice(options.Device)
            : (long)(OfMachine * GC.GetGCMemoryInfo().TotalAvailableMemoryBytes));
        string others = options.Limits is { } limits ? limits.Text + "," : "";
        string all = FormattableString.Invariant($"{others}{options.Device}={size.Bytes}");
        return options with { Limits = MemoryLimits.Parse("--max-memory", all) };
    }

    private static long OfDevice(string device) =>
        Devices.FindGpus()?.Devices.FirstOrDefault(found => found.Kind == device)?.MemoryBytes is { } bytes ? (long)(OfCard * bytes)
            : throw new BadInputException($"--fit needs a limit, such as --max-memory {device}=24GiB: there is no {device} device here " +
                "whose memory would be one.");
}
