using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Training;

public sealed partial class MemoryPlan
{
    private const int MostTokens = 1 << 26;

    /// <summary>A batch without padding, in which everything has a target that can have one: the worst case of its size. Of masked language
    /// modelling 15 % of the tokens have one, as in training. Benchmarks run it too.</summary>
    /// <param name="model">The model.</param>
    /// <param name="batchSize">Rows.</param>
    /// <param name="length">Tokens of a row.</param>
    /// <param name="seed">Seed of the tokens.</param>
    /// <param name="targetLength">Tokens of a target of an encoder-decoder; 0 for <paramref name="length"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1, or the batch has more than 67,108,864 tokens.</exception>
    public static Batch FullBatch(TransformerModel model, int batchSize, int length, ulong seed = 0, int targetLength = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(targetLength);
        if ((long)batchSize * ((long)length + targetLength) > MostTokens)
        {
            throw new ArgumentOutOfRangeException(nameof(batchSize), batchSize,
                $"a batch of {batchSize} rows of {length} tokens is more than the {MostTokens} tokens that are planned for");
        }
        var rows = new Example[batchSize];
        var sizes = model.InputsOf(length);
        int symbols = sizes.Symbols ?? model.VocabularySize;
        for (int row = 0; row < batchSize; row++)
        {
            int[] ids = Tokens(row, 0, sizes.Tokens);
            if (model.ClassifiedToken is { } end)
            {
                ids = [.. ids[1..].Select(id => id == end ? (id + 1) % model.VocabularySize : id), end]; // One in every row.
            }
            rows[row] = FullTargets.Of(model, row, ids, () =>
                Tokens(row, length, sizes.Targets ?? (targetLength > 0 ? targetLength : length))) with
            {
                Pixels = model.Task == ModelTask.NoisePrediction ? Noised(row, sizes.Pixels!.Value) : Numbers(row, sizes.Pixels),
                EncoderStates = Numbers(row, sizes.EncoderStates),
                Sound = Numbers(row, sizes.Sound),
                Classes = sizes.Classes is not { } classes ? null : classes.IsNumber ? new DenseValues([0], [1])
                    : Numbers(row, [classes.Columns]),
                Boxes = sizes.HasBoxes ? new int[4 * ids.Length] : null,
            };
        }
        // A loader puts similar texts side by side.
        return rows[0].Positive is null ? new Collator(padId: 0).Collate(rows)
            : new DataLoader(rows, new LoaderOptions { BatchSize = batchSize, PadId = 0 }).Epoch().First();

        int[] Tokens(int row, int first, int count) => [.. Enumerable.Range(first, count)
            .Select(i => (int)(Kernels.Philox.Next(seed, (ulong)row, (ulong)i).X % (uint)symbols))];

        NoisedPicture Noised(int row, Shape shape) => new(new DenseValues(Values(row, shape), shape), NoiseSchedule.StableDiffusion);

        DenseValues? Numbers(int row, Shape? shape) => shape is not { } extents ? null : new(Values(row, extents), extents);

        float[] Values(int row, Shape extents) => [.. Enumerable.Range(0, (int)extents.Count)
            .Select(i => Kernels.Philox.Next(seed, (ulong)row, (ulong)i).X / (float)uint.MaxValue)];
    }
}
