using PeftCore.Models;

namespace PeftCore.Data;

/// <summary>Collated samples: token ids, labels, targets and positions of B rows of T tokens, in host memory and row-major. A
/// <see cref="Collator"/> makes it; <see cref="BatchUploads"/> uploads it.</summary>
public sealed class Batch
{
    private int _textsOfSample = 1;
    private int[]? _ranges;
    private int[]? _typeIds;
    private int[]? _spans;
    private float[]? _scores;

    internal Batch(int batchSize, int length, int targetLength = 0)
    {
        (BatchSize, Length, TargetLength) = (batchSize, length, targetLength);
        if (targetLength > 0)
        {
            DecoderLabels = new int[batchSize * targetLength];
        }
        InputIds = new int[batchSize * length];
        Labels = new int[batchSize * length];
        Targets = new int[batchSize * length];
        Positions = new int[batchSize * length];
        Lengths = new int[batchSize];
        ClassLabels = new int[batchSize];
        Clear(0);
    }

    /// <summary>Fills the batch with padding.</summary>
    internal void Clear(int padId)
    {
        Array.Fill(InputIds, padId);
        Array.Fill(Labels, Example.Masked);
        Array.Fill(Targets, Example.Masked);
        Array.Clear(Positions);
        Array.Clear(Lengths);
        Array.Fill(ClassLabels, -1);
        (CausalRanges, TaskIds, TrainableTokens) = (null, null, 0);
        (TypeIds, Spans, Scores, Windows, Boxes, Parts) = (null, null, null, null, null, 1);
        (EncoderStates, Timesteps, Classes) = (null, null, null);
        (IsPairs, IsTranscripts, WordDelimiter) = (false, false, null);
        if (DecoderLabels is not null)
        {
            Array.Fill(DecoderLabels, Example.Masked);
        }
    }

    /// <summary>Sets <see cref="TypeIds"/> to an array of zeros that later batches reuse.</summary>
    internal int[] NewTypeIds()
    {
        TypeIds = _typeIds ??= new int[InputIds.Length];
        Array.Clear(TypeIds);
        return TypeIds;
    }

    /// <summary>Sets <see cref="Spans"/> to an array that later batches reuse.</summary>
    internal int[] NewSpans() => Spans = _spans ??= new int[BatchSize * 2];

    /// <summary>Sets <see cref="Scores"/> to an array that later batches reuse.</summary>
    /// <param name="columns">Numbers of a row.</param>
    internal float[] NewScores(int columns) =>
        Scores = _scores?.Length == BatchSize * columns ? _scores : _scores = new float[BatchSize * columns];

    /// <summary>Sets <see cref="CausalRanges"/> to an array that later batches reuse.</summary>
    internal int[] NewRanges() => CausalRanges = _ranges ??= new int[InputIds.Length * 2];

    /// <summary>Number of rows, B.</summary>
    public int BatchSize { get; }

    /// <summary>Tokens of a row, padding included, T.</summary>
    public int Length { get; }

    /// <summary>The token ids; padding is on the right.</summary>
    internal int[] InputIds { get; } // (B, T)

    /// <summary>The token ids that are learned, <see cref="Example.Masked"/> elsewhere. Aligned with <see cref="InputIds"/>; the first of a
    /// sample is always masked.</summary>
    public int[] Labels { get; } // (B, T)

    /// <summary>The token id that each position predicts: <see cref="Labels"/> shifted by one, once, by the collator.</summary>
    internal int[] Targets { get; } // (B, T)

    /// <summary>The position of each token in its own sample, from 0; 0 for padding.</summary>
    internal int[] Positions { get; } // (B, T)

    /// <summary>Tokens of each row that are not padding.</summary>
    internal int[] Lengths { get; } // (B)

    /// <summary>The class of each row, −1 without one.</summary>
    internal int[] ClassLabels { get; } // (B)

    /// <summary>The number to predict for each row (regression), or 0 and 1 for each class of each row; null if there are none.</summary>
    internal float[]? Scores { get; private set; } // (B) or (B, classes)

