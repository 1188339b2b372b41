using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>What a decoder should predict at each position.</summary>
/// <param name="Tokens">I32: the next token of each row that counts, or <see cref="CrossEntropyOp.Ignore"/>.</param>
/// <param name="Denominator">What the sum of losses is divided by.</param>
/// <param name="Rows">I32: which of the batch·length rows the tokens belong to; null for all of them. Rows without a target need no
/// logits.</param>
public sealed record Targets(Tensor Tokens, float Denominator, Tensor? Rows = null)
{
    private int[]? _labels;
    private bool _isMean;
    private (Tensor Tokens, float Denominator, Tensor Value)? _inverse;

    /// <summary>Picking rows costs a copy of them, so it is done only where at least this part of the logits is saved.</summary>
    private const double WorthPicking = 0.2;

    /// <summary>Which part of a step's targets these are: 1 unless the step has several batches. What is added to the loss counts with this
    /// share.</summary>
    internal float Weight { get; private init; } = 1;

    /// <summary>1/<see cref="Denominator"/> as a number on the device, so that a recorded pass finds another batch's.</summary>
    internal Tensor InverseCount
    {
        get
        {
            if (_inverse is not { } known || known.Tokens != Tokens || !known.Denominator.Equals(Denominator))
            {
                _inverse = known = (Tokens, Denominator, Tokens.Backend.From([1 / Denominator], [1]).SameScope(Tokens));
            }
            return known.Value;
        }
    }

    /// <summary>These targets with <see cref="InverseCount"/> made, so that memory is taken in the same order in every pass.</summary>
    private Targets WithInverse()
    {
        _ = InverseCount;
        return this;
    }

    /// <summary>Targets from labels that stand at their own tokens, as Hugging Face has them: position t should predict label t +
    /// 1.</summary>
    /// <param name="backend">Where to put them.</param>
    /// <param name="labels">batch·length labels, row by row; −100 where nothing is to be learned.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="denominator">What the sum of losses is divided by; null for the number of targets, which gives the mean.</param>
    public static Targets FromLabels(IBackend backend, ReadOnlySpan<int> labels, int batch, float? denominator = null) =>
        Shifted(backend, labels, batch, denominator).WithInverse() with { _labels = labels.ToArray(), _isMean = denominator is null };

    /// <summary>These targets for rows with virtual tokens before them. The last virtual token predicts the first token, which nothing
    /// predicts otherwise.</summary>
    /// <param name="counts">Virtual tokens of each row.</param>
    /// <param name="places">Places that every row has for them.</param>
    internal Targets WithPromptTokens(ReadOnlySpan<int> counts, int places)
    {
        int[] labels = _labels
            ?? throw new ShapeException("targets", "behind virtual tokens targets must be made from labels: use Targets.FromLabels");
        int batch = counts.Length, length = labels.Length / batch;
        int[] longer = new int[batch * (places + length)];
        Array.Fill(longer, CrossEntropyOp.Ignore);
        for (int b = 0; b < batch; b++)
        {
            int skip = counts[b] == 0 ? 1 : 0;
            labels.AsSpan(b * length + skip, length - skip).CopyTo(longer.AsSpan(b * (places + length) + places + skip));
        }
        return Shifted(Tokens.Backend, longer, batch, _isMean ? null : Denominator).WithInverse();
    }

    private static Targets Shifted(IBackend backend, ReadOnlySpan<int> labels, int batch, float? denominator)
    {
        int[] next = new int[labels.Length];
        int count = Shift(labels, batch, next);
        if (count == 0)
        {
            throw new BadInputException("a batch has no token to learn: every label is masked");
        }
        float share = count / (denominator ?? count);
        if (!IsWorthPicking(count, next.Length))
        {
            return new Targets(backend.From(next, [batch, labels.Length / batch]), denominator ?? count) { Weight = share };
        }
        int[] rows = new int[count];
        CompactRows(next, rows);
        return new Targets(backend.From(next.AsSpan(0, count), [count]), denominator ?? count, backend.From(rows, [count]))
        {
            Weight =
            share
        };
    }

    /// <summary>The target of each position: the label behind it.</summary>
    /// <returns>How many positions have one.</returns>
    internal static int Shift(ReadOnlySpan<int> labels, int batch, Span<int> next)
    {
        int length = labels.Length / batch, count = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            next[i] = (i + 1) % length == 0 ? CrossEntropyOp.Ignore : labels[i + 1];
            count += next[i] == CrossEntropyOp.Ignore ? 0 : 1;
        }
        return count;
    }

    /// <summary>Moves the targets to the front, and notes which rows they stood in.</summary>
    internal static void CompactRows(Span<int> next, Span<int> rows)
    {
        for (int row = 0, at = 0; row < next.Length; row++)
        {
            if (next[row] != CrossEntropyOp.Ignore)
            {
                (rows[at], next[at]) = (row, next[row]);
                at++;
            }
        }
    }

    /// <summary>How many rows <see cref="FromLabels"/> picks; 0 if it takes all.</summary>
    internal static int PickedRows(ReadOnlySpan<int> labels, int batch)
    {
        int count = Count(labels, batch);
        return IsWorthPicking(count, labels.Length) ? count : 0;
    }

    private static bool IsWorthPicking(int count, int rows) => count <= (1 - WorthPicking) * rows;

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
