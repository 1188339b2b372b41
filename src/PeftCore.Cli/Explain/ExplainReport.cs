using PeftCore.Cli.Output;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Explain;

/// <summary>The JSON object of one explained step: docs/explain.md describes its fields.</summary>
internal static class ExplainReport
{
    /// <summary>Adds the fields of a step to a report.</summary>
    public static JsonReport AddTo(JsonReport report, ExplainedStep step)
    {
        var plan = step.Plan;
        var peak = step.Trace.Timeline[step.PeakAt];
        return AddTo(report.Add("method", step.Name).Add("parameters", plan.Parameters).Add("trainable", plan.TrainableParameters)
            .Add("saved_bytes", plan.SavedBytes).Add("loading_bytes", plan.LoadingPeakBytes).Add("planned_bytes", plan.PeakBytes)
            .Add("peak", new JsonReport().Add("bytes", step.PeakBytes).Add("at", step.PeakAt).Add("phase", peak.Phase)
                .Add("op", (long?)peak.Op).Add("place", step.PeakPlace).Add("kinds", Kinds(peak.Highest))),
            step.Trace);
    }

    /// <summary>Adds the fields of a trace.</summary>
    public static JsonReport AddTo(JsonReport report, StepTrace trace) =>
        report.Add("modules", trace.Parameters.GroupBy(row => (row.Module, row.Type)).Select(module => new JsonReport()
                .Add("path", module.Key.Module).Add("type", module.Key.Type).Add("parameters", module.Select(row => new JsonReport()
                    .Add("name", row.Name).Add("status", row.Status).Add("shape", ExplainedStep.ExtentsOf(row.Shape))
                    .Add("dtype", Word(row.DType)).Add("bytes", row.Bytes)))))
            .Add("ops", trace.Ops.Select(Op))
            .Add("stops", trace.Stops.Select(stop => new JsonReport().Add("op", stop.Op).Add("reason", stop.Reason)))
            .Add("timeline", trace.Timeline.Select((entry, at) => new JsonReport().Add("at", at).Add("phase", entry.Phase)
                .Add("micro_batch", entry.MicroBatch).Add("op", (long?)entry.Op).Add("highest", Kinds(entry.Highest))
                .Add("after", Kinds(entry.After))));

    private static JsonReport Op(TracedOp op) => new JsonReport().Add("number", op.Number).Add("name", op.Name).Add("module", op.Module)
        .Add("micro_batch", op.MicroBatch).Add("run_again_by", (long?)op.RunAgainBy).Add("not_recorded", op.NotRecorded)
        .Add("inputs", op.Inputs.Select(input => Tensor(input).Add("op", (long?)input.Op).Add("parameter", input.Parameter)
            .Add("needs_grad", input.NeedsGrad)))
        .Add("outputs", op.Outputs.Select(output => Tensor(output).Add("needs_grad", output.NeedsGrad)))
        .Add("saved", op.Saved.Select(saved => Tensor(saved).Add("parameter", saved.Parameter).Add("reason", saved.Reason)))
        .Add("recomputed", op.Recomputed.Select(value => Tensor(value).Add("from_op", (long?)value.Op).Add("reason", value.Reason)));

    private static JsonReport Tensor(TracedTensor tensor) => new JsonReport().Add("name", tensor.Name)
        .Add("shape", ExplainedStep.ExtentsOf(tensor.Shape)).Add("dtype", Word(tensor.DType)).Add("bytes", tensor.Bytes)
        .Add("memory", tensor.Memory < 0 ? null : (long?)tensor.Memory);

    private static JsonReport Kinds(IReadOnlyDictionary<MemoryKind, long> bytes)
    {
        var report = new JsonReport();
        foreach (var kind in Enum.GetValues<MemoryKind>())
        {
            report.Add(kind.ToString().ToLowerInvariant(), bytes.GetValueOrDefault(kind));
        }
        return report;
    }

    private static string Word(DType dtype) => dtype.ToString().ToLowerInvariant();
}
