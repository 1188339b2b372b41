using PeftCore.Cli.Output;
using PeftCore.Training;

namespace PeftCore.Cli.Explain;

/// <summary>The ops of a step as lines: in order, with what each saves and why.</summary>
/// <param name="step">The step.</param>
/// <param name="all">Whether blocks that repeat the one before are shown too.</param>
internal sealed class OpText(ExplainedStep step, bool all)
{
    /// <summary>The lines of the forward pass of the first micro batch.</summary>
    public IEnumerable<string> Forward() => Lines([.. step.Trace.Ops.Where(op => op is { MicroBatch: 0, RunAgainBy: null })]);

    /// <summary>The lines of the ops that backward runs again, with gradient checkpointing.</summary>
    public IEnumerable<string> RunAgain() => Lines([.. step.Trace.Ops.Where(op => op is { MicroBatch: 0, RunAgainBy: not null })]);

    private IEnumerable<string> Lines(List<TracedOp> ops)
    {
        var parts = Parts(ops);
        var groups = all ? parts.Select((_, i) => (i, 1)) : RepeatedBlocks.Group(parts.ConvertAll(part => (part.Block, Signature(part))));
        foreach (var (first, count) in groups)
        {
            foreach (string line in Lines(parts[first]))
            {
                yield return line;
            }
            if (count > 1)
            {
                var rest = parts.GetRange(first + 1, count - 1);
                string each = rest.Count > 1 ? " each" : "";
                yield return $"      {RepeatedBlocks.Others([.. rest.Select(part => part.Block)])}: as {parts[first].Block}" +
                    $" (ops {rest[0].Ops[0].Number} to {rest[^1].Ops[^1].Number}), " +
                    $"{new ByteSize(rest[0].Ops.Sum(op => op.Saved.Sum(saved => saved.Bytes)))}{each}";
            }
        }
    }

    private static List<(string Block, List<TracedOp> Ops)> Parts(List<TracedOp> ops)
    {
        var parts = new List<(string Block, List<TracedOp> Ops)>();
        foreach (var op in ops)
        {
            string block = RepeatedBlocks.BlockOf(op.Module);
            // The op of a checkpoint belongs to the block that it ends.
            if (op.Name == "recompute" && parts.Count > 0)
            {
                block = parts[^1].Block;
            }
            if (parts.Count == 0 || parts[^1].Block != block)
            {
                parts.Add((block, []));
            }
            parts[^1].Ops.Add(op);
        }
        return parts;
    }

    private static string Signature((string Block, List<TracedOp> Ops) part) => string.Join('\n', part.Ops.Select(op =>
        $"{op.Name} {Inside(op, part.Block)} {op.NotRecorded} {Tensors(op.Saved)} again {Tensors(op.Recomputed)}"));

    private static string Tensors(IEnumerable<TracedTensor> tensors) =>
        string.Join(", ", tensors.Select(tensor => $"{tensor.Name} {tensor.DType} {tensor.Shape} {tensor.Bytes}"));

    private static string Inside(TracedOp op, string block) =>
        op.Module.StartsWith(block, StringComparison.Ordinal) ? op.Module[block.Length..] : op.Module;

    private static IEnumerable<string> Lines((string Block, List<TracedOp> Ops) part)
    {
        for (int i = 0, next; i < part.Ops.Count; i = next)
        {
            var op = part.Ops[i];
            next = i + 1;
            if (op.NotRecorded is { } reason)
            {
                while (next < part.Ops.Count && part.Ops[next].NotRecorded == reason)
                {
                    next++;
                }
                yield return next - i == 1 ? $"{op.Number,4}  {ExplainedStep.NameOf(op)}: not recorded, {reason}"
                    : $"{op.Number,4}  to {part.Ops[next - 1].Number}, in {part.Block}: not recorded, {reason}";
                continue;
            }
            bool savesNothing = op.Saved.Count + op.Recomputed.Count == 0;
            yield return $"{op.Number,4}  {ExplainedStep.NameOf(op)}{(savesNothing ? ": saves nothing" : "")}";
            var values = op.Saved.Select(saved => (Saved: saved, Note: ""))
                .Concat(op.Recomputed.Select(value => (Saved: value, Note: " again"))).ToList();
            int names = values.Count == 0 ? 0 : values.Max(value => value.Saved.Name.Length);
            int shapes = values.Count == 0 ? 0 : values.Max(value => $"{value.Saved.Shape}".Length);
            foreach (var (saved, note) in values)
            {
                yield return $"        {saved.Name.PadRight(names)}  {$"{saved.Shape}".PadRight(shapes)}  " +
                    $"{$"{new ByteSize(saved.Bytes)}",9}{note}  {saved.Reason}";
            }
        }
    }
}
