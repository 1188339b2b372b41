using PeftCore.Data;
using PeftCore.Tokenizers;

namespace PeftCore.Lab.Engine;

/// <summary>The texts of the lab: rows to train on, held-out rows, and passages of books as the base model was trained on, on which
/// forgetting is measured.</summary>
internal sealed class LabData
{
    /// <summary>The longest sample in tokens.</summary>
    public const int MaxSeqLength = 128;

    /// <summary>Batches whose gradients choose the entries of a sparse method, as in <c>peftcore train</c>.</summary>
    public const int SelectionBatches = 16;

    /// <summary>The name of the passages among the embedded files.</summary>
    public const string BasePassages = "Data/old-books.txt";

    private readonly List<Example> _train, _held, _base;

    /// <param name="options">The directories of model and data.</param>
    public LabData(LabOptions options)
    {
        Tokenizer = Tokenizer.FromDirectory(options.Model);
        var splits = DataFiles.Open(options.Data);
        var held = splits.Validation
            ?? throw new BadInputException($"{options.Data}: the lab needs held-out rows, expected a file named " +
                "valid.jsonl beside the others.");
        Prompts = [.. held.Select(row => row.PromptAndCompletion?.Prompt).OfType<string>().Take(8)];
        var encoder = new ExampleEncoder(Tokenizer, new EncodeOptions { MaxSeqLength = MaxSeqLength });
        _train = encoder.Encode(splits.RequireTrain());
        _held = encoder.Encode(held);
        _base = encoder.Encode([.. Resources.Text(BasePassages).ReplaceLineEndings("\n").Split("\n\n")
            .Select(text => DataRow.OfText(text.Trim()))]);
    }

    public Tokenizer Tokenizer { get; }

    /// <summary>Prompts of held-out rows.</summary>
    public IReadOnlyList<string> Prompts { get; }

    /// <summary>The training data, shuffled by a seed as <c>peftcore train</c> shuffles them.</summary>
    public DataLoader Train(int batchSize, ulong seed) => Loader(_train, batchSize, seed, shuffle: true);

    public DataLoader Held() => Loader(_held, 16, 0, shuffle: false);

    public DataLoader Base() => Loader(_base, 8, 0, shuffle: false);

    private DataLoader Loader(List<Example> samples, int batchSize, ulong seed, bool shuffle) => new(samples, new LoaderOptions
    {
        BatchSize = batchSize, PadId = Tokenizer.PadId ?? Tokenizer.EosId ?? 0, Seed = seed, Shuffle = shuffle,
    });
}
