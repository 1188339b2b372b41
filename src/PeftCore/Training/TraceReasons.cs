namespace PeftCore.Training;

/// <summary>The sentences of a trace: why a tensor is saved, why an op is not recorded, why backward stops.</summary>
internal static class TraceReasons
{
    public const string NoGradient = "none of its inputs needs a gradient";

    public const string RunsAgain = "it runs again in backward: with gradient checkpointing the block saves only its input";

    /// <summary>Writes the reasons of all saved and recomputed tensors.</summary>
    public static void Complete(IReadOnlyList<TracedOp> ops, TraceParameters parameters)
    {
        var holders = ops.SelectMany(op => op.Saved.Select(saved => (Op: op, Saved: saved))).ToLookup(pair => pair.Saved.Memory);
        foreach (var op in ops)
        {
            foreach (var saved in op.Saved)
            {
                string others = Others(op, [.. holders[saved.Memory].Select(pair => pair.Op).Where(other => other != op).Distinct()]);
                string held = saved.Parameter is { } name ? $"; it is the parameter {name}, which is in memory anyway" : "";
                saved.Reason = $"needed for {saved.Equation}{SharedBy(op, saved, parameters)}{others}{held}";
            }
            foreach (var value in op.Recomputed)
            {
                var source = ops[value.Op!.Value];
                value.Reason = $"needed for {value.Equation}{SharedBy(op, value, parameters)}; recomputed from what {Name(source)} saves";
            }
        }
    }

    /// <summary>The inputs through which backward goes no further, though another op computed them.</summary>
    public static IReadOnlyList<(int Op, string Reason)> Stops(IReadOnlyList<TracedOp> ops) =>
        [.. from op in ops
            where op.NotRecorded is null && op.RunAgainBy is null && op.MicroBatch == 0
            from input in op.Inputs
            where !input.NeedsGrad && input.Op is not null && input.Parameter is null
            select (op.Number, Stop(ops, input))];

    /// <summary>An op by its name and module.</summary>
    private static string Name(TracedOp op) => $"op {op.Number} ({op.Name}{(op.Module.Length == 0 ? "" : $" in {op.Module}")})";

    private static string Stop(IReadOnlyList<TracedOp> ops, TracedTensor input)
    {
        // All ops below are not recorded; the parameters they read are frozen.
        var below = new SortedSet<int>();
        var frozen = new List<string>();
        var open = new Stack<int>([input.Op!.Value]);
        while (open.TryPop(out int number))
        {
            if (below.Add(number))
            {
                foreach (var read in ops[number].Inputs)
                {
                    if (read.Parameter is { } name)
                    {
                        frozen.Add(name);
                    }
                    else if (read.Op is { } earlier)
                    {
                        open.Push(earlier);
                    }
                }
            }
        }
        string parameters = frozen.Count == 0 ? "no parameter is below it" : $"{Listed([.. frozen.Distinct()])} below it " +
            $"{(frozen.Distinct().Count() == 1 ? "is" : "are")} frozen";
        return $"{input.Name} comes from {Name(ops[input.Op!.Value])} and needs no gradient: {parameters}";
    }

    private static string Others(TracedOp op, List<TracedOp> others) => others.Count == 0 ? ""
        : others.TrueForAll(other => other.Number > op.Number) ? $"; the same memory is saved by {Listed(others.ConvertAll(Name))}"
        : $"; the memory is shared with {Listed(others.ConvertAll(Name))}";

    /// <summary>"; shared by q_proj, k_proj and v_proj" for an input of an op that trains parameters of several modules.</summary>
    private static string SharedBy(TracedOp op, TracedTensor read, TraceParameters parameters)
    {
        if (!(read.Memory < 0 || op.Inputs.Any(input => input.Memory == read.Memory && input.Parameter is null)))
        {
            return "";
        }
        var modules = op.Inputs.Where(input => input is { NeedsGrad: true, Parameter: not null })
            .Select(input => parameters.ModuleOf(input.Parameter!)).Distinct().Select(path => path.Split('.')[^1]).ToList();
        return modules.Count < 2 ? "" : $"; shared by {Listed(modules)}";
    }

    private static string Listed(List<string> names) => names.Count switch
    {
        1 => names[0],
        > 4 => $"{names[0]}, {names[1]} and {names.Count - 2} more",
        _ => $"{string.Join(", ", names[..^1])} and {names[^1]}",
    };
}