    /// <summary>The first tokens of the answers in all rows, then the last ones; null if the task is not question answering.</summary>
    internal int[]? Spans { get; private set; } // (2, B)

    /// <summary>The part of a context that each row shows; null if the task is not question answering.</summary>
    internal QuestionWindow[]? Windows { get; set; } // (B)

    /// <summary>Which of two texts each token belongs to; null if all are 0.</summary>
    internal int[]? TypeIds { get; private set; } // (B, T)

    /// <summary>The pictures; null without any.</summary>
    internal DenseBatch? Pixels { get; set; } // (B, channels, height, width)

    /// <summary>Samples or frames of the longest recording; 0 without recordings.</summary>
    public int SoundLength => Sound?.Shape.Columns ?? 0;

    /// <summary>The recordings; null without any.</summary>
    internal DenseBatch? Sound { get; set; } // (B, samples) or (B, bins, frames)

    /// <summary>The hidden states of texts that a diffusion model attends to; null without.</summary>
    internal DenseBatch? EncoderStates { get; set; } // (B, T', C')

    /// <summary>The step of the noise schedule of each row; null without.</summary>
    internal int[]? Timesteps { get; set; } // (B)

    /// <summary>The class of the picture that a diffusion model reads; null without.</summary>
    internal DenseBatch? Classes { get; set; } // (B, 1) or (B, C')

    /// <summary>The box of each token on its page, zeros for padding; null without boxes.</summary>
    internal int[]? Boxes { get; set; } // (B, T, 4)

    /// <summary>Whether the rows are pictures and their texts.</summary>
    internal bool IsPairs { get; set; }

    /// <summary>Whether each row counts as one target, whatever the number of its labels.</summary>
    internal bool IsTranscripts { get; set; }

    /// <summary>The label between words of transcripts; null if it is not known.</summary>
    internal int? WordDelimiter { get; set; }

    /// <summary>Tokens of a target, padding included, S; 0 without a decoder of its own.</summary>
    public int TargetLength { get; }

    /// <summary>The tokens that the decoder of an encoder-decoder writes, <see cref="Example.Masked"/> for padding; the model moves them by
    /// one place for the decoder to read. Null without a decoder of its own.</summary>
    internal int[]? DecoderLabels { get; } // (B, S)

    /// <summary>How many texts of a sample the batch holds, one block of B / Parts rows after the other: anchors, positives and, if there
    /// are three, negatives of contrastive training; otherwise 1.</summary>
    internal int Parts
    {
        get => _textsOfSample;
        set
        {
            _textsOfSample = value;
            CountTargets();
        }
    }

    /// <summary>The task of each row, 0 for a row without one; null if no row has one.</summary>
    internal int[]? TaskIds { get; set; } // (B)

    /// <summary>The keys [first, end) that each token attends to in causal attention within its own sample. Null if no row is packed:
    /// padding is on the right, so plain causal attention excludes it.</summary>
    internal int[]? CausalRanges { get; set; } // (B, T, 2)

    /// <summary>Tokens that are not padding.</summary>
    public int Tokens
    {
        get
        {
            // A loop, here and below: LINQ allocates on the managed heap in every step until it is fully compiled.
            int sum = 0;
            foreach (int length in Lengths)
            {
                sum += length;
            }
            return sum;
        }
    }

    /// <summary>The largest of <see cref="Positions"/>.</summary>
    internal int LongestPosition
    {
        get
        {
            int longest = 0;
            foreach (int position in Positions)
            {
                longest = Math.Max(longest, position);
            }
            return longest;
        }
    }

    /// <summary>Number of targets: positions that predict a token, or what the task predicts instead.</summary>
    public int TrainableTokens { get; private set; }

    /// <summary>Number of targets of an optimizer step, the denominator of its loss: every target has the same weight, whichever micro
    /// batch contains it.</summary>
    internal static int TargetCount(IReadOnlyList<Batch> microBatches)
    {
        int count = 0;
        for (int i = 0; i < microBatches.Count; i++)
        {
            count += microBatches[i].TrainableTokens;
        }
        return count;
    }

