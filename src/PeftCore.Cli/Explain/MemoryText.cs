using PeftCore.Cli.Output;
using PeftCore.Tensors;

namespace PeftCore.Cli.Explain;

/// <summary>The memory of steps as tables: of one step its moments by kind, and steps beside each other.</summary>
internal static class MemoryText
{
    private const string Bars = "▁▂▃▄▅▆▇█";

    private const int Columns = 64;

    private static readonly MemoryKind[] Kinds =
        [MemoryKind.Frozen, MemoryKind.Trainable, MemoryKind.Optimizer, MemoryKind.Gradient, MemoryKind.Activation, MemoryKind.Workspace];

    /// <summary>The bytes by kind at the start, after each phase and at the peak.</summary>
    public static List<string[]> Moments(ExplainedStep step)
    {
        var kinds = Array.FindAll(Kinds, kind => step.Most(kind) > 0);
        var rows = new List<string[]> { (string[])["memory", .. kinds.Select(Word), "sum"] };
        var timeline = step.Trace.Timeline;
        for (int at = 0; at < timeline.Count; at++)
        {
            if (at == step.PeakAt)
            {
                rows.Add(Row($"peak: {step.PeakPlace}", timeline[at].Highest));
            }
            // Of several micro batches the last; the others are like it.
            if (timeline[at].Op is null && (at == 0 || timeline[at].MicroBatch == timeline[^1].MicroBatch))
            {
                rows.Add(Row(timeline[at].Phase == "start" ? "before the step" : $"after {step.PlaceOf(at)}", timeline[at].After));
            }
        }
        return rows;

        string[] Row(string moment, IReadOnlyDictionary<MemoryKind, long> bytes) =>
            [moment, .. kinds.Select(kind => $"{new ByteSize(bytes.GetValueOrDefault(kind))}"), $"{new ByteSize(bytes.Values.Sum())}"];
    }

    /// <summary>The sum over time as a line of bars, from 0 to the larger peak of all steps; the first character is the start.</summary>
    public static string Line(ExplainedStep step, long most)
    {
        var timeline = step.Trace.Timeline;
        int columns = Math.Min(Columns, timeline.Count);
        return string.Concat(Enumerable.Range(0, columns).Select(column =>
        {
            int first = column * timeline.Count / columns, end = (column + 1) * timeline.Count / columns;
            long highest = timeline.Skip(first).Take(end - first).Max(entry => entry.Highest.Values.Sum());
            return Bars[(int)Math.Min(Bars.Length - 1, highest * Bars.Length / Math.Max(1, most))];
        }));
    }

    /// <summary>Steps beside each other, a column each.</summary>
    public static List<string[]> Beside(IReadOnlyList<ExplainedStep> steps) =>
    [
        ["", .. steps.Select(step => step.Name)],
        ["parameters that train", .. steps.Select(step => $"{step.Plan.TrainableParameters:N0}")],
        .. Array.FindAll(Kinds, kind => steps.Any(step => step.Most(kind) > 0)).Select(kind =>
            (string[])[$"{Word(kind)}, at most", .. steps.Select(step => $"{new ByteSize(step.Most(kind))}")]),
        ["saved for backward", .. steps.Select(step => $"{new ByteSize(step.Plan.SavedBytes)}")],
        ["ops below all that trains", .. steps.Select(Below)],
        ["peak of the step", .. steps.Select(step => $"{new ByteSize(step.PeakBytes)}")],
    ];

    /// <summary>The ops that backward never reaches, of those of one forward pass.</summary>
    private static string Below(ExplainedStep step)
    {
        var forward = step.Trace.Ops.Where(op => op is { MicroBatch: 0, RunAgainBy: null }).ToList();
        return $"{forward.Count(op => op.Outputs.All(output => !output.NeedsGrad))} of {forward.Count}";
    }

    private static string Word(MemoryKind kind) => kind.ToString().ToLowerInvariant();
}
