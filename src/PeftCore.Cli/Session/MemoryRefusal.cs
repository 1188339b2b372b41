using PeftCore.Cli.Output;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>Compares a memory plan with --max-memory.</summary>
internal static class MemoryRefusal
{
    /// <summary>The sentence that refuses a run which takes more than the limit; null if it fits.</summary>
    /// <param name="plan">The plan, made for the limit.</param>
    /// <param name="limit">--max-memory; null for no limit.</param>
    /// <param name="ownBytes">What the device takes beside its arena.</param>
    public static string? Of(MemoryPlan plan, ByteSize? limit, long ownBytes = 0)
    {
        if (limit is not { } most || plan.ReservedBytes + ownBytes <= most.Bytes)
        {
            return null;
        }
        bool loading = plan.LoadingPeakBytes == plan.PeakBytes;
        return $"the run takes {new ByteSize(plan.ReservedBytes + ownBytes)} of memory, {new ByteSize(plan.PeakBytes)} of it for tensors " +
            $"at the peak of {(loading ? "loading" : "a step")}, but --max-memory is {most}; " +
            (loading ? "a smaller model or --dtype bf16 needs less"
                : "a smaller batch, shorter sequences or --gradient-checkpointing need less");
    }
}
