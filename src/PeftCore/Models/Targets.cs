using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>What a decoder should predict at each position.</summary>
/// <param name="Tokens">I32: the next token of each row that counts, or <see cref="CrossEntropyOp.Ignore"/>.</param>
/// <param name="Denominator">What the sum of losses is divided by.</param>
/// <param name="Rows">I32: which of the batch·length rows the tokens belong to; null for all of them. Rows without a target need no logits.</param>
public sealed record Targets(Tensor Tokens, float Denominator, Tensor? Rows = null)
{
    private int[]? _labels;
    private bool _isMean;

    /// <summary>Picking rows costs a copy of them, so it is done only where at least this part of the logits is saved.</summary>
    private const double WorthPicking = 0.2;

    /// <summary>Which part of a step's targets these are: 1 unless the step has several batches. What is added to the loss counts with this share.</summary>
    internal float Share { get; private init; } = 1;

    /// <summary>Targets from labels that stand at their own tokens, as Hugging Face has them: position t should predict label t + 1.</summary>
    /// <param name="backend">Where to put them.</param>
    /// <param name="labels">batch·length labels, row by row; −100 where nothing is to be learned.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="denominator">What the sum of losses is divided by; null for the number of targets, which gives the mean.</param>
    public static Targets FromLabels(IBackend backend, ReadOnlySpan<int> labels, int batch, float? denominator = null) =>
        Shifted(backend, labels, batch, denominator) with { _labels = labels.ToArray(), _isMean = denominator is null };

    /// <summary>These targets for rows with virtual tokens before them. The last virtual token predicts the first token, which nothing predicts
    /// otherwise.</summary>
    /// <param name="counts">Virtual tokens of each row.</param>
    /// <param name="places">Places that every row has for them.</param>
    internal Targets Behind(ReadOnlySpan<int> counts, int places)
    {
        var labels = _labels ?? throw new ShapeException("targets", "behind virtual tokens targets must be made from labels: use Targets.FromLabels");
        int batch = counts.Length, length = labels.Length / batch;
        var longer = new int[batch * (places + length)];
        Array.Fill(longer, CrossEntropyOp.Ignore);
        for (int b = 0; b < batch; b++)
        {
            int skip = counts[b] == 0 ? 1 : 0;
            labels.AsSpan(b * length + skip, length - skip).CopyTo(longer.AsSpan(b * (places + length) + places + skip));
        }
        return Shifted(Tokens.Backend, longer, batch, _isMean ? null : Denominator);
    }

    /// <summary>These targets, outside every scope until <see cref="Free"/>.</summary>
    internal Targets Kept()
    {
        Tokens.Keep();
        Rows?.Keep();
        return this;
    }

    internal void Free()
    {
        Tokens.Dispose();
        Rows?.Dispose();
    }

    /// <summary>Takes over the numbers of targets of the same shape.</summary>
    internal void CopyFrom(Targets other)
    {
        Tokens.Backend.Copy(other.Tokens, Tokens);
        if (Rows is not null)
        {
            Rows.Backend.Copy(other.Rows!, Rows);
        }
    }

    private static Targets Shifted(IBackend backend, ReadOnlySpan<int> labels, int batch, float? denominator)
    {
        int length = labels.Length / batch;
        var next = new int[labels.Length];
        int count = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            next[i] = (i + 1) % length == 0 ? CrossEntropyOp.Ignore : labels[i + 1];
            count += next[i] == CrossEntropyOp.Ignore ? 0 : 1;
        }
        if (count == 0)
        {
            throw new BadInputException("a batch has no token to learn: every label is masked");
        }
        if (count > (1 - WorthPicking) * next.Length)
        {
            return new Targets(backend.From(next, [batch, length]), denominator ?? count) { Share = count / (denominator ?? count) };
        }
        int[] rows = [.. Enumerable.Range(0, next.Length).Where(row => next[row] != CrossEntropyOp.Ignore)];
        return new Targets(backend.From(Array.ConvertAll(rows, row => next[row]), [count]), denominator ?? count, backend.From(rows, [count])) { Share = count / (denominator ?? count) };
    }

    /// <summary>How many of these labels are targets.</summary>
    /// <param name="labels">batch·length labels.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="first">Whether the first label of a row is one: it is behind virtual tokens.</param>
    public static int Count(ReadOnlySpan<int> labels, int batch, bool first = false)
    {
        int length = labels.Length / batch;
        int count = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            count += (first || i % length != 0) && labels[i] != CrossEntropyOp.Ignore ? 1 : 0;
        }
        return count;
    }
}