    /// <summary>Whether a row or a target has padding.</summary>
    internal bool HasPadding => Tokens < InputIds.Length || DecoderLabels.AsSpan().Contains(Example.Masked);

    /// <summary>Creates a batch of one row without padding.</summary>
    /// <param name="row">Its index.</param>
    internal Batch Row(int row)
    {
        int length = Lengths[row], start = row * Length;
        var target = DecoderLabels.AsSpan(row * TargetLength, TargetLength);
        target = target[..(target.LastIndexOfAnyExcept(Example.Masked) + 1)];
        var alone = new Batch(1, length, target.Length)
        {
            CausalRanges = CausalRanges?[(2 * start)..(2 * (start + length))],
            TaskIds = TaskIds?[row..(row + 1)],
            TypeIds = TypeIds?[start..(start + length)],
            Spans = Spans is { } spans ? [spans[row], spans[BatchSize + row]] : null,
            Scores = Scores is { } scores ? [.. scores.AsSpan(row * (scores.Length / BatchSize), scores.Length / BatchSize)] : null,
            Pixels = Pixels?.Row(row),
            EncoderStates = EncoderStates?.Row(row),
            Timesteps = Timesteps?[row..(row + 1)],
            Classes = Classes?.Row(row),
            Sound = Sound?.Row(row),
            Boxes = Boxes?[(4 * start)..(4 * (start + length))],
            IsPairs = IsPairs,
            IsTranscripts = IsTranscripts,
            WordDelimiter = WordDelimiter,
        };
        InputIds.AsSpan(start, length).CopyTo(alone.InputIds);
        Labels.AsSpan(start, length).CopyTo(alone.Labels);
        Targets.AsSpan(start, length).CopyTo(alone.Targets);
        Positions.AsSpan(start, length).CopyTo(alone.Positions);
        target.CopyTo(alone.DecoderLabels);
        alone.Lengths[0] = length;
        alone.ClassLabels[0] = ClassLabels[row];
        alone.CountTargets();
        return alone;
    }

    /// <summary>Computes <see cref="Targets"/> and <see cref="TrainableTokens"/> from <see cref="Labels"/>.</summary>
    internal void ShiftLabels()
    {
        LabelShift.Shift(Labels, BatchSize, Targets);
        CountTargets();
    }

    /// <summary>Sets <see cref="Targets"/> to labels of the tokens themselves, without a shift, and counts them.</summary>
    internal void KeepLabels()
    {
        Labels.CopyTo(Targets, 0);
        CountTargets();
    }

    /// <summary>Counts the targets of the batch's task: tokens of a decoder of its own, first and last tokens of answers, tokens, pairs, or
    /// rows with classes or a number.</summary>
    private void CountTargets()
    {
        int tokens = Count(DecoderLabels ?? Targets);
        TrainableTokens = Parts > 1 ? BatchSize / Parts : Spans?.Length
            ?? (IsTranscripts ? BatchSize : tokens > 0 ? tokens : IsPairs || Scores is not null ? BatchSize
                : BatchSize - ClassLabels.AsSpan().Count(-1));
    }

    private static int Count(int[] labels) => labels.Length - labels.AsSpan().Count(Example.Masked);

    /// <summary>The keys [first, end) of bidirectional attention, as in encoders: each token attends to its own sample, a padding token to
    /// itself.</summary>
    internal int[] BidirectionalRanges() // (B, T, 2)
    {
        int[] ranges = new int[InputIds.Length * 2];
        for (int row = 0; row < BatchSize; row++)
        {
            int end = Lengths[row];
            for (int i = Length - 1; i >= 0; i--)
            {
                int at = row * Length + i;
                bool padding = i >= Lengths[row];
                ranges[2 * at] = padding ? i : i - Positions[at];
                ranges[2 * at + 1] = padding ? i + 1 : end;
                if (!padding && Positions[at] == 0)
                {
                    end = i;
                }
            }
        }
        return ranges;
    }
}
