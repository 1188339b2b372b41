using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Explain;

/// <summary>A planned step of one method, with its peak.</summary>
/// <param name="Name">Name of the method.</param>
/// <param name="Plan">The plan of a step.</param>
internal sealed record ExplainedStep(string Name, MemoryPlan Plan)
{
    public StepTrace Trace => Plan.Trace!; // A plan of a step has one.

    /// <summary>The index of the entry of the timeline in which memory is highest, the first one if there are several.</summary>
    public int PeakAt { get; } = Plan.Trace!.Timeline.Index().MaxBy(entry => entry.Item.Highest.Values.Sum()).Index;

    /// <summary>Bytes at the highest moment of the step.</summary>
    public long PeakBytes => Trace.Timeline[PeakAt].Highest.Values.Sum();

    /// <summary>The highest moment: "forward, op 26 (linear_cross_entropy in lm_head)".</summary>
    public string PeakPlace => PlaceOf(PeakAt);

    /// <summary>An entry of the timeline by its phase and op.</summary>
    public string PlaceOf(int at)
    {
        var (phase, microBatch, op, _, _) = Trace.Timeline[at];
        string batch = Trace.Ops.Any(other => other.MicroBatch > 0) && phase is not ("start" or "update")
            ? $" of micro batch {microBatch + 1}" : "";
        return op is { } number ? $"{phase}{batch}, op {number} ({NameOf(Trace.Ops[number])})" : $"{phase}{batch}";
    }

    /// <summary>The most bytes of one kind at any moment that the timeline has.</summary>
    public long Most(MemoryKind kind) => Trace.Timeline.Max(entry => Math.Max(entry.Highest.GetValueOrDefault(kind),
        entry.After.GetValueOrDefault(kind)));

    /// <summary>An op by its name and module.</summary>
    public static string NameOf(TracedOp op) => op.Module.Length == 0 ? op.Name : $"{op.Name} in {op.Module}";

    /// <summary>The extents of a shape.</summary>
    public static IEnumerable<int> ExtentsOf(Shape shape) => Enumerable.Range(0, shape.Rank).Select(axis => shape[axis]);
}
