using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>Compares a memory plan with --max-memory.</summary>
internal static class MemoryRefusal
{
    private const long Mebibyte = 1 << 20;

    /// <summary>The sentence that refuses a run which takes more than the limits; null if it fits.</summary>
    /// <param name="plan">The plan, made for the limits.</param>
    /// <param name="options">The settings with the limits.</param>
    /// <param name="ownBytes">What the device takes beside its arena.</param>
    public static string? Of(MemoryPlan plan, TrainOptions options, long ownBytes = 0)
    {
        if (options.MaxMemory is not { } most || Fits(plan, options, ownBytes))
        {
            return null;
        }
        long taken = plan.ReservedBytes + ownBytes;
        string nearest = plan.NearestLimit == 0 ? "" : LimitOf(plan, options, ownBytes);
        if (taken <= most.Bytes)
        {
            return $"a run within {most} of {options.Device} keeps {new ByteSize(plan.HostBytes)} of weights and checkpoints on the " +
                $"host, but --max-memory for cpu is {new ByteSize(options.HostLimit!.Value)}; with that, the nearest limit that " +
                $"can be kept is {nearest}";
        }
        bool loading = plan.LoadingPeakBytes == plan.PeakBytes;
        string places = plan.Blocks.Any(block => block.Place == "host") ? " with weights kept on the host"
            : plan.Blocks.Any(block => block.Place == "disk") ? " with weights left on disk" : "";
        return $"the run takes {new ByteSize(taken)} of memory{places}, {new ByteSize(plan.PeakBytes)} of it for tensors " +
            $"at the peak of {(loading ? "loading" : "a step")}, but --max-memory is {most}; " +
            (loading ? "a smaller model or --dtype bf16 needs less"
                : "a smaller batch, shorter sequences or --gradient-checkpointing need less")
            + (nearest.Length > 0 ? $", and the nearest limit that can be kept is {nearest}" : "");
    }

    /// <summary>Whether a run keeps the limits.</summary>
    /// <inheritdoc cref="Of"/>
    public static bool Fits(MemoryPlan plan, TrainOptions options, long ownBytes) =>
        plan.ReservedBytes + ownBytes <= (options.MaxMemory?.Bytes ?? long.MaxValue)
        && plan.HostBytes <= (options.HostLimit ?? long.MaxValue);

    /// <summary>The nearest limit that can be kept, rounded up to a size that --max-memory takes.</summary>
    /// <inheritdoc cref="Of"/>
    public static string LimitOf(MemoryPlan plan, TrainOptions options, long ownBytes) =>
        $"{options.Device}={(plan.NearestLimit + ownBytes + Mebibyte - 1) / Mebibyte}MiB";
}
