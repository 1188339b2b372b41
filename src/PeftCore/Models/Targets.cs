using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The tokens that a decoder predicts at each position, on the device, and the denominator of their mean. Which position predicts
/// which token is decided by <see cref="LabelShift"/>: once in the collator for a batch, here for labels from elsewhere.</summary>
public sealed class Targets
{
    /// <summary>Compacting rows copies the remaining hidden states, so it is done only if it avoids at least this fraction of the
    /// logits.</summary>
    private const double MinSavedFraction = 0.2;

    private readonly int[] _shifted; // (B, T)
    private readonly int[] _firstLabels; // (B), or empty if all are masked
    private readonly bool _isMean;
    private readonly int[] _tokens;
    private readonly int[]? _rows;
    private readonly float[]? _values;

    private Targets(Backend backend, int[] shifted, int count, int batch, float? denominator, int[] firstLabels)
    {
        if (count == 0)
        {
            throw new BadInputException("a batch has no token to learn: every label is masked");
        }
        (_shifted, _firstLabels, _isMean) = (shifted, firstLabels, denominator is null);
        Denominator = denominator ?? count;
        Weight = count / Denominator;
        if (CompactedRows(count, shifted.Length) > 0)
        {
            int[] tokens = new int[count], rows = new int[count];
            CompactRows(shifted, tokens, rows);
            Tokens = backend.From(tokens, [count]);
            Rows = backend.From(rows, [count]);
            (_tokens, _rows) = (tokens, rows);
        }
        else
        {
            Tokens = backend.From(shifted, [batch, shifted.Length / batch]);
            _tokens = shifted;
        }
        InverseCount = backend.From([1 / Denominator], [1]);
    }

    private Targets(Backend backend, float[] values, int batch, float? denominator)
    {
        (_shifted, _firstLabels, _isMean) = ([], [], denominator is null);
        Denominator = denominator ?? batch;
        Weight = batch / Denominator;
        (_values, _tokens) = (values, [0]);
        Values = backend.From(values, [batch, values.Length / batch]);
        Tokens = backend.From(_tokens, [1]);
        InverseCount = backend.From([1 / Denominator], [1]);
    }

    private Targets(Backend backend, int[] labels, int batch, float? denominator)
    {
        (_shifted, _firstLabels, _isMean) = (labels, [], denominator is null);
        Denominator = denominator ?? batch;
        Weight = batch / Denominator;
        _tokens = labels;
        Tokens = backend.From(labels, [batch, labels.Length / batch]);
        InverseCount = backend.From([1 / Denominator], [1]);
    }

    /// <summary>F32 (B, n): the numbers that each row predicts: one in regression; 1 for the classes of the row, 0 for others, if a row may
    /// have several; null in other tasks.</summary>
    internal Tensor? Values { get; }

    /// <summary>I32: the token that each position predicts, or <see cref="CrossEntropyOp.Ignore"/>; with <see cref="Rows"/> only those of
    /// positions that predict one.</summary>
    internal Tensor Tokens { get; } // (B, T) or (count)

    /// <summary>I32: the position, of all B·T, of each of <see cref="Tokens"/>; null if they are all positions. Positions without a target
    /// need no logits.</summary>
    internal Tensor? Rows { get; } // (count)

    /// <summary>The denominator of the sum of losses: the number of targets for a mean over these, or that of all micro batches of a
    /// step.</summary>
    internal float Denominator { get; }

    /// <summary>count / <see cref="Denominator"/>: the weight of these targets among those of an optimizer step, 1 unless the step has
    /// several micro batches. A penalty that is added to the loss is multiplied by it.</summary>
    internal float Weight { get; }

    /// <summary>1 / <see cref="Denominator"/> on the device, so that a captured graph reads it from memory as it reads the batch.</summary>
    internal Tensor InverseCount { get; } // (1)

    /// <summary>Targets from labels that are aligned with their own tokens, as in Hugging Face's files: position t predicts label
    /// t + 1.</summary>
    /// <param name="backend">The device to upload to.</param>
    /// <param name="labels">batch·length labels, row by row; −100 for masked labels.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="denominator">The denominator of the sum of losses; null for the number of targets, which gives the mean.</param>
    /// <exception cref="BadInputException">Every label is masked.</exception>
    public static Targets FromLabels(Backend backend, ReadOnlySpan<int> labels, int batch, float? denominator = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        CheckRows(labels.Length, batch);
        int[] shifted = new int[labels.Length];
        int count = LabelShift.Shift(labels, batch, shifted);
        return new Targets(backend, shifted, count, batch, denominator, LabelShift.FirstLabels(labels, batch));
    }

    /// <summary>Targets that the collator has shifted and counted; label 0 of every row is masked.</summary>
    /// <param name="backend">The device to upload to.</param>
    /// <param name="shifted">(B, T): the token that each position predicts; not copied.</param>
    /// <param name="count">Number of positions that predict a token.</param>
    /// <param name="batch">Rows B.</param>
    /// <param name="denominator">The denominator of the sum of losses; null for <paramref name="count"/>.</param>
    internal static Targets FromShifted(Backend backend, int[] shifted, int count, int batch, float? denominator = null) =>
        new(backend, shifted, count, batch, denominator, firstLabels: []);

    /// <summary>Targets that stand at the positions that predict them: classes of rows or tokens, masked tokens, the tokens of a decoder
    /// whose inputs are shifted.</summary>
    /// <param name="backend">The device to upload to.</param>
    /// <param name="labels">The labels, row by row; −100 for those that are left out.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="denominator">The denominator of the sum of losses; null for the number of targets.</param>
    /// <exception cref="BadInputException">Every label is masked.</exception>
    internal static Targets Unshifted(Backend backend, ReadOnlySpan<int> labels, int batch, float? denominator = null)
    {
        CheckRows(labels.Length, batch);
        return new(backend, labels.ToArray(), labels.Length - labels.Count(CrossEntropyOp.Ignore), batch, denominator, firstLabels: []);
    }

    /// <summary>Refuses labels that do not fill rows of one length.</summary>
    internal static void CheckRows(int labels, int batch)
    {
        if (batch <= 0 || labels == 0 || labels % batch != 0)
        {
            throw new ShapeException("targets", $"{labels} labels do not fill {batch} rows of one length");
        }
    }

    /// <summary>Targets that are numbers: one for each row in a regression, 0 or 1 for each class of each row, one for each pixel of the
    /// noise in a picture.</summary>
    /// <param name="backend">The device to upload to.</param>
    /// <param name="values">The numbers, row by row.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="denominator">The denominator of the sum of losses; null for the number of rows.</param>
    /// <exception cref="ShapeException">The numbers do not fill the rows.</exception>
    internal static Targets FromValues(Backend backend, ReadOnlySpan<float> values, int batch, float? denominator = null) =>
        batch > 0 && values.Length > 0 && values.Length % batch == 0 ? new(backend, values.ToArray(), batch, denominator)
        : throw new ShapeException("targets", $"{values.Length} numbers do not fill {batch} rows of one length");

    /// <summary>Targets that are the labels of whole rows, of any number, as in connectionist temporal classification.</summary>
    /// <param name="backend">The device to upload to.</param>
    /// <param name="labels">(B, L), negative for padding.</param>
    /// <param name="batch">Rows B.</param>
    /// <param name="symbols">Symbols that exist.</param>
    /// <param name="denominator">The denominator of the sum of losses; null for the number of rows.</param>
    /// <exception cref="BadInputException">A label is no symbol.</exception>
    internal static Targets Transcripts(Backend backend, ReadOnlySpan<int> labels, int batch, int symbols, float? denominator = null)
    {
        if (batch <= 0 || labels.Length == 0 || labels.Length % batch != 0)
        {
            throw new ShapeException("targets", $"{labels.Length} labels do not fill {batch} rows of one length");
        }
        int length = labels.Length / batch;
        int[] compact = new int[labels.Length];
        Array.Fill(compact, CrossEntropyOp.Ignore);
        for (int row = 0; row < batch; row++)
        {
            int at = row * length;
            foreach (int label in labels.Slice(row * length, length))
            {
                if (label >= symbols)
                {
                    throw new BadInputException($"a transcript has label {label}, but the model predicts {symbols} symbols; the tokenizer " +
                        "belongs to another model");
                }
                if (label >= 0)
                {
                    compact[at++] = label;
                }
            }
        }
        return new Targets(backend, compact, batch, denominator);
    }

    /// <summary>Checks that the labels of each row fit its frames: one frame a label, and one more between two equal ones.</summary>
    /// <exception cref="BadInputException">They do not.</exception>
    internal void CheckFit(ReadOnlySpan<int> frames)
    {
        int length = _shifted.Length / frames.Length;
        for (int row = 0; row < frames.Length; row++)
        {
            int needed = CtcDecoding.FramesFor(_shifted.AsSpan(row * length, length));
            if (needed > frames[row])
            {
                throw new BadInputException($"row {row} of a batch has a transcript that takes {needed} frames, but its recording has " +
                    $"{frames[row]}; leave it out, or set ctc_zero_infinity to true to ignore such rows");
            }
        }
    }

    /// <summary>Everything that is uploaded of these targets, with its values on the host.</summary>
    internal IReadOnlyList<Uploaded> Uploads() =>
    [
        new(Tokens, _tokens), new(InverseCount, new[] { 1 / Denominator }),
        .. Rows is null ? [] : new[] { new Uploaded(Rows, _rows!) }, .. Values is null ? [] : new[] { new Uploaded(Values, _values!) },
    ];

    /// <summary>These targets for rows with virtual tokens before them.</summary>
    /// <param name="counts">Virtual tokens of each row.</param>
    /// <param name="places">Virtual tokens of the longest row, P; shorter ones are padded on the left.</param>
    internal Targets WithPromptTokens(ReadOnlySpan<int> counts, int places)
    {
        int[] longer = new int[counts.Length * places + _shifted.Length]; // (B, P + T)
        int count = LabelShift.WithPromptTokens(_shifted, _firstLabels, counts, longer);
        return new Targets(Tokens.Backend, longer, count, counts.Length, _isMean ? null : Denominator, firstLabels: []);
    }

    /// <summary>Copies the targets that are not <see cref="CrossEntropyOp.Ignore"/>, and the positions they belong to.</summary>
    internal static void CompactRows(ReadOnlySpan<int> shifted, Span<int> tokens, Span<int> rows)
    {
        int at = 0;
        for (int row = 0; row < shifted.Length; row++)
        {
            if (shifted[row] != CrossEntropyOp.Ignore)
            {
                (rows[at], tokens[at]) = (row, shifted[row]);
                at++;
            }
        }
    }

    /// <summary>The length of <see cref="Rows"/> for this many targets among this many positions; 0 if rows are not compacted.</summary>
    internal static int CompactedRows(int count, int positions) => count <= (1 - MinSavedFraction) * positions ? count : 0;
}
